/**
 * The kind table, its data half: one entry a kind. Storage keys, gRPC services, REST routes, discovery,
 * generated types and CLI verbs derive from it. What a kind does (defaults, checks, columns) is its
 * strategy, beside it in this folder. Adding a kind is one message in `proto/`, one entry here.
 */

export interface KindEntry {
  /** CamelCase, singular: `Pod`. */
  readonly kind: string;
  /** API group; empty for the core group. */
  readonly group: string;
  readonly version: string;
  /** Lower case plural, as in URLs: `pods`. */
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly namespaced: boolean;
  /** Full name of its protobuf message. */
  readonly message: string;
  /** Members of `kubectl get all` and the like. */
  readonly categories: readonly string[];
  /** Subresources served under `/NAME/…`. */
  readonly subresources: readonly Subresource[];
  /** Field selectors beyond metadata.name and metadata.namespace. */
  readonly selectableFields: readonly string[];
}

export type Subresource =
  | 'status'
  | 'scale'
  | 'binding'
  | 'eviction'
  | 'log'
  | 'finalize'
  | 'exec'
  | 'attach'
  | 'portforward'
  | 'proxy'
  | 'ephemeralcontainers'
  | 'resize'
  | 'token'
  | 'approval';

const core = 'k8s.io.api.core.v1';

function entry(
  kind: string,
  apiVersion: string,
  plural: string,
  message: string,
  more: Partial<KindEntry> = {},
): KindEntry {
  const slash = apiVersion.indexOf('/');
  return {
    kind,
    group: slash < 0 ? '' : apiVersion.slice(0, slash),
    version: apiVersion.slice(slash + 1),
    plural,
    singular: kind.toLowerCase(),
    shortNames: [],
    namespaced: true,
    message: `${message}.${kind}`,
    categories: [],
    subresources: [],
    selectableFields: [],
    ...more,
  };
}

export const kindTable: readonly KindEntry[] = [
  entry('Namespace', 'v1', 'namespaces', core, {
    shortNames: ['ns'],
    namespaced: false,
    subresources: ['status', 'finalize'],
    selectableFields: ['status.phase'],
  }),
  entry('Node', 'v1', 'nodes', core, {
    shortNames: ['no'],
    namespaced: false,
    subresources: ['status'],
    selectableFields: ['spec.unschedulable'],
  }),
  entry('Pod', 'v1', 'pods', core, {
    shortNames: ['po'],
    categories: ['all'],
    subresources: ['status', 'binding', 'eviction', 'log', 'exec', 'attach', 'portforward'],
    selectableFields: [
      'spec.nodeName',
      'spec.restartPolicy',
      'spec.schedulerName',
      'spec.serviceAccountName',
      'spec.hostNetwork',
      'status.phase',
      'status.podIP',
      'status.nominatedNodeName',
    ],
  }),
  entry('PodTemplate', 'v1', 'podtemplates', core),
  entry('ReplicationController', 'v1', 'replicationcontrollers', core, {
    shortNames: ['rc'],
    categories: ['all'],
    subresources: ['status', 'scale'],
    selectableFields: ['status.replicas'],
  }),
  entry('ReplicaSet', 'apps/v1', 'replicasets', 'k8s.io.api.apps.v1', {
    shortNames: ['rs'],
    categories: ['all'],
    subresources: ['status', 'scale'],
    selectableFields: ['status.replicas'],
  }),
  entry('Deployment', 'apps/v1', 'deployments', 'k8s.io.api.apps.v1', {
    shortNames: ['deploy'],
    categories: ['all'],
    subresources: ['status', 'scale'],
  }),
  entry('ConfigMap', 'v1', 'configmaps', core, { shortNames: ['cm'] }),
  entry('Secret', 'v1', 'secrets', core, { selectableFields: ['type'] }),
  entry('Event', 'v1', 'events', core, {
    shortNames: ['ev'],
    selectableFields: [
      'involvedObject.kind',
      'involvedObject.namespace',
      'involvedObject.name',
      'involvedObject.uid',
      'involvedObject.apiVersion',
      'involvedObject.resourceVersion',
      'involvedObject.fieldPath',
      'reason',
      'reportingComponent',
      'source',
      'type',
    ],
  }),
  entry('ServiceAccount', 'v1', 'serviceaccounts', core, { shortNames: ['sa'] }),
  entry('Lease', 'coordination.k8s.io/v1', 'leases', 'k8s.io.api.coordination.v1'),
  entry('NodeGuard', 'coracle.io/v1', 'nodeguards', 'coracle.v1', { namespaced: false }),
  entry('JoinToken', 'coracle.io/v1', 'jointokens', 'coracle.v1', { namespaced: false }),
];

/** The name of a kind's gRPC service in `coracle.v1`: its plural in CamelCase. */
export function serviceName({ kind }: Pick<KindEntry, 'kind'>): string {
  return kind.endsWith('y') ? `${kind.slice(0, -1)}ies` : `${kind}s`;
}
