import { KeyParser } from '../../control-plane/store/keys.ts';
import type { StoreBatch, StoreEvent } from '../../control-plane/store/store.ts';
import type { Kind, KindMap } from '../../shared/generated/types.ts';
import { builtinKinds } from '../../shared/kinds/index.ts';
import type { KubeObject } from '../../shared/object.ts';

const keys = new KeyParser(builtinKinds.stored);

/** What one revision of the store made of one object. Absent `before`: it was created; absent `after`: it was removed. */
export interface ObjectChange {
  readonly kind: Kind;
  readonly key: string;
  readonly before?: KubeObject;
  readonly after?: KubeObject;
}

/** One revision of the store. `at`: virtual milliseconds since the start of the run. */
export interface Step {
  readonly revision: number;
  readonly at: number;
  /** The server that wrote it. Absent: the store itself, as when a lease ends. */
  readonly writer?: string;
  /** The write took effect, and its writer got an error instead of the answer. */
  readonly unanswered?: boolean;
  readonly changes: readonly ObjectChange[];
}

/** What a user asked of a server. `refused`: an answer that promises that nothing was written. */
export interface Request {
  readonly verb: 'create' | 'write' | 'delete' | 'evict';
  readonly kind: Kind;
  readonly key: string;
  readonly asked: number;
  /** Absent while the answer is awaited. */
  answered?: number;
  outcome?: 'done' | 'refused' | 'unknown';
  /** Of a pod's eviction or a deletion: which object was meant. */
  readonly uid?: string;
  /** A field of its own that only this user writes, in ConfigMap.data or in an annotation, and the number written. */
  readonly mark?: { readonly field: string; readonly number: number };
  /** What was answered. */
  answer?: KubeObject;
}

/** What one machine's engine holds. */
export interface EngineLook {
  readonly at: number;
  readonly node: string;
  /** Uids of pods with a sandbox. */
  readonly sandboxes: readonly string[];
  readonly running: ReadonlyArray<{ readonly uid: string; readonly container: string }>;
}

/** Everything that is known of a run. The oracles are pure functions of it. */
export interface History {
  readonly steps: readonly Step[];
  readonly requests: readonly Request[];
  readonly looks: readonly EngineLook[];
  /** Nodes whose wall clock was set back during the run. */
  readonly setBack: ReadonlySet<string>;
}

/** Gives the promises that a history breaks, one sentence each; empty when it keeps them. */
export type Oracle = (history: History) => string[];

/** Objects that no oracle looks at. */
const unseen: readonly string[] = ['Event', 'NodeGuard'];

/** Writes a run's history down. */
export class Recorder implements History {
  readonly steps: Step[] = [];
  readonly requests: Request[] = [];
  readonly looks: EngineLook[] = [];
  readonly setBack = new Set<string>();
  readonly world = new World();
  readonly #writers = new Map<number, Pick<Step, 'writer' | 'unanswered'>>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** The server that wrote a revision, which may have been observed already. */
  wrote(revision: number, writer: string, unanswered: boolean): void {
    const index = this.steps.findLastIndex((step) => step.revision === revision);
    const step = this.steps[index];
    if (step) this.steps[index] = { ...step, writer, unanswered };
    else this.#writers.set(revision, { writer, unanswered });
  }

  observe(batch: StoreBatch): void {
    for (const events of byRevision(batch.events)) {
      const revision = revisionOf(events[0] as StoreEvent);
      const changes = events.flatMap((event) => this.#changeOf(event) ?? []);
      if (changes.length === 0) continue;
      this.steps.push({ revision, at: this.#now(), ...this.#writers.get(revision), changes });
      this.#writers.delete(revision);
    }
  }

  #changeOf(event: StoreEvent): ObjectChange | undefined {
    const parsed = keys.parse(event.type === 'put' ? event.item.key : event.key);
    if (!parsed || unseen.includes(parsed.kind.kind)) return undefined;
    const { key } = parsed;
    const kind = parsed.kind.kind as Kind;
    const before = this.world.get(kind, key);
    const after = event.type === 'put' ? (JSON.parse(event.item.value) as KubeObject) : undefined;
    if (after && event.type === 'put') after.metadata.resourceVersion = String(event.item.revision);
    const change = { kind, key, ...(before ? { before } : {}), ...(after ? { after } : {}) };
    this.world.apply(change);
    return change;
  }
}

export function revisionOf(event: StoreEvent): number {
  return event.type === 'put' ? event.item.revision : event.revision;
}

/** The events of each revision, in order. */
export function byRevision(events: readonly StoreEvent[]): StoreEvent[][] {
  const groups: StoreEvent[][] = [];
  for (const event of events) {
    const last = groups.at(-1);
    if (last?.[0] && revisionOf(last[0]) === revisionOf(event)) last.push(event);
    else groups.push([event]);
  }
  return groups;
}

/** All objects at one moment. */
export class World {
  readonly #kinds = new Map<Kind, Map<string, KubeObject>>();

  get<K extends Kind>(kind: K, key: string): KindMap[K] | undefined {
    return this.#kinds.get(kind)?.get(key) as KindMap[K] | undefined;
  }

  all<K extends Kind>(kind: K): Array<KindMap[K]> {
    return [...(this.#kinds.get(kind)?.values() ?? [])] as unknown as Array<KindMap[K]>;
  }

  *everything(): Iterable<KubeObject> {
    for (const objects of this.#kinds.values()) yield* objects.values();
  }

  apply({ kind, key, after }: ObjectChange): void {
    const objects = this.#kinds.get(kind) ?? new Map<string, KubeObject>();
    this.#kinds.set(kind, objects);
    if (after) objects.set(key, after);
    else objects.delete(key);
  }
}

/** Each step with the world that it left behind. */
export function* walk(history: Pick<History, 'steps'>): Generator<{ step: Step; world: World }> {
  const world = new World();
  for (const step of history.steps) {
    for (const change of step.changes) world.apply(change);
    yield { step, world };
  }
}

/** The change as one of its kind; undefined for one of another kind. */
export function changeOf<K extends Kind>(
  change: ObjectChange,
  kind: K,
): { key: string; before?: KindMap[K]; after?: KindMap[K] } | undefined {
  if (change.kind !== kind) return undefined;
  return change as unknown as { key: string; before?: KindMap[K]; after?: KindMap[K] };
}
