import type { Container, Pod } from '../../../shared/generated/types.ts';
import { isSidecar, qosClass } from '../../../shared/pod.ts';
import { intValue, milliValue } from '../../../shared/quantity.ts';
import type { ContainerSpec, Mount, Resources } from '../../runtime/runtime.ts';
import { containerHash, hashLabel } from '../containers.ts';
import type { PodEnvironment } from '../inputs.ts';
import { podRef } from '../pod-ref.ts';
import { resourcesLabel, resourcesText } from '../resources.ts';
import { containerEnv, expand, newExpansion } from './env.ts';
import type { RunAs } from './run-as.ts';

/** Annotation with the behaviour of the pod's containers on the fake runtime, which gets it as a label. */
const fakeAnnotation = 'coracle.fake';

/** The kernel's bounds for the CPU shares of a cgroup. */
const minShares = 2;
const maxShares = 262_144;

/** What the container of one attempt has besides its spec. */
export interface ContainerAttempt {
  readonly attempt: number;
  readonly mounts: readonly Mount[];
  readonly runAs: RunAs;
  /** Of the node, in bytes. */
  readonly memoryCapacity: number;
}

/** The runtime's spec of a container. Throws ConfigError. */
export function containerSpec(
  environment: PodEnvironment,
  container: Container,
  { attempt, mounts, runAs, memoryCapacity }: ContainerAttempt,
): ContainerSpec {
  const { pod } = environment;
  const env = containerEnv(environment, container);
  const variables = new Map(env.map(({ name, value }) => [name, value]));
  const expansion = newExpansion();
  const expanded = (words: readonly string[]): string[] => words.map((word) => expand(word, variables, expansion));
  const security = container.securityContext ?? {};
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
    resources: cgroupResources(pod, container, memoryCapacity),
    tty: container.tty ?? false,
    stdin: container.stdin ?? false,
    stdinOnce: container.stdinOnce ?? false,
    ...runAs,
    privileged: security.privileged ?? false,
    readOnlyRootFilesystem: security.readOnlyRootFilesystem ?? false,
    capabilities: { add: security.capabilities?.add ?? [], drop: security.capabilities?.drop ?? [] },
    noNewPrivileges: security.allowPrivilegeEscalation === false,
    labels: {
      [hashLabel]: containerHash(container),
      [resourcesLabel]: resourcesText(container),
      ...(fake ? { [fakeAnnotation]: fake } : {}),
    },
  };
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
 * Kubernetes, "Node out of memory behavior". A sidecar's request counts as no less than the least of the app containers, so that it is not
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
