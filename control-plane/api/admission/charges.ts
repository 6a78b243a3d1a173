import type { Kind } from '../../../shared/generated/types.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { objectKey } from '../../store/keys.ts';
import type { Guard, Item, Write } from '../../store/store.ts';
import { decodeItem, type State } from '../codec.ts';
import type { Core } from '../core.ts';
import type { Admission, AdmissionPlugin, Present } from './plugin.ts';

/** What plugins add to the transaction of one write, over all of its tries. */
export interface Charges {
  /** Adds the plugins' guards and writes. Throws their refusals, which count on the store's own state only. */
  addTo(guards: Guard[], writes: Write[], object: KubeObject, old: KubeObject | undefined): Promise<void>;
  /** The store refused the transaction that guarded `guards`: what stands there instead. */
  refused(guards: readonly Guard[], current: ReadonlyMap<string, Item>, revision: number): void;
  /** The store took it. */
  stored(writes: readonly Write[], revision: number): void;
}

/** Runs one write: alone in its lane, when its charges have one. */
export async function charged<T>(
  core: Core,
  request: Admission,
  signal: AbortSignal,
  write: (charges: Charges | undefined) => Promise<T>,
): Promise<T> {
  const plugins = core.admission.charging(request);
  if (plugins.length === 0) return write(undefined);
  const lane = laneOf(core, plugins, request);
  if (lane === undefined) return write(new Sheet(core, request, plugins, new Map()));
  return core.lanes.run(lane, signal, (known) => write(new Sheet(core, request, plugins, known)));
}

function laneOf(core: Core, plugins: readonly AdmissionPlugin[], request: Admission): string | undefined {
  for (const plugin of plugins) {
    const lane = plugin.lane?.(request, core.admission.reader);
    if (lane !== undefined) return `${plugin.name} ${lane}`;
  }
  return undefined;
}

/** What is known of keys beyond the cache: as of a revision, a state or none. */
export type Known = Map<string, { readonly state: State | undefined; readonly revision: number }>;

class Sheet implements Charges {
  readonly #core: Core;
  readonly #request: Admission;
  readonly #plugins: readonly AdmissionPlugin[];
  readonly #known: Known;
  /** The keys that the plugins have looked at. */
  readonly #seen = new Set<string>();
  readonly #present: Present;

  constructor(core: Core, request: Admission, plugins: readonly AdmissionPlugin[], known: Known) {
    this.#core = core;
    this.#request = request;
    this.#plugins = plugins;
    this.#known = known;
    this.#present = {
      key: (kind, name, namespace) => objectKey(core.kind(kind), namespace, name),
      get: (kind, name, namespace) => this.#get(kind, name, namespace),
      list: (kind, namespace) =>
        core.admission.reader
          .list(kind, namespace)
          .map(({ metadata }) => this.#get(kind, metadata.name, metadata.namespace))
          .filter((state) => !!state),
    };
  }

  async addTo(guards: Guard[], writes: Write[], object: KubeObject, old: KubeObject | undefined): Promise<void> {
    try {
      this.#ask(guards, writes, object, old);
    } catch (_refusal) {
      // What it was decided on may have been old.
      await this.#refresh();
      this.#ask(guards, writes, object, old);
    }
  }

  refused(guards: readonly Guard[], current: ReadonlyMap<string, Item>, revision: number): void {
    for (const { key } of guards) if (this.#seen.has(key)) this.#learn(key, current.get(key), revision);
  }

  stored(writes: readonly Write[], revision: number): void {
    for (const write of writes) {
      if (!this.#seen.has(write.key)) continue;
      const { key } = write;
      this.#learn(key, write.type === 'put' ? { key, value: write.value, revision, created: 0 } : undefined, revision);
    }
  }

  #ask(guards: Guard[], writes: Write[], object: KubeObject, old: KubeObject | undefined): void {
    const all = this.#plugins.map((plugin) =>
      plugin.charge?.(this.#request, object, old, this.#present, this.#core.admission.reader),
    );
    for (const charge of all) {
      if (!charge) continue;
      guards.push(...charge.guards);
      writes.push(...charge.writes);
    }
  }

  async #refresh(): Promise<void> {
    for (const key of this.#seen) {
      const { item, revision } = await this.#core.deps.store.get(key);
      this.#learn(key, item, revision);
    }
  }

  #learn(key: string, item: Item | undefined, revision: number): void {
    this.#known.set(key, { state: item && decodeItem(item), revision: item?.revision ?? revision });
  }

  #get(kind: Kind, name: string, namespace: string | undefined): State | undefined {
    const def = this.#core.kind(kind);
    const key = objectKey(def, namespace, name);
    this.#seen.add(key);
    const cached = this.#core.cached(def, namespace, name);
    const known = this.#known.get(key);
    return !known || (cached && cached.revision > known.revision) ? cached : known.state;
  }
}
