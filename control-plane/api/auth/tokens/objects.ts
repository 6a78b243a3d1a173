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

/** The cached object if it has the uid, else that of the store: the cache may not show a new object yet. */
export async function lookUp<K extends Kind>(
  objects: Objects,
  kind: K,
  { name, uid }: { readonly name: string; readonly uid?: string },
  namespace?: string,
): Promise<KindMap[K] | undefined> {
  const cached = objects.cached(kind, name, namespace);
  if (cached && (uid === undefined || cached.metadata.uid === uid)) return cached;
  return objects.fresh(kind, name, namespace);
}
