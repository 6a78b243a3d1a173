import type { WatchBatch, WatchEvent } from '../../shared/client.ts';
import type { Kind } from '../../shared/generated/types.ts';
import type { KubeObject } from '../../shared/object.ts';

/** A client whose watches the test controls, and which counts them. */
export class ScriptedClient {
  watches = 0;
  kinds: readonly Kind[] = [];
  #batches: WatchBatch[] = [];
  #end: { error?: Error } | undefined;
  #wake: () => void = () => undefined;

  say(...batches: WatchBatch[]): void {
    this.#batches.push(...batches);
    this.#wake();
  }

  /** Ends the running watch; by an error, when there is one. */
  end(error?: Error): void {
    this.#end = { ...(error ? { error } : {}) };
    this.#wake();
  }

  async *watch(kinds: readonly Kind[], signal: AbortSignal): AsyncIterable<WatchBatch> {
    this.watches++;
    this.kinds = kinds;
    while (!signal.aborted) {
      if (this.#end) {
        const { error } = this.#end;
        this.#end = undefined;
        if (error) throw error;
        return;
      }
      const batch = this.#batches.shift();
      if (batch) yield batch;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
          signal.addEventListener('abort', () => resolve(), { once: true });
        });
      }
    }
    signal.throwIfAborted();
  }
}

/** An object with an owner that is not its controller; `owner` is the uid of its controller. */
export function object(kind: Kind, key: string, version: number, more: Partial<KubeObject> & { owner?: string } = {}) {
  const [namespace, name] = key.includes('/') ? (key.split('/') as [string, string]) : [undefined, key];
  const { owner, ...rest } = more;
  const owners = owner === undefined ? [] : [{ uid: owner, controller: true, apiVersion: 'v1', kind: 'X', name: 'x' }];
  const metadata = {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    uid: `uid-${key}`,
    resourceVersion: `${version}`,
    ownerReferences: [{ uid: 'other', apiVersion: 'v1', kind: 'X', name: 'y' }, ...owners],
  };
  return { apiVersion: 'v1', kind, metadata, spec: {}, ...rest } as KubeObject;
}

export const event = (type: WatchEvent['type'], one: KubeObject): WatchEvent => ({
  type,
  kind: one.kind as Kind,
  object: one,
});
/** The whole first state, in one batch. */
export const state = (revision: number, ...objects: KubeObject[]): WatchBatch => ({
  revision,
  initial: true,
  synced: true,
  events: objects.map((one) => event('ADDED', one)),
});
export const batch = (revision: number, ...events: WatchEvent[]): WatchBatch => ({
  revision,
  initial: false,
  synced: true,
  events,
});
