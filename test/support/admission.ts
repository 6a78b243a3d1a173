import type { AdmissionRequest, Reader, StateReader } from '../../control-plane/api/admission/plugin.ts';
import type { State } from '../../control-plane/api/requests/codec.ts';
import { objectKey } from '../../control-plane/store/keys.ts';
import type { Container, Kind, KindMap, Pod } from '../../shared/generated/types.ts';
import { kindNamed } from '../../shared/kinds/index.ts';
import type { KubeObject } from '../../shared/object.ts';

/** A request as admission plugins see it: by default a create in the namespace `a`. */
export function requestOf(
  kind: Kind,
  more: Partial<AdmissionRequest> = {},
): AdmissionRequest & { readonly warnings: string[] } {
  const entry = kindNamed(kind);
  return {
    identity: { user: 'ann', groups: [] },
    verb: 'create',
    entry,
    name: 'x',
    dryRun: false,
    now: 0,
    signal: new AbortController().signal,
    ...(entry.namespaced ? { namespace: 'a' } : {}),
    ...more,
    warnings: [],
  };
}

/** Objects as the watch cache shows them. */
export function readerOf(objects: readonly KubeObject[]): Reader {
  const list = <K extends Kind>(kind: K, namespace?: string): KindMap[K][] =>
    objects.filter(
      (one) => one.kind === kind && (namespace === undefined || one.metadata.namespace === namespace),
    ) as unknown as KindMap[K][];
  return {
    get: (kind, name, namespace) =>
      list(kind).find(({ metadata }) => metadata.name === name && metadata.namespace === namespace),
    list,
    count: (kind, namespace) => list(kind, namespace).length,
  };
}

/** The same objects as the store holds them, each at the revision that it says. */
export function statesOf(objects: readonly KubeObject[]): StateReader {
  const reader = readerOf(objects);
  const state = (object: KubeObject | undefined): State | undefined =>
    object && { object, revision: Number(object.metadata.resourceVersion) };
  return {
    get: (kind, name, namespace) => state(reader.get(kind, name, namespace)),
    list: (kind, namespace) => reader.list(kind, namespace).flatMap((object) => state(object) ?? []),
    key: (kind, name, namespace) => objectKey(kindNamed(kind), namespace, name),
  };
}

/** A stored object of a kind, in the namespace `a` if it is namespaced; at revision 1 by default. */
export function stored<K extends Kind>(kind: K, name: string, body: object = {}, metadata: object = {}): KindMap[K] {
  const { namespaced, group, version } = kindNamed(kind);
  return {
    apiVersion: group ? `${group}/${version}` : version,
    kind,
    metadata: {
      name,
      uid: `uid-of-${name}`,
      resourceVersion: '1',
      creationTimestamp: '2026-01-01T00:00:00Z',
      ...(namespaced ? { namespace: 'a' } : {}),
      ...metadata,
    },
    ...body,
  } as unknown as KindMap[K];
}

/** A pod in the namespace `a`, with one container by default. */
export function podOf(spec: Partial<Pod['spec']> = {}, metadata: object = {}, status?: object): Pod {
  const containers = [{ name: 'c', image: 'i' }] as Container[];
  return stored('Pod', 'x', { spec: { containers, ...spec }, ...(status ? { status } : {}) }, metadata);
}

/** The message of what an action throws; undefined when it throws nothing. */
export function refusalOf(act: () => unknown): string | undefined {
  try {
    act();
  } catch (error) {
    return (error as Error).message;
  }
  return undefined;
}
