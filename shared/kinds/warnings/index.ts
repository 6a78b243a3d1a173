import type {
  Ingress,
  JobSpec,
  Kind,
  KindMap,
  Node,
  PersistentVolume,
  PodTemplateSpec,
  Secret,
  Service,
  ServiceAccount,
  StatefulSet,
  StorageClass,
} from '../../generated/types.ts';
import type { KubeObject } from '../../object.ts';
import { isDnsLabel } from '../../schema/formats.ts';
import { claimSizeWarnings } from './amounts.ts';
import { keyPairFault } from './key-pair.ts';
import { labelAdvice, nodeSelectorWarnings, termWarnings } from './node-labels.ts';
import { podWarnings } from './pod-warnings.ts';

type Warn<T> = (object: T, old: T | undefined) => string[];

/**
 * What Kubernetes 1.32 tells a client about a valid object that it creates, or makes of `old`: what is deprecated in it, and
 * what hardly can be meant. In Kubernetes' words. Pure; none for what is internal or about feature gates.
 */
export function warningsOf(kind: string, object: KubeObject, old?: KubeObject): string[] {
  return (byKind[kind as Kind] as Warn<KubeObject> | undefined)?.(object, old) ?? [];
}

const classAnnotation = 'volume.beta.kubernetes.io/storage-class';
const classAdvice = `metadata.annotations[${classAnnotation}]: deprecated since v1.8; use "storageClassName" attribute instead`;

const byKind: { readonly [K in Kind]?: Warn<KindMap[K]> } = {
  Pod({ metadata, spec }, old) {
    if (old) return [];
    return [...nameWarnings(metadata.name, old, "this is used in the Pod's hostname"), ...podWarnings(metadata, spec)];
  },
  PodTemplate: ({ metadata, template }, old) => templateWarnings(metadata, old, template, 'template'),
  ReplicationController: ({ metadata, spec }, old) => [
    ...nameWarnings(metadata.name, old),
    ...templateWarnings(metadata, old, spec.template, 'spec.template'),
  ],
  ReplicaSet: ({ metadata, spec }, old) => [
    ...nameWarnings(metadata.name, old),
    ...templateWarnings(metadata, old, spec.template, 'spec.template'),
  ],
  Deployment: ({ metadata, spec }, old) => [
    ...nameWarnings(metadata.name, old),
    ...templateWarnings(metadata, old, spec.template, 'spec.template'),
  ],
  DaemonSet: ({ metadata, spec }, old) => templateWarnings(metadata, old, spec.template, 'spec.template'),
  StatefulSet: statefulSetWarnings,
  Job: ({ metadata, spec }, old) => [...nameWarnings(metadata.name, old), ...jobWarnings(metadata, old, spec, 'spec')],
  CronJob: ({ metadata, spec }, old) => [
    ...nameWarnings(metadata.name, old),
    ...jobWarnings(metadata, old, spec.jobTemplate?.spec, 'spec.jobTemplate.spec'),
  ],
  PersistentVolumeClaim: ({ metadata, spec }) => [
    ...(metadata.annotations?.[classAnnotation] === undefined ? [] : [classAdvice]),
    ...claimSizeWarnings(spec, 'spec'),
  ],
  PersistentVolume: volumeWarnings,
  StorageClass: classWarnings,
  CSIStorageCapacity: ({ nodeTopology }) => (nodeTopology ? nodeSelectorWarnings(nodeTopology, 'nodeTopology') : []),
  RuntimeClass: ({ scheduling }) =>
    Object.keys(scheduling?.nodeSelector ?? {}).flatMap((key) => {
      const advice = labelAdvice(key);
      return advice ? [`scheduling.nodeSelector: ${advice}`] : [];
    }),
  Node: nodeWarnings,
  Service: serviceWarnings,
  EndpointSlice: ({ addressType }, old) =>
    addressType === 'FQDN' && !old ? ['spec.addressType: FQDN endpoints are deprecated'] : [],
  Ingress: ingressWarnings,
  Secret: secretWarnings,
  ServiceAccount: accountWarnings,
};

/** Names of pods and hosts come of it, which may have no dots. */
function nameWarnings(name: string, old: unknown, use = 'this is used in Pod names and hostnames'): string[] {
  const fault = old ? undefined : isDnsLabel(name);
  const advice = 'which can result in surprising behavior; a DNS label is recommended';
  return fault ? [`metadata.name: ${use}, ${advice}: [${fault}]`] : [];
}

/** Of a template, when it may be new. */
function templateWarnings(
  { generation }: KubeObject['metadata'],
  old: KubeObject | undefined,
  template: PodTemplateSpec | undefined,
  field: string,
): string[] {
  if (!template?.spec || (old && old.metadata.generation === generation)) return [];
  return podWarnings(template.metadata, template.spec, field);
}

function statefulSetWarnings({ metadata, spec }: StatefulSet, old: StatefulSet | undefined): string[] {
  const claims = (spec.volumeClaimTemplates ?? []).flatMap((claim, index) => {
    const field = `spec.volumeClaimTemplates[${index}]${old ? '.Spec' : ''}`;
    return claim.spec ? claimSizeWarnings(claim.spec, field) : [];
  });
  const forever = 'a negative value retains all historical revisions; a value >= 0 is recommended';
  return [
    ...templateWarnings(metadata, old, spec.template, 'spec.template'),
    ...claims,
    ...((spec.revisionHistoryLimit ?? 0) < 0 ? [`spec.revisionHistoryLimit: ${forever}`] : []),
  ];
}

function jobWarnings(
  metadata: KubeObject['metadata'],
  old: KubeObject | undefined,
  spec: JobSpec | undefined,
  field: string,
): string[] {
  if (!spec || (old && old.metadata.generation === metadata.generation)) return [];
  const { completionMode, completions = 0, parallelism = 0, template } = spec;
  const many = completionMode === 'Indexed' && completions > 100_000 && parallelism > 10_000;
  const advice =
    'In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completionIndexes when a big number of indexes fail';
  return [...(many ? [`${field}: ${advice}`] : []), ...templateWarnings(metadata, old, template, `${field}.template`)];
}

function volumeWarnings({ metadata, spec }: PersistentVolume): string[] {
  const found: string[] = [];
  const mountOptions = 'volume.beta.kubernetes.io/mount-options';
  if (metadata.annotations?.[classAnnotation] !== undefined) found.push(classAdvice);
  if (metadata.annotations?.[mountOptions] !== undefined) {
    const advice = 'deprecated since v1.31; use "mountOptions" attribute instead';
    found.push(`metadata.annotations[${mountOptions}]: ${advice}`);
  }
  if (spec.persistentVolumeReclaimPolicy === 'Recycle') {
    const advice =
      'The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.';
    found.push(`spec.persistentVolumeReclaimPolicy: ${advice}`);
  }
  for (const [index, term] of (spec.nodeAffinity?.required?.nodeSelectorTerms ?? []).entries()) {
    found.push(...termWarnings(term, `spec.nodeAffinity.required.nodeSelectorTerms[${index}]`));
  }
  const sources: readonly (readonly [keyof typeof spec, string, string])[] = [
    ['cephfs', 'v1.28', 'v1.31+'],
    ['photonPersistentDisk', 'v1.11', 'v1.16+'],
    ['scaleIO', 'v1.16', 'v1.22+'],
    ['storageos', 'v1.22', 'v1.25+'],
    ['glusterfs', 'v1.25', 'v1.26+'],
    ['flocker', 'v1.22', 'v1.25+'],
    ['quobyte', 'v1.22', 'v1.25+'],
    ['rbd', 'v1.28', 'v1.31+'],
  ];
  const source = sources.find(([name]) => spec[name] !== undefined);
  if (source) {
    const [name, since, until] = source;
    found.push(`spec.${name === 'storageos' ? 'storageOS' : name}: deprecated in ${since}, non-functional in ${until}`);
  }
  return found;
}

function classWarnings({ allowedTopologies = [] }: StorageClass): string[] {
  return allowedTopologies.flatMap(({ matchLabelExpressions = [] }, index) =>
    matchLabelExpressions.flatMap(({ key }, at) => {
      const advice = labelAdvice(key);
      return advice ? [`allowedTopologies[${index}].matchLabelExpressions[${at}].key: ${advice}`] : [];
    }),
  );
}

function nodeWarnings({ spec }: Node): string[] {
  return [
    ...(spec?.configSource ? ['spec.configSource: the feature is removed'] : []),
    ...(spec?.externalID ? ['spec.externalID: this field is deprecated, and is unused by Kubernetes'] : []),
  ];
}

function serviceWarnings({ metadata, spec }: Service): string[] {
  const found: string[] = [];
  const hints = 'service.kubernetes.io/topology-aware-hints';
  if (metadata.annotations?.[hints] !== undefined) {
    found.push(`annotation ${hints} is deprecated, please use service.kubernetes.io/topology-mode instead`);
  }
  if (spec.type === 'ClusterIP' && spec.clusterIP === 'None') {
    const ignored = 'is ignored for headless services';
    if (spec.loadBalancerIP) found.push(`spec.loadBalancerIP ${ignored}`);
    if (spec.externalIPs?.length) found.push(`spec.externalIPs ${ignored}`);
    if (spec.sessionAffinity !== 'None') found.push(`spec.SessionAffinity ${ignored}`);
  }
  if (spec.type === 'ExternalName' && spec.externalIPs?.length) {
    found.push('spec.externalIPs is ignored when spec.type is "ExternalName"');
  }
  if (spec.type !== 'ExternalName' && spec.externalName) {
    found.push('spec.externalName is ignored when spec.type is not "ExternalName"');
  }
  return found;
}

function ingressWarnings({ metadata, spec }: Ingress, old: Ingress | undefined): string[] {
  const annotation = 'kubernetes.io/ingress.class';
  if (old || metadata.annotations?.[annotation] === undefined || spec.ingressClassName !== undefined) return [];
  return [`annotation "${annotation}" is deprecated, please use 'spec.ingressClassName' instead`];
}

function secretWarnings({ type, data = {} }: Secret): string[] {
  if (type !== 'kubernetes.io/tls') return [];
  const text = (key: string): string => Buffer.from(data[key] ?? '', 'base64').toString('latin1');
  const fault = keyPairFault(text('tls.crt'), text('tls.key'));
  return fault ? [fault] : [];
}

function accountWarnings({ metadata }: ServiceAccount, old: ServiceAccount | undefined): string[] {
  const annotation = 'kubernetes.io/enforce-mountable-secrets';
  const has = (meta: KubeObject['metadata'] | undefined): boolean => meta?.annotations?.[annotation] !== undefined;
  if (!has(metadata) || has(old?.metadata)) return [];
  const advice = 'deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets';
  return [`metadata.annotations[${annotation}]: ${advice}`];
}
