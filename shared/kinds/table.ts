/**
 * The built-in kinds: one entry for each kind and version. Storage keys, gRPC services, REST routes, discovery, generated types
 * and CLI verbs derive from it. The functions of a kind (defaults, checks, columns) are in the folder of its group.
 *
 * A kind that is served in several versions is stored in one of them. Its other versions have entries with `secondVersion`, and
 * a conversion (`kind.ts`). The first version of a group in this table is its preferred one.
 */

export interface KindEntry {
  /** CamelCase, singular: `Pod`. */
  readonly kind: string;
  /** The name of its TypeScript type, and of its gRPC service: the kind; for a second version `EventsV1Event`. */
  readonly typeName: string;
  /** API group; empty for the core group. */
  readonly group: string;
  readonly version: string;
  /** Lower case plural, as in URLs: `pods`. */
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly namespaced: boolean;
  /** An object of the kind is a namespace: requests for it are authorized within it. */
  readonly isNamespace?: true;
  /** Full name of its protobuf message; of a kind without one, the name of its type in OpenAPI documents. */
  readonly message: string;
  /** Members of `kubectl get all` and the like. */
  readonly categories: readonly string[];
  /** Subresources served under `/NAME/…`. */
  readonly subresources: readonly Subresource[];
  /** Field selectors beyond metadata.name and metadata.namespace. */
  readonly selectableFields: readonly string[];
  /** The kind is stored in another version, and converted. */
  readonly secondVersion: boolean;
  /** Absent: all verbs. A kind with a list of verbs is not stored: a handler implements each verb. */
  readonly verbs?: readonly Verb[];
  /** A verb that a stored kind does not have. */
  readonly without?: Verb;
  /** An update creates an object that does not exist. */
  readonly createdByUpdate?: true;
  /** An update must name the version that it replaces. */
  readonly updatedByVersion?: true;
  /**
   * No controller acts on the kind yet. A create returns the warning `Coracle does not act on a Job yet: ` and this text.
   */
  readonly inert?: string;
}

/** In discovery's order. */
export const allVerbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'] as const;

export type Verb = (typeof allVerbs)[number];

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
const metrics = 'k8s.io.metrics.pkg.apis.metrics.v1beta1';

function entry(
  kind: string,
  apiVersion: string,
  plural: string,
  message: string,
  more: Partial<KindEntry> = {},
): KindEntry {
  const slash = apiVersion.indexOf('/');
  const group = slash < 0 ? '' : apiVersion.slice(0, slash);
  const version = apiVersion.slice(slash + 1);
  return {
    kind,
    typeName: more.secondVersion ? qualifiedName(`${message}.${kind}`) : kind,
    group,
    version,
    plural,
    singular: kind.toLowerCase(),
    shortNames: [],
    namespaced: true,
    message: `${message}.${kind}`,
    categories: [],
    subresources: [],
    selectableFields: [],
    secondVersion: false,
    ...more,
  };
}

/** A kind whose objects are requests: a create returns an answer, and nothing is stored. */
function review(kind: string, apiVersion: string, message: string, namespaced = false): KindEntry {
  return entry(kind, apiVersion, `${kind.toLowerCase()}s`, message, { namespaced, verbs: ['create'] });
}

export const kindTable: readonly KindEntry[] = [
  entry('Namespace', 'v1', 'namespaces', core, {
    shortNames: ['ns'],
    namespaced: false,
    isNamespace: true,
    subresources: ['status', 'finalize'],
    selectableFields: ['status.phase'],
    without: 'deletecollection',
  }),
  entry('Node', 'v1', 'nodes', core, {
    shortNames: ['no'],
    namespaced: false,
    subresources: ['status', 'proxy'],
    selectableFields: ['spec.unschedulable'],
  }),
  entry('Pod', 'v1', 'pods', core, {
    shortNames: ['po'],
    categories: ['all'],
    subresources: [
      'status',
      'binding',
      'eviction',
      'log',
      'exec',
      'attach',
      'portforward',
      'proxy',
      'ephemeralcontainers',
      'resize',
    ],
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
  entry('StatefulSet', 'apps/v1', 'statefulsets', 'k8s.io.api.apps.v1', {
    shortNames: ['sts'],
    categories: ['all'],
    subresources: ['status', 'scale'],
  }),
  entry('DaemonSet', 'apps/v1', 'daemonsets', 'k8s.io.api.apps.v1', {
    shortNames: ['ds'],
    categories: ['all'],
    subresources: ['status'],
  }),
  entry('ControllerRevision', 'apps/v1', 'controllerrevisions', 'k8s.io.api.apps.v1'),
  entry('Job', 'batch/v1', 'jobs', 'k8s.io.api.batch.v1', {
    categories: ['all'],
    subresources: ['status'],
    selectableFields: ['status.successful'],
  }),
  entry('CronJob', 'batch/v1', 'cronjobs', 'k8s.io.api.batch.v1', {
    shortNames: ['cj'],
    categories: ['all'],
    subresources: ['status'],
  }),
  entry('PodDisruptionBudget', 'policy/v1', 'poddisruptionbudgets', 'k8s.io.api.policy.v1', {
    shortNames: ['pdb'],
    subresources: ['status'],
    updatedByVersion: true,
  }),
  entry('HorizontalPodAutoscaler', 'autoscaling/v2', 'horizontalpodautoscalers', 'k8s.io.api.autoscaling.v2', {
    shortNames: ['hpa'],
    categories: ['all'],
    subresources: ['status'],
  }),
  entry('HorizontalPodAutoscaler', 'autoscaling/v1', 'horizontalpodautoscalers', 'k8s.io.api.autoscaling.v1', {
    secondVersion: true,
    shortNames: ['hpa'],
    categories: ['all'],
    subresources: ['status'],
  }),
  entry('ConfigMap', 'v1', 'configmaps', core, { shortNames: ['cm'] }),
  entry('Secret', 'v1', 'secrets', core, { selectableFields: ['type'] }),
  entry('Event', 'v1', 'events', core, {
    shortNames: ['ev'],
    createdByUpdate: true,
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
  entry('Event', 'events.k8s.io/v1', 'events', 'k8s.io.api.events.v1', {
    secondVersion: true,
    shortNames: ['ev'],
    createdByUpdate: true,
    selectableFields: [
      'regarding.kind',
      'regarding.namespace',
      'regarding.name',
      'regarding.uid',
      'regarding.apiVersion',
      'regarding.resourceVersion',
      'regarding.fieldPath',
      'reason',
      'reportingController',
      'type',
    ],
  }),
  entry('ResourceQuota', 'v1', 'resourcequotas', core, { shortNames: ['quota'], subresources: ['status'] }),
  entry('LimitRange', 'v1', 'limitranges', core, { shortNames: ['limits'], createdByUpdate: true }),
  entry('Service', 'v1', 'services', core, {
    shortNames: ['svc'],
    categories: ['all'],
    subresources: ['status', 'proxy'],
    selectableFields: ['spec.clusterIP', 'spec.type'],
    createdByUpdate: true,
    inert: 'it is stored and gets a cluster IP, but no traffic is forwarded',
  }),
  entry('Endpoints', 'v1', 'endpoints', core, { shortNames: ['ep'], createdByUpdate: true }),
  entry('ComponentStatus', 'v1', 'componentstatuses', core, {
    shortNames: ['cs'],
    namespaced: false,
    verbs: ['get', 'list'],
  }),
  entry('Binding', 'v1', 'bindings', core, { verbs: ['create'] }),
  entry('PersistentVolume', 'v1', 'persistentvolumes', core, {
    shortNames: ['pv'],
    namespaced: false,
    subresources: ['status'],
  }),
  entry('PersistentVolumeClaim', 'v1', 'persistentvolumeclaims', core, {
    shortNames: ['pvc'],
    subresources: ['status'],
  }),
  entry('ServiceAccount', 'v1', 'serviceaccounts', core, { shortNames: ['sa'], subresources: ['token'] }),
  entry('Lease', 'coordination.k8s.io/v1', 'leases', 'k8s.io.api.coordination.v1', {
    createdByUpdate: true,
    updatedByVersion: true,
  }),
  entry('Role', 'rbac.authorization.k8s.io/v1', 'roles', 'k8s.io.api.rbac.v1', { createdByUpdate: true }),
  entry('RoleBinding', 'rbac.authorization.k8s.io/v1', 'rolebindings', 'k8s.io.api.rbac.v1', { createdByUpdate: true }),
  entry('ClusterRole', 'rbac.authorization.k8s.io/v1', 'clusterroles', 'k8s.io.api.rbac.v1', {
    namespaced: false,
    createdByUpdate: true,
  }),
  entry('ClusterRoleBinding', 'rbac.authorization.k8s.io/v1', 'clusterrolebindings', 'k8s.io.api.rbac.v1', {
    namespaced: false,
    createdByUpdate: true,
  }),
  review('TokenReview', 'authentication.k8s.io/v1', 'k8s.io.api.authentication.v1'),
  review('SelfSubjectReview', 'authentication.k8s.io/v1', 'k8s.io.api.authentication.v1'),
  review('SubjectAccessReview', 'authorization.k8s.io/v1', 'k8s.io.api.authorization.v1'),
  review('LocalSubjectAccessReview', 'authorization.k8s.io/v1', 'k8s.io.api.authorization.v1', true),
  review('SelfSubjectAccessReview', 'authorization.k8s.io/v1', 'k8s.io.api.authorization.v1'),
  review('SelfSubjectRulesReview', 'authorization.k8s.io/v1', 'k8s.io.api.authorization.v1'),
  entry(
    'CertificateSigningRequest',
    'certificates.k8s.io/v1',
    'certificatesigningrequests',
    'k8s.io.api.certificates.v1',
    {
      shortNames: ['csr'],
      namespaced: false,
      subresources: ['status', 'approval'],
      selectableFields: ['spec.signerName'],
    },
  ),
  entry('PriorityClass', 'scheduling.k8s.io/v1', 'priorityclasses', 'k8s.io.api.scheduling.v1', {
    shortNames: ['pc'],
    namespaced: false,
  }),
  entry('RuntimeClass', 'node.k8s.io/v1', 'runtimeclasses', 'k8s.io.api.node.v1', {
    namespaced: false,
    updatedByVersion: true,
    inert: 'it is stored, but all pods use the default runtime of their node',
  }),
  entry('Ingress', 'networking.k8s.io/v1', 'ingresses', 'k8s.io.api.networking.v1', {
    shortNames: ['ing'],
    subresources: ['status'],
    inert: 'it is stored, but no traffic is routed',
  }),
  entry('IngressClass', 'networking.k8s.io/v1', 'ingressclasses', 'k8s.io.api.networking.v1', {
    namespaced: false,
    inert: 'it is stored, but no controller serves its Ingresses',
  }),
  entry('NetworkPolicy', 'networking.k8s.io/v1', 'networkpolicies', 'k8s.io.api.networking.v1', {
    shortNames: ['netpol'],
    inert: 'it is stored, but no traffic is blocked',
  }),
  entry('EndpointSlice', 'discovery.k8s.io/v1', 'endpointslices', 'k8s.io.api.discovery.v1'),
  entry('StorageClass', 'storage.k8s.io/v1', 'storageclasses', 'k8s.io.api.storage.v1', {
    shortNames: ['sc'],
    namespaced: false,
  }),
  entry('VolumeAttachment', 'storage.k8s.io/v1', 'volumeattachments', 'k8s.io.api.storage.v1', {
    namespaced: false,
    subresources: ['status'],
    updatedByVersion: true,
    inert: 'it is stored, but the volume is not attached',
  }),
  entry('CSIDriver', 'storage.k8s.io/v1', 'csidrivers', 'k8s.io.api.storage.v1', {
    namespaced: false,
    updatedByVersion: true,
    inert: 'it is stored, but no node uses the driver',
  }),
  entry('CSINode', 'storage.k8s.io/v1', 'csinodes', 'k8s.io.api.storage.v1', {
    namespaced: false,
    updatedByVersion: true,
    inert: 'it is stored, but the node does not use its drivers',
  }),
  entry('CSIStorageCapacity', 'storage.k8s.io/v1', 'csistoragecapacities', 'k8s.io.api.storage.v1', {
    updatedByVersion: true,
    inert: 'it is stored, but the scheduler ignores it',
  }),
  entry('NodeMetrics', 'metrics.k8s.io/v1beta1', 'nodes', metrics, { namespaced: false, verbs: ['get', 'list'] }),
  entry('PodMetrics', 'metrics.k8s.io/v1beta1', 'pods', metrics, { verbs: ['get', 'list'] }),
  entry('NodeGuard', 'coracle.io/v1', 'nodeguards', 'coracle.v1', { namespaced: false }),
  entry('JoinToken', 'coracle.io/v1', 'jointokens', 'coracle.v1', { namespaced: false }),
  entry('NodeEnrollment', 'coracle.io/v1', 'nodeenrollments', 'coracle.v1', { namespaced: false }),
];

/** Whether objects of the kind are stored, in this version. */
export function isStored({ verbs, secondVersion }: KindEntry): boolean {
  return verbs === undefined && !secondVersion;
}

export function verbsOf({ verbs, without }: Pick<KindEntry, 'verbs' | 'without'>): readonly Verb[] {
  return verbs ?? allVerbs.filter((verb) => verb !== without);
}

/** The name of a kind's gRPC service in `coracle.v1`: the plural in CamelCase, or the type's name if another kind has that plural. */
export function serviceName({ kind, typeName, plural }: Pick<KindEntry, 'kind' | 'typeName' | 'plural'>): string {
  if (!plural.startsWith(kind.toLowerCase().slice(0, -1))) return typeName;
  const ending = plural.startsWith(kind.toLowerCase()) ? plural.slice(kind.length) : undefined;
  return ending === undefined ? `${typeName.slice(0, -1)}ies` : `${typeName}${ending}`;
}

/** A message's short name with its group and version before it: `k8s.io.api.events.v1.Event` is `EventsV1Event`. */
export function qualifiedName(message: string): string {
  const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);
  return message.split('.').slice(-3).map(capital).join('');
}
