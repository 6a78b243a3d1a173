import type { Item } from '../../store/store.ts';
import { decodeItem, type State } from './codec.ts';

interface Observation {
  /** As of which the key was read, when there is no item. */
  readonly revision: number;
  readonly item?: Item | undefined;
  state?: State;
}

/** Keys of the store as reads and refused transactions showed them: newer than the cache may be. */
export class Observed {
  readonly #observations = new Map<string, Observation>();

  /** `revision`: as of which there is no item, when there is none. */
  record(key: string, item: Item | undefined, revision: number): void {
    this.#observations.set(key, { item, revision: item?.revision ?? revision });
  }

  recordState(key: string, state: State): void {
    this.#observations.set(key, { state, revision: state.revision });
  }

  keys(): Iterable<string> {
    return this.#observations.keys();
  }

  has(key: string): boolean {
    return this.#observations.has(key);
  }

  /** Whether the key was seen, and existed. */
  exists(key: string): boolean {
    const observation = this.#observations.get(key);
    return observation !== undefined && (observation.item ?? observation.state) !== undefined;
  }

  /** Undefined: the key was not seen. */
  revision(key: string): number | undefined {
    return this.#observations.get(key)?.revision;
  }

  /** Of a key that holds an object. Undefined: the key was not seen, or did not exist. */
  state(key: string): State | undefined {
    const observation = this.#observations.get(key);
    if (observation?.item) observation.state ??= decodeItem(observation.item);
    return observation?.state;
  }
}
