import type { Kind } from '../../../shared/generated/types.ts';
import { kindNamed } from '../../../shared/kinds/index.ts';
import type { KubeObject, ObjectRef } from '../../../shared/object.ts';
import type { WatchCache } from '../../store/cache/watch-cache.ts';
import { objectKey } from '../../store/keys.ts';
import type { Store } from '../../store/store.ts';
import { decodeItem, type State } from '../requests/codec.ts';
import type { Observed } from '../requests/observed.ts';
import type { Reader, StateReader } from './plugin.ts';

export function readerOf(cache: Pick<WatchCache, 'get' | 'list' | 'count'>): Reader {
  return {
    get: (kind, name, namespace) => cache.get(kind, namespace ? `${namespace}/${name}` : name),
    list: (kind, namespace) => cache.list(kind, namespace),
    count: (kind, namespace) => cache.count(kind, namespace),
  };
}

/** A reader that shows what the store has of `missing`, besides what the cache shows. */
export async function readerWith(
  reader: Reader,
  store: Pick<Store, 'get'>,
  missing: readonly ObjectRef[],
): Promise<Reader> {
  const read = await Promise.all(
    missing.map(async ({ kind, name, namespace }) => {
      const { item } = await store.get(keyOf(kind, name, namespace));
      return { kind, name, namespace, object: item && decodeItem(item).object };
    }),
  );
  const find = (kind: string, name: string, namespace: string | undefined) =>
    read.find((one) => one.kind === kind && one.name === name && one.namespace === namespace)?.object;
  return {
    ...reader,
    get: (kind, name, namespace) => reader.get(kind, name, namespace) ?? (find(kind, name, namespace) as never),
  };
}

export interface StateSources {
  readonly reader: Reader;
  /** What writes of the same transaction leave. It counts before all else. */
  readonly pending: Observed;
  /** Of these and the cache, the newest counts. */
  readonly observed: readonly Observed[];
  /** Collects the keys that were read. */
  readonly keys: Set<string>;
}

export function stateReader({ reader, pending, observed, keys }: StateSources): StateReader {
  const get = (kind: Kind, name: string, namespace?: string): State | undefined => {
    const key = keyOf(kind, name, namespace);
    keys.add(key);
    if (pending.has(key)) return pending.state(key);
    let newest: Observed | undefined;
    let revision = -1;
    for (const one of observed) {
      const seen = one.revision(key) ?? -1;
      if (seen > revision) [newest, revision] = [one, seen];
    }
    const object: KubeObject | undefined = reader.get(kind, name, namespace);
    const cached = object && { object, revision: Number(object.metadata.resourceVersion) };
    return newest && !(cached && cached.revision > revision) ? newest.state(key) : cached;
  };
  return {
    get,
    key: keyOf,
    list: (kind, namespace) =>
      reader
        .list(kind, namespace)
        .map(({ metadata }) => get(kind, metadata.name, metadata.namespace))
        .filter((state) => state !== undefined),
  };
}

function keyOf(kind: Kind, name: string, namespace?: string): string {
  return objectKey(kindNamed(kind), namespace, name);
}
