import type { Kind, KindMap, StatusCause } from '../generated/types.ts';
import type { KubeObject } from '../object.ts';
import { ProtoSchema } from '../schema/proto/proto-schema.ts';
import { controllerRevision } from './apps/controller-revision.ts';
import { daemonSet } from './apps/daemon-set.ts';
import { deployment } from './apps/deployment.ts';
import { replicaSet } from './apps/replica-set.ts';
import { statefulSet } from './apps/stateful-set.ts';
import { autoscalingV1 } from './autoscaling/autoscaling-v1.ts';
import { horizontalPodAutoscaler } from './autoscaling/horizontal-pod-autoscaler.ts';
import { cronJob } from './batch/cron-job.ts';
import { job } from './batch/job.ts';
import { certificateSigningRequest } from './certificates/certificate-signing-request.ts';
import { lease } from './coordination/lease.ts';
import { joinToken } from './coracle/join-token.ts';
import { nodeEnrollment } from './coracle/node-enrollment.ts';
import { nodeGuard } from './coracle/node-guard.ts';
import { binding } from './core/binding.ts';
import { componentStatus } from './core/component-status.ts';
import { configMap } from './core/config-map.ts';
import { endpoints } from './core/endpoints.ts';
import { event } from './core/event.ts';
import { limitRange } from './core/limit-range.ts';
import { namespace } from './core/namespace.ts';
import { node } from './core/node.ts';
import { persistentVolume } from './core/persistent-volume.ts';
import { persistentVolumeClaim } from './core/persistent-volume-claim.ts';
import { pod } from './core/pod.ts';
import { podTemplate } from './core/pod-template.ts';
import { replicationController } from './core/replication-controller.ts';
import { resourceQuota } from './core/resource-quota.ts';
import { secret } from './core/secret.ts';
import { service } from './core/service.ts';
import { serviceAccount } from './core/service-account.ts';
import { endpointSlice } from './discovery/endpoint-slice.ts';
import { eventsV1Event } from './events/events-v1-event.ts';
import type { Behaviour, Conversion, KindDef, Strategy } from './kind.ts';
import { nodeMetrics, podMetrics } from './metrics/metrics.ts';
import { ingress, ingressClass } from './networking/ingress.ts';
import { networkPolicy } from './networking/network-policy.ts';
import { runtimeClass } from './node/runtime-class.ts';
import { podDisruptionBudget } from './policy/pod-disruption-budget.ts';
import { clusterRole, clusterRoleBinding, role, roleBinding } from './rbac/rbac.ts';
import { type KindLookup, KindRegistry } from './registry.ts';
import {
  localSubjectAccessReview,
  selfSubjectAccessReview,
  selfSubjectReview,
  selfSubjectRulesReview,
  subjectAccessReview,
  tokenReview,
} from './reviews/reviews.ts';
import { validateMetadata } from './rules/metadata.ts';
import { priorityClass } from './scheduling/priority-class.ts';
import { csiDriver, csiNode, csiStorageCapacity } from './storage/csi.ts';
import { storageClass } from './storage/storage-class.ts';
import { volumeAttachment } from './storage/volume-attachment.ts';
import { isStored, type KindEntry, kindTable } from './table.ts';

export { apiVersionOf } from './names.ts';

/** The functions of each kind. */
const behaviours: { readonly [K in Kind]: Behaviour<KindMap[K]> } = {
  Namespace: namespace,
  Node: node,
  Pod: pod,
  PodTemplate: podTemplate,
  ReplicationController: replicationController,
  ReplicaSet: replicaSet,
  Deployment: deployment,
  ConfigMap: configMap,
  Secret: secret,
  Event: event,
  ServiceAccount: serviceAccount,
  Lease: lease,
  Role: role,
  RoleBinding: roleBinding,
  ClusterRole: clusterRole,
  ClusterRoleBinding: clusterRoleBinding,
  TokenReview: tokenReview,
  SelfSubjectReview: selfSubjectReview,
  SubjectAccessReview: subjectAccessReview,
  LocalSubjectAccessReview: localSubjectAccessReview,
  SelfSubjectAccessReview: selfSubjectAccessReview,
  SelfSubjectRulesReview: selfSubjectRulesReview,
  ResourceQuota: resourceQuota,
  LimitRange: limitRange,
  CertificateSigningRequest: certificateSigningRequest,
  PriorityClass: priorityClass,
  RuntimeClass: runtimeClass,
  Ingress: ingress,
  IngressClass: ingressClass,
  NetworkPolicy: networkPolicy,
  EndpointSlice: endpointSlice,
  StorageClass: storageClass,
  VolumeAttachment: volumeAttachment,
  CSIDriver: csiDriver,
  CSINode: csiNode,
  CSIStorageCapacity: csiStorageCapacity,
  Service: service,
  Endpoints: endpoints,
  ComponentStatus: componentStatus,
  Binding: binding,
  PersistentVolume: persistentVolume,
  PersistentVolumeClaim: persistentVolumeClaim,
  StatefulSet: statefulSet,
  DaemonSet: daemonSet,
  ControllerRevision: controllerRevision,
  Job: job,
  CronJob: cronJob,
  PodDisruptionBudget: podDisruptionBudget,
  HorizontalPodAutoscaler: horizontalPodAutoscaler,
  NodeMetrics: nodeMetrics,
  PodMetrics: podMetrics,
  NodeGuard: nodeGuard,
  JoinToken: joinToken,
  NodeEnrollment: nodeEnrollment,
};

/** The conversions of second versions, by their type's name. */
const conversions: Readonly<Record<string, Conversion>> = {
  EventsV1Event: eventsV1Event as unknown as Conversion,
  AutoscalingV1HorizontalPodAutoscaler: autoscalingV1 as unknown as Conversion,
};

/** The built-in kinds. Code that handles other kinds too is given a registry. */
export const builtinKinds: KindLookup = new KindRegistry(defineAll());

/** A registry that holds the built-in kinds, for the program that adds others. */
export function createKindRegistry(): KindRegistry {
  return new KindRegistry(builtinKinds.served);
}

/** All built-in kinds, each version by itself, and those that are not stored. */
export const servedKinds: readonly KindDef[] = builtinKinds.served;

/** The built-in kinds that are stored, each once. */
export const kinds: readonly KindDef[] = builtinKinds.stored;

const byTypeName = new Map(servedKinds.map((def) => [def.typeName, def]));

/** Whether a name from outside is that of a built-in kind. */
export function isKind(name: string): name is Kind {
  return builtinKinds.byId(name as Kind) !== undefined;
}

/** A built-in kind by its name. */
export function kindNamed(kind: Kind): KindDef {
  const found = builtinKinds.byId(kind);
  if (!found) throw new Error(`no kind ${kind}`);
  return found;
}

/** The kind of an entry of the table. */
export function defOf(entry: Pick<KindEntry, 'typeName'>): KindDef {
  const found = byTypeName.get(entry.typeName);
  if (!found) throw new Error(`no kind ${entry.typeName}`);
  return found;
}

function defineAll(): KindDef[] {
  const first = new Map(kindTable.filter((entry) => !entry.secondVersion).map((entry) => [entry.kind, define(entry)]));
  return kindTable.map((entry) => {
    const stored = first.get(entry.kind);
    if (!stored) throw new Error(`no version of ${entry.kind} is stored`);
    return entry.secondVersion ? secondVersion(entry, stored) : stored;
  });
}

/** A version that is only served; its behaviour is that of the stored one. */
function secondVersion(entry: KindEntry, stored: KindDef): KindDef {
  const conversion = conversions[entry.typeName];
  if (!conversion) throw new Error(`no conversion of ${entry.typeName}`);
  const columns = stored.columns.map((column) => ({
    ...column,
    value: (object: KubeObject, now: number) => column.value(conversion.toStored(object), now),
  }));
  const { inert, strategy } = stored;
  return { ...entry, id: stored.id, schema: new ProtoSchema(entry), inert, columns, strategy, stored, conversion };
}

function define(entry: KindEntry): KindDef {
  const { nameFormat, strategy, columns } = behaviours[entry.kind as Kind] as unknown as Behaviour;
  const rules = { namespaced: entry.namespaced, name: nameFormat };
  const whole: Strategy = {
    ...strategy,
    validate(object: KubeObject, causes: StatusCause[]) {
      // A request such as a review has no name.
      if (isStored(entry)) validateMetadata(object.metadata, rules, causes);
      strategy.validate?.(object, causes);
    },
  };
  const def = { ...entry, id: entry.kind as Kind, schema: new ProtoSchema(entry), columns, strategy: whole };
  return Object.assign(def, { stored: def as unknown as KindDef });
}
