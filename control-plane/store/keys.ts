import { isStored, type KindEntry, kindTable } from '../../shared/kinds/table.ts';

/** Everything Coracle writes lies under this prefix: the cache watches all of it, so that it sees every revision of ours. */
export const storePrefix = '/coracle/';

/** The API's objects: `/coracle/registry/[GROUP/]PLURAL/[NAMESPACE/]NAME`, the group left out for the core group. */
export const registryPrefix = `${storePrefix}registry/`;

/** What is written to learn a revision when the store moves on by somebody else's writes. */
export const tickKey = `${storePrefix}tick`;

const resourceOf = (entry: KindEntry): string => (entry.group === '' ? entry.plural : `${entry.group}/${entry.plural}`);

const byResource: ReadonlyMap<string, KindEntry> = new Map(
  kindTable.filter(isStored).map((entry) => [resourceOf(entry), entry]),
);

/** The key that an object is stored under. `namespace` is ignored for kinds that have none. */
export function objectKey(
  entry: Pick<KindEntry, 'group' | 'plural' | 'namespaced'>,
  namespace: string | undefined,
  name: string,
): string {
  return kindPrefix(entry, namespace) + name;
}

/** The prefix of all objects of a kind, or of those in one namespace. */
export function kindPrefix(entry: Pick<KindEntry, 'group' | 'plural' | 'namespaced'>, namespace?: string): string {
  const group = entry.group === '' ? '' : `${entry.group}/`;
  const within = entry.namespaced && namespace ? `${namespace}/` : '';
  return `${registryPrefix}${group}${entry.plural}/${within}`;
}

/** The reverse of objectKey; `key` is `namespace/name`, or `name`. Undefined for what is no object of a known kind. */
export function parseKey(key: string): { entry: KindEntry; key: string } | undefined {
  if (!key.startsWith(registryPrefix)) return undefined;
  const path = key.slice(registryPrefix.length);
  const first = path.indexOf('/');
  if (first < 0) return undefined;
  let end = first;
  let entry = byResource.get(path.slice(0, first));
  if (!entry) {
    end = path.indexOf('/', first + 1);
    if (end < 0) return undefined;
    entry = byResource.get(path.slice(0, end));
  }
  if (!entry) return undefined;
  const rest = path.slice(end + 1);
  const parts = rest.split('/');
  const whole = parts.length === (entry.namespaced ? 2 : 1) && parts.every((part) => part !== '');
  return whole ? { entry, key: rest } : undefined;
}
