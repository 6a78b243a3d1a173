import type { Kind, KindMap, ObjectMeta } from './generated/types.ts';

/** Any stored object. Objects that come from a cache, an informer or a client are shared: never change one, copy it. */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  spec?: unknown;
  status?: unknown;
}

/** An object that a client sends: without the fields that the server sets. */
export type Draft<T extends KubeObject> = Omit<T, 'metadata' | 'apiVersion' | 'kind'> & {
  apiVersion?: T['apiVersion'];
  kind?: T['kind'];
  metadata: Partial<ObjectMeta>;
};

/** Names an object. */
export interface ObjectRef {
  readonly kind: Kind;
  readonly name: string;
  readonly namespace?: string | undefined;
}

/** `namespace/name`, or `name` for what has no namespace: the key of an object among its kind. */
export function keyOf(object: { metadata: { name?: string; namespace?: string } }): string {
  const { name = '', namespace } = object.metadata;
  return namespace ? `${namespace}/${name}` : name;
}

/** The reverse of keyOf. */
export function splitKey(key: string): { namespace: string; name: string } {
  const slash = key.indexOf('/');
  return slash < 0 ? { namespace: '', name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

export function isKind<K extends Kind>(object: KubeObject, kind: K): object is KindMap[K] {
  return object.kind === kind;
}

/** The owner that manages the object (ownerReferences with controller: true), if any. */
export function controllerOf(object: { metadata: ObjectMeta }) {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true);
}

/** Sorts by age, the oldest first; of one second by name. */
export function oldestFirst({ metadata: a }: KubeObject, { metadata: b }: KubeObject): number {
  if (a.creationTimestamp !== b.creationTimestamp) return a.creationTimestamp < b.creationTimestamp ? -1 : 1;
  return a.name < b.name ? -1 : 1;
}
