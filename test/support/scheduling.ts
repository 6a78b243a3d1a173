import type { Node, Pod } from '../../shared/generated/types.ts';

/** A node that is ready to take pods, but for what `more` says. */
export function readyNode(
  name: string,
  allocatable: Record<string, string> = {},
  more: { labels?: Record<string, string>; spec?: Node['spec']; images?: [string, number][] } = {},
): Node {
  const amounts = { cpu: '4', memory: '8Gi', pods: '110', ...allocatable };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      uid: `uid-${name}`,
      resourceVersion: '1',
      creationTimestamp: '2026-01-01T00:00:00Z',
      labels: { 'kubernetes.io/hostname': name, ...more.labels },
    },
    spec: more.spec ?? {},
    status: {
      capacity: amounts,
      allocatable: amounts,
      conditions: [{ type: 'Ready', status: 'True' }],
      images: more.images?.map(([image, sizeBytes]) => ({ names: [image], sizeBytes })) ?? [],
    },
  } as Node;
}

/** A pod of one container in namespace `default`. */
export function pendingPod(
  name: string,
  requests: Record<string, string> = { cpu: '100m', memory: '64Mi' },
  more: {
    labels?: Record<string, string>;
    owner?: string;
    spec?: Partial<Pod['spec']>;
    uid?: string;
    namespace?: string;
    ports?: NonNullable<Pod['spec']['containers'][number]['ports']>;
  } = {},
): Pod {
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'rs', uid: more.owner ?? '', controller: true };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: more.namespace ?? 'default',
      uid: more.uid ?? `uid-${name}`,
      resourceVersion: '1',
      creationTimestamp: '2026-01-01T00:00:00Z',
      labels: more.labels ?? {},
      ...(more.owner ? { ownerReferences: [owner] } : {}),
    },
    spec: {
      containers: [{ name: 'main', image: 'app:1', resources: { requests }, ports: more.ports ?? [] }],
      schedulerName: 'default-scheduler',
      ...more.spec,
    },
  } as Pod;
}

/** The pod, bound. */
export function onNode(pod: Pod, node: string): Pod {
  return { ...pod, spec: { ...pod.spec, nodeName: node } };
}

/** The pod, ended: it holds nothing any more. */
export function ended(pod: Pod, phase: 'Succeeded' | 'Failed' = 'Succeeded'): Pod {
  return { ...pod, status: { ...pod.status, phase } };
}

/** The pod while it is being deleted: it still holds what it has. */
export function terminating(pod: Pod): Pod {
  return { ...pod, metadata: { ...pod.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } };
}

/** The object as a client creates it: without what the server sets. */
export function asDraft<T extends Node | Pod>(object: T): Omit<T, 'status'> {
  const { status: _, ...rest } = object;
  const { name, namespace, labels, ownerReferences } = object.metadata;
  return { ...rest, metadata: { name, namespace, labels, ownerReferences } as T['metadata'] };
}
