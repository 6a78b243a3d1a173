import type { Kind } from '../../../shared/generated/types.ts';
import { objectKey } from '../../store/keys.ts';
import type { Guard, Item } from '../../store/store.ts';
import { decodeItem, type State } from '../requests/codec.ts';
import type { WriteCore } from '../requests/write-core.ts';
import type { Present } from './plugin.ts';

/** What is known of some keys beyond the cache: as of a revision, an item or none. */
export class Known {
  readonly #items = new Map<string, { readonly item?: Item; readonly revision: number; state?: State }>();
  /** The keys that were asked for. */
  readonly #asked = new Set<string>();

  /** `revision`: as of which there is no item, when there is none. */
  learn(key: string, item: Item | undefined, revision: number): void {
    this.#items.set(key, { item, revision: item?.revision ?? revision });
  }

  learnState(key: string, state: State): void {
    this.#items.set(key, { state, revision: state.revision });
  }

  /** Reads anew what was asked for. */
  async refresh(core: WriteCore): Promise<void> {
    for (const key of this.#asked) {
      const { item, revision } = await core.store.get(key);
      this.learn(key, item, revision);
    }
  }

  /** What plugins see: the newest of what is known here, in `others` and in the cache. The first of `others` counts before all else. */
  present(core: WriteCore, others: readonly Known[]): Present {
    const get = (kind: Kind, name: string, namespace?: string): State | undefined => {
      const def = core.kind(kind);
      const key = objectKey(def, namespace, name);
      for (const known of [this, ...others]) known.#asked.add(key);
      const [working, ...rest] = others;
      const built = working ? working.#items.has(key) : false;
      if (working && built) return working.#state(key);
      let newest: Known | undefined;
      let revision = -1;
      for (const known of [this, ...rest]) {
        const item = known.#items.get(key);
        if (item && item.revision > revision) [newest, revision] = [known, item.revision];
      }
      const cached = core.cached(def, namespace, name);
      return newest && !(cached && cached.revision > revision) ? newest.#state(key) : cached;
    };
    return {
      get,
      key: (kind, name, namespace) => objectKey(core.kind(kind), namespace, name),
      list: (kind, namespace) =>
        core.admission.reader
          .list(kind, namespace)
          .map(({ metadata }) => get(kind, metadata.name, metadata.namespace))
          .filter((state) => !!state),
    };
  }

  #state(key: string): State | undefined {
    const known = this.#items.get(key);
    if (known?.item) known.state ??= decodeItem(known.item);
    return known?.state;
  }
}

export function isHeld({ key, revision }: Guard, current: ReadonlyMap<string, Item>): boolean {
  return (current.get(key)?.revision ?? 0) === revision;
}
