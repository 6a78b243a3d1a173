import type { KindDef } from '../../shared/kinds/kind.ts';

/** The prefix of all keys that Coracle writes: the cache watches it, and so sees each revision of these writes. */
export const storePrefix = '/coracle/';

/** The API's objects: `/coracle/registry/[GROUP/]PLURAL/[NAMESPACE/]NAME`, the group left out for the core group. */
export const registryPrefix = `${storePrefix}registry/`;

/** The cache writes it to reach a revision that other programs' writes made. */
export const tickKey = `${storePrefix}tick`;

/** The parts of a kind that keys depend on. */
export type KeyedKind = Pick<KindDef, 'group' | 'plural' | 'namespaced'>;

/** The key that an object is stored under. `namespace` is ignored for kinds that have none. */
export function objectKey(kind: KeyedKind, namespace: string | undefined, name: string): string {
  return kindPrefix(kind, namespace) + name;
}

/** The prefix of all objects of a kind, or of those in one namespace. */
export function kindPrefix(kind: KeyedKind, namespace?: string): string {
  const within = kind.namespaced && namespace ? `${namespace}/` : '';
  return `${registryPrefix}${resourceOf(kind)}/${within}`;
}

const resourceOf = ({ group, plural }: KeyedKind): string => (group === '' ? plural : `${group}/${plural}`);

/** The reverse of `objectKey`, for kinds that may be added and removed. */
export class KeyParser<K extends KeyedKind> {
  readonly #byResource = new Map<string, K>();

  constructor(kinds: Iterable<K>) {
    for (const kind of kinds) this.add(kind);
  }

  add(kind: K): void {
    this.#byResource.set(resourceOf(kind), kind);
  }

  remove(kind: KeyedKind): void {
    this.#byResource.delete(resourceOf(kind));
  }

  /** `key`: `namespace/name`, or `name`. Undefined for what is no object of a known kind. */
  parse(path: string): { kind: K; key: string } | undefined {
    if (!path.startsWith(registryPrefix)) return undefined;
    const rest = path.slice(registryPrefix.length);
    const first = rest.indexOf('/');
    if (first < 0) return undefined;
    let end = first;
    let kind = this.#byResource.get(rest.slice(0, first));
    if (!kind) {
      end = rest.indexOf('/', first + 1);
      if (end < 0) return undefined;
      kind = this.#byResource.get(rest.slice(0, end));
    }
    if (!kind) return undefined;
    const key = rest.slice(end + 1);
    const parts = key.split('/');
    const whole = parts.length === (kind.namespaced ? 2 : 1) && parts.every((part) => part !== '');
    return whole ? { kind, key } : undefined;
  }
}
