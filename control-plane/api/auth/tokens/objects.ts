import type { Kind, KindMap } from '../../../../shared/generated/types.ts';
import { kindNamed } from '../../../../shared/kinds/index.ts';
import type { WatchCache } from '../../../store/cache/watch-cache.ts';
import { objectKey } from '../../../store/keys.ts';
import type { Store } from '../../../store/store.ts';
import { decodeItem } from '../../requests/codec.ts';

/** The objects that a token depends on. */
export interface Objects {
  /** What the cache shows; it may be a moment old. */
  cached<K extends Kind>(kind: K, name: string, namespace?: string): KindMap[K] | undefined;
  /** What the store holds now. */
  fresh<K extends Kind>(kind: K, name: string, namespace?: string): Promise<KindMap[K] | undefined>;
}

export function objectsOf({ cache, store }: { cache: Pick<WatchCache, 'get'>; store: Pick<Store, 'get'> }): Objects {
  return {
    cached: (kind, name, namespace) => cache.get(kind, namespace ? `${namespace}/${name}` : name),
    async fresh<K extends Kind>(kind: K, name: string, namespace?: string) {
      const { item } = await store.get(objectKey(kindNamed(kind), namespace, name));
      return item && (decodeItem(item).object as KindMap[K]);
    },
  };
}

/** The object as it is cached if that is good enough, else as the store has it: what is missing may have come a moment ago. */
export async function lookUp<K extends Kind>(
  objects: Objects,
  kind: K,
  { name, uid }: { readonly name: string; readonly uid?: string },
  namespace?: string,
): Promise<KindMap[K] | undefined> {
  const known = objects.cached(kind, name, namespace);
  if (known && (uid === undefined || known.metadata.uid === uid)) return known;
  return objects.fresh(kind, name, namespace);
}
