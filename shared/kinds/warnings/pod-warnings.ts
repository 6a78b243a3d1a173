import type {
  Affinity,
  Container,
  ContainerPort,
  ObjectMeta,
  PodSpec,
  TopologySpreadConstraint,
  Volume,
} from '../../generated/types.ts';
import { claimSizeWarnings, fractionWarning } from './amounts.ts';
import { labelAdvice, termWarnings } from './node-labels.ts';

/** Annotations without an effect. */
const lost: readonly (readonly [string, string])[] = [
  ['scheduler.alpha.kubernetes.io/critical-pod', 'non-functional in v1.16+; use the "priorityClassName" field instead'],
  ['security.alpha.kubernetes.io/sysctls', 'non-functional in v1.11+; use the "sysctls" field instead'],
  ['security.alpha.kubernetes.io/unsafe-sysctls', 'non-functional in v1.11+; use the "sysctls" field instead'],
];
const seccompPod = 'seccomp.security.alpha.kubernetes.io/pod';
const seccompContainer = 'container.seccomp.security.alpha.kubernetes.io/';
const appArmorContainer = 'container.apparmor.security.beta.kubernetes.io/';
const noSeccomp = 'non-functional in v1.27+; use the "seccompProfile" field instead';

const lostVolumes: readonly (readonly [keyof Volume, string, string?])[] = [
  ['photonPersistentDisk', 'deprecated in v1.11, non-functional in v1.16+'],
  ['gitRepo', 'deprecated in v1.11'],
  ['scaleIO', 'deprecated in v1.16, non-functional in v1.22+'],
  ['flocker', 'deprecated in v1.22, non-functional in v1.25+'],
  ['storageos', 'deprecated in v1.22, non-functional in v1.25+', 'storageOS'],
  ['quobyte', 'deprecated in v1.22, non-functional in v1.25+'],
  ['glusterfs', 'deprecated in v1.25, non-functional in v1.26+'],
  ['cephfs', 'deprecated in v1.28, non-functional in v1.31+'],
  ['rbd', 'deprecated in v1.28, non-functional in v1.31+'],
];

type Placed = readonly (readonly [Container, string])[];

/** The warnings of Kubernetes 1.32 for a valid pod, or for the template at `at` (`spec.template`). */
export function podWarnings(metadata: Pick<ObjectMeta, 'annotations'> | undefined, spec: PodSpec, at = ''): string[] {
  const prefix = at === '' ? '' : `${at}.`;
  const field = `${prefix}spec`;
  const containers: Placed = [
    ...(spec.initContainers ?? []).map((one, index) => [one, `${field}.initContainers[${index}]`] as const),
    ...(spec.containers ?? []).map((one, index) => [one, `${field}.containers[${index}]`] as const),
  ];
  return [
    ...placementWarnings(spec, field),
    ...annotationWarnings(metadata?.annotations, spec, `${prefix}metadata.annotations`),
    ...(spec.volumes ?? []).flatMap((volume, index) => volumeWarnings(volume, `${field}.volumes[${index}]`)),
    ...repeated(spec.hostAliases, ({ ip }) => ip, `${field}.hostAliases`, 'ip'),
    ...pullSecretWarnings(spec, `${field}.imagePullSecrets`),
    ...containers.flatMap(([container, path]) => containerWarnings(container, path)),
    ...portWarnings(containers),
    ...affinityWarnings(spec.affinity, `${field}.affinity`),
  ];
}

function placementWarnings({ nodeSelector, affinity, topologySpreadConstraints }: PodSpec, field: string): string[] {
  const found: string[] = [];
  for (const key of Object.keys(nodeSelector ?? {})) {
    const advice = labelAdvice(key);
    if (advice) found.push(`${field}.nodeSelector[${key}]: ${advice}`);
  }
  const nodes = affinity?.nodeAffinity;
  const path = `${field}.affinity.nodeAffinity`;
  const required = nodes?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  for (const [index, term] of required.entries()) {
    const at = `${path}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[${index}]`;
    found.push(...termWarnings(term, at));
  }
  for (const [index, { preference }] of (nodes?.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
    const at = `${path}.preferredDuringSchedulingIgnoredDuringExecution[${index}].preference`;
    if (preference) found.push(...termWarnings(preference, at));
  }
  for (const [index, constraint] of (topologySpreadConstraints ?? []).entries()) {
    found.push(...spreadWarnings(constraint, `${field}.topologySpreadConstraints[${index}]`));
  }
  return found;
}

function spreadWarnings({ topologyKey, labelSelector }: TopologySpreadConstraint, field: string): string[] {
  const advice = labelAdvice(topologyKey);
  return [
    ...(advice ? [`${field}.topologyKey: ${topologyKey} is ${advice}`] : []),
    ...(labelSelector ? [] : [`${field}.labelSelector: ${noPod}`]),
  ];
}

const noPod = 'a null labelSelector results in matching no pod';

function affinityWarnings(affinity: Affinity | undefined, field: string): string[] {
  const found: string[] = [];
  for (const name of ['podAffinity', 'podAntiAffinity'] as const) {
    const terms = affinity?.[name];
    for (const [index, term] of (terms?.requiredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
      const at = `${field}.${name}.requiredDuringSchedulingIgnoredDuringExecution[${index}]`;
      if (!term.labelSelector) found.push(`${at}.labelSelector: ${noPod}`);
    }
    for (const [index, term] of (terms?.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
      const at = `${field}.${name}.preferredDuringSchedulingIgnoredDuringExecution[${index}]`;
      if (!term.podAffinityTerm?.labelSelector) found.push(`${at}.podAffinityTerm.labelSelector: ${noPod}`);
    }
  }
  return found;
}

function annotationWarnings(annotations: ObjectMeta['annotations'], spec: PodSpec, field: string): string[] {
  if (!annotations) return [];
  const found: string[] = [];
  for (const [key, advice] of lost) if (annotations[key] !== undefined) found.push(`${field}[${key}]: ${advice}`);
  const { seccompProfile, appArmorProfile } = spec.securityContext ?? {};
  if (!seccompProfile && annotations[seccompPod] !== undefined) found.push(`${field}[${seccompPod}]: ${noSeccomp}`);
  for (const { name, securityContext } of [...(spec.initContainers ?? []), ...(spec.containers ?? [])]) {
    const seccomp = seccompContainer + name;
    if (!securityContext?.seccompProfile && annotations[seccomp] !== undefined) {
      found.push(`${field}[${seccomp}]: ${noSeccomp}`);
    }
    const appArmor = appArmorContainer + name;
    if (!appArmorProfile && !securityContext?.appArmorProfile && annotations[appArmor] !== undefined) {
      found.push(`${field}[${appArmor}]: deprecated since v1.30; use the "appArmorProfile" field instead`);
    }
  }
  return found;
}

function volumeWarnings(volume: Volume, field: string): string[] {
  const found: string[] = [];
  for (const [name, advice, shown = name] of lostVolumes) {
    if (volume[name] !== undefined) found.push(`${field}.${shown}: ${advice}`);
  }
  const claim = volume.ephemeral?.volumeClaimTemplate?.spec;
  if (claim) found.push(...claimSizeWarnings(claim, `${field}.ephemeral.volumeClaimTemplate.spec`));
  return found;
}

function pullSecretWarnings({ imagePullSecrets = [] }: PodSpec, field: string): string[] {
  const unnamed = imagePullSecrets.flatMap(({ name }, index) =>
    name ? [] : [`${field}[${index}].name: invalid empty name ""`],
  );
  return [...repeated(imagePullSecrets, ({ name }) => name ?? '', field, 'name'), ...unnamed];
}

/** One warning for each item whose key another before it has. */
function repeated<T>(items: readonly T[] | undefined, keyOf: (item: T) => string, field: string, name: string) {
  const seen = new Set<string>();
  const found: string[] = [];
  for (const [index, item] of (items ?? []).entries()) {
    const key = keyOf(item);
    if (seen.has(key)) found.push(`${field}[${index}].${name}: duplicate ${name} ${JSON.stringify(key)}`);
    seen.add(key);
  }
  return found;
}

function containerWarnings({ resources, env = [] }: Container, field: string): string[] {
  const found: string[] = [];
  for (const resource of ['memory', 'ephemeral-storage']) {
    for (const part of ['limits', 'requests'] as const) {
      found.push(...fractionWarning(resources?.[part]?.[resource], `${field}.resources.${part}[${resource}]`));
    }
  }
  const seen = new Set<string>();
  for (const [index, { name, value = '', valueFrom }] of env.entries()) {
    const reference = `$(${name})`;
    // What builds on the value before does not hide it.
    const builds = !valueFrom && value !== reference && value.includes(reference);
    if (seen.has(name) && !builds) {
      const hidden = `hides previous definition of ${JSON.stringify(name)}, which may be dropped when using apply`;
      found.push(`${field}.env[${index}]: ${hidden}`);
    }
    seen.add(name);
  }
  return found;
}

function portWarnings(containers: Placed): string[] {
  const found: string[] = [];
  const byPort = new Map<string, [ContainerPort, string][]>();
  for (const [{ ports = [] }, path] of containers) {
    for (const [index, port] of ports.entries()) {
      const field = `${path}.ports[${index}]`;
      if (port.hostIP && !port.hostPort) found.push(`${field}: hostIP set without hostPort: ${goPort(port)}`);
      const key = `${port.containerPort}/${port.protocol}`;
      const others = byPort.get(key) ?? [];
      for (const [other, where] of others) {
        const fault = clash(port, other);
        if (fault) found.push(`${field}: ${fault} port definition with ${where}`);
      }
      byPort.set(key, [...others, [port, field]]);
    }
  }
  return found;
}

function clash(one: ContainerPort, other: ContainerPort): string | undefined {
  const [ip = '', otherIp = ''] = [one.hostIP, other.hostIP];
  const [port = 0, otherPort = 0] = [one.hostPort, other.hostPort];
  if (ip === otherIp && port === otherPort) return 'duplicate';
  if (port === 0 || otherPort === 0) return 'overlapping';
  return port === otherPort && (ip === '') !== (otherIp === '') ? 'dangerously ambiguous' : undefined;
}

/** As Go prints it. */
function goPort({ name = '', hostPort = 0, containerPort, protocol, hostIP }: ContainerPort): string {
  return `{Name:${name} HostPort:${hostPort} ContainerPort:${containerPort} Protocol:${protocol} HostIP:${hostIP}}`;
}
