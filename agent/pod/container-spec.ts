import type { Container, Pod } from '../../shared/generated/types.ts';
import { isSidecar, qosClass } from '../../shared/pod.ts';
import { intValue, milliValue } from '../../shared/quantity.ts';
import { clusterDomain } from '../../shared/well-known.ts';
import type { ContainerSpec, HostPort, Mount, PodRef, Resources, SandboxSpec } from '../runtime/runtime.ts';
import { containerHash, hashLabel } from './containers.ts';
import { containerEnv, expand, newExpansion } from './env.ts';
import { ConfigError, type PodFacts, type PodInputs } from './inputs.ts';
import { resourcesLabel, resourcesText } from './resources.ts';
import type { RunAs } from './run-as.ts';

/** Annotation of a pod that tells the fake runtime how its containers behave; handed on as a label. */
const fakeAnnotation = 'coracle.fake';

/** What the kernel takes as the share of a control group. */
const minShares = 2;
const maxShares = 262_144;

/** Most characters of the kernel's host name. */
const maxFullName = 64;

export function podRef(pod: Pod): PodRef {
  return { namespace: pod.metadata.namespace ?? '', name: pod.metadata.name, uid: pod.metadata.uid };
}

/** What the runtime is to make of one container. Throws ConfigError. */
export function containerSpec(
  pod: Pod,
  container: Container,
  attempt: number,
  mounts: readonly Mount[],
  inputs: PodInputs,
  facts: PodFacts & { readonly memoryCapacity: number },
  who: RunAs,
): ContainerSpec {
  const env = containerEnv(pod, container, inputs, facts);
  const variables = new Map(env.map(({ name, value }) => [name, value]));
  const expansion = newExpansion();
  const expanded = (words: readonly string[]): string[] => words.map((word) => expand(word, variables, expansion));
  const own = container.securityContext ?? {};
  const fake = pod.metadata.annotations?.[fakeAnnotation];
  return {
    pod: podRef(pod),
    name: container.name,
    attempt,
    image: container.image ?? '',
    ...(container.command?.length ? { command: expanded(container.command) } : {}),
    ...(container.args?.length ? { args: expanded(container.args) } : {}),
    ...(container.workingDir ? { workingDir: container.workingDir } : {}),
    env,
    mounts,
    resources: cgroupResources(pod, container, facts.memoryCapacity),
    tty: container.tty ?? false,
    stdin: container.stdin ?? false,
    stdinOnce: container.stdinOnce ?? false,
    ...who,
    privileged: own.privileged ?? false,
    readOnlyRootFilesystem: own.readOnlyRootFilesystem ?? false,
    capabilities: { add: own.capabilities?.add ?? [], drop: own.capabilities?.drop ?? [] },
    noNewPrivileges: own.allowPrivilegeEscalation === false,
    labels: {
      [hashLabel]: containerHash(container),
      [resourcesLabel]: resourcesText(container),
      ...(fake ? { [fakeAnnotation]: fake } : {}),
    },
  };
}

export function sandboxSpec(
  pod: Pod,
  attempt: number,
  address: string | undefined,
  dns: SandboxSpec['dns'],
): SandboxSpec {
  const { spec } = pod;
  return {
    pod: podRef(pod),
    hostname: spec.setHostnameAsFQDN && !spec.hostNetwork ? fullHostname(pod) : hostnameOf(pod),
    hostNetwork: spec.hostNetwork ?? false,
    hostPID: spec.hostPID ?? false,
    hostIPC: spec.hostIPC ?? false,
    shareProcessNamespace: spec.shareProcessNamespace ?? false,
    ...(address && !spec.hostNetwork ? { address } : {}),
    hostPorts: spec.hostNetwork ? [] : hostPorts(pod),
    dns,
    sysctls: Object.fromEntries((spec.securityContext?.sysctls ?? []).map(({ name, value }) => [name, value])),
    attempt,
  };
}

/** A host name has at most 63 characters, and does not end in a hyphen or dot. */
export function hostnameOf(pod: Pod): string {
  return (pod.spec.hostname || pod.metadata.name).slice(0, 63).replace(/[-.]+$/, '');
}

/** The host name with the domain that its subdomain gives it; undefined without one. */
export function fullNameOf(pod: Pod): string | undefined {
  const { subdomain } = pod.spec;
  return subdomain ? `${hostnameOf(pod)}.${subdomain}.${pod.metadata.namespace}.svc.${clusterDomain}` : undefined;
}

function fullHostname(pod: Pod): string {
  const name = fullNameOf(pod) ?? hostnameOf(pod);
  if (name.length <= maxFullName) return name;
  const bounds = `${maxFullName} characters is the max, ${name.length} characters requested`;
  throw new ConfigError(
    `Failed to construct FQDN from Pod hostname and cluster domain, FQDN ${name} is too long (${bounds})`,
  );
}

/** The kubelet's cgroup values: shares from requests, quota and memory from limits, score by quality of service. */
export function cgroupResources(pod: Pod, container: Container, memoryCapacity: number): Resources {
  const { requests, limits } = container.resources ?? {};
  const cpu = requests?.cpu ?? limits?.cpu ?? '0';
  const shares = Math.floor((milliValue(cpu) * 1024) / 1000);
  return {
    cpuShares: Math.min(maxShares, Math.max(minShares, shares)),
    ...(limits?.cpu ? { cpuLimitMillis: milliValue(limits.cpu) } : {}),
    ...(limits?.memory ? { memoryLimitBytes: intValue(limits.memory) } : {}),
    oomScoreAdj: oomScore(pod, container, memoryCapacity),
  };
}

/**
 * Kubernetes, "Node out of memory behavior". A sidecar counts as asking for no less than each of the containers that it serves: it is not
 * killed before them (kubelet, `GetContainerOOMScoreAdjust`).
 */
function oomScore({ spec }: Pod, container: Container, capacity: number): number {
  const qos = qosClass(spec);
  if (qos === 'Guaranteed' || spec.priorityClassName === 'system-node-critical') return -997;
  if (qos === 'BestEffort' || capacity <= 0) return 1000;
  const served = isSidecar(container) ? Math.min(...spec.containers.map(requestedMemory)) : 0;
  const requested = Math.max(requestedMemory(container), served);
  return Math.min(999, Math.max(3, 1000 - Math.floor((1000 * requested) / capacity)));
}

function requestedMemory({ resources: { requests, limits } = {} }: Container): number {
  return intValue(requests?.memory ?? limits?.memory ?? '0');
}

function hostPorts(pod: Pod): HostPort[] {
  return [...(pod.spec.initContainers ?? []), ...pod.spec.containers].flatMap((container) =>
    (container.ports ?? []).flatMap(({ hostPort, hostIP, containerPort, protocol }) =>
      hostPort
        ? [{ hostIP: hostIP ?? '', hostPort, containerPort, protocol: (protocol ?? 'TCP') as HostPort['protocol'] }]
        : [],
    ),
  );
}
