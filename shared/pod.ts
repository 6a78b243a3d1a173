import type {
  Container,
  Pod,
  PodCondition,
  PodSpec,
  ResourceRequirements,
  Taint,
  Toleration,
} from './generated/types.ts';
import { intValue, milliValue } from './quantity.ts';

/** What a pod takes from its node, or what a node has. */
export interface Resources {
  cpuMillis: number;
  memoryBytes: number;
  ephemeralBytes: number;
  /** Everything else by its name (`hugepages-2Mi`, `example.com/gpu`), in whole units. */
  other: Map<string, number>;
}

type Amounts = Readonly<Record<string, string>>;

interface AmountsOfContainer extends Pick<Container, 'restartPolicy'> {
  readonly resources?: Pick<ResourceRequirements, 'requests' | 'limits'>;
}

/** The part of a PodSpec that defines its resource requests. */
interface AmountsOfPod extends Pick<PodSpec, 'overhead'> {
  readonly resources?: Pick<ResourceRequirements, 'requests' | 'limits'>;
  readonly containers: readonly AmountsOfContainer[];
  readonly initContainers?: readonly AmountsOfContainer[];
}

/**
 * The requests the scheduler counts (Kubernetes, "Pod overhead" and "Sidecar containers"): the larger of what the containers
 * with all sidecars need together and what the start's worst moment needs, plus the overhead. Requests of the
 * pod as a whole take the place of its containers'.
 */
export function podRequests(spec: AmountsOfPod): Resources {
  return effective(spec, (resources) => resources?.requests);
}

/** The same of the limits. A resource that some container leaves open counts only where it is limited. */
export function podLimits(spec: PodSpec): Resources {
  return effective(spec, (resources) => resources?.limits);
}

/** Amounts by name (a node's allocatable, a container's requests) as Resources. The quantities must be valid. */
export function resourcesOf(amounts: Amounts | undefined): Resources {
  const total = noResources();
  for (const name in amounts) add(total, name, amounts[name] ?? '0');
  return total;
}

export function noResources(): Resources {
  return { cpuMillis: 0, memoryBytes: 0, ephemeralBytes: 0, other: new Map() };
}

/** Adds `b` to `a`, in place. */
export function addResources(a: Resources, b: Resources, sign: 1 | -1 = 1): void {
  a.cpuMillis += sign * b.cpuMillis;
  a.memoryBytes += sign * b.memoryBytes;
  a.ephemeralBytes += sign * b.ephemeralBytes;
  for (const [name, amount] of b.other) a.other.set(name, (a.other.get(name) ?? 0) + sign * amount);
}

/** An init container that keeps running beside the containers. */
export function isSidecar(container: Pick<Container, 'restartPolicy'>): boolean {
  return container.restartPolicy === 'Always';
}

/** All that run at some time: init containers first. */
export function allContainers(spec: PodSpec): Container[] {
  return [...(spec.initContainers ?? []), ...(spec.containers ?? [])];
}

/** Its containers have ended for good: nothing of it will run again. */
export function isPodTerminal(pod: Pick<Pod, 'status'>): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

/** A node has refused to run it: nothing of it was ever made (the kubelet's `rejectPod`). */
export function isPodRefused({ status }: Pod): boolean {
  return status?.phase === 'Failed' && status.message?.startsWith('Pod was rejected: ') === true;
}

/** Marked as a scheduler's preemption victim. */
export function isPreempted(pod: Pod): boolean {
  const target = podCondition(pod, 'DisruptionTarget');
  return target?.status === 'True' && target.reason === 'PreemptionByScheduler';
}

/** Counts as a replica: not ended, not being deleted. */
export function isPodActive(pod: Pod): boolean {
  return !isPodTerminal(pod) && pod.metadata.deletionTimestamp === undefined;
}

export function isPodReady(pod: Pod): boolean {
  return podCondition(pod, 'Ready')?.status === 'True';
}

/** Ready for at least `minReadySeconds`. `now`: milliseconds since the epoch. */
export function isPodAvailable(pod: Pod, minReadySeconds: number, now: number): boolean {
  const ready = podCondition(pod, 'Ready');
  if (ready?.status !== 'True') return false;
  if (minReadySeconds === 0) return true;
  if (!ready.lastTransitionTime) return false;
  return Date.parse(ready.lastTransitionTime) + minReadySeconds * 1000 <= now;
}

export function podCondition(pod: Pod, type: string): PodCondition | undefined {
  return pod.status?.conditions?.find((condition) => condition.type === type);
}

/**
 * The conditions with `next` put in place of the one of its type. The time of the last transition stays when the
 * status does; the same array comes back when nothing has changed.
 */
export function withCondition<
  C extends {
    type: string;
    status: string;
    reason?: string;
    message?: string;
    observedGeneration?: number;
    lastTransitionTime?: string;
  },
>(conditions: readonly C[] | undefined, next: C): C[] {
  const list = (conditions ?? []) as C[];
  const at = list.findIndex((condition) => condition.type === next.type);
  const before = list[at];
  if (!before) return [...list, next];
  const same = before.status === next.status;
  const seen = before.observedGeneration === next.observedGeneration;
  if (same && seen && before.reason === next.reason && before.message === next.message) return list;
  const kept = same && before.lastTransitionTime ? { lastTransitionTime: before.lastTransitionTime } : {};
  return list.with(at, { ...next, ...kept });
}

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

/** Kubernetes, "Pod Quality of Service Classes": BestEffort pods are evicted first. */
export function qosClass(spec: PodSpec): QosClass {
  if (spec.resources && hasCpuOrMemory(spec.resources))
    return isGuaranteed(spec.resources) ? 'Guaranteed' : 'Burstable';
  const containers = allContainers(spec);
  if (containers.every(({ resources }) => isGuaranteed(resources))) return 'Guaranteed';
  return containers.some(({ resources }) => hasCpuOrMemory(resources)) ? 'Burstable' : 'BestEffort';
}

/** Whether one toleration covers the taint (Kubernetes, "Taints and Tolerations"). */
export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  if (toleration.operator === 'Exists') return true;
  return Boolean(toleration.key) && (toleration.value ?? '') === (taint.value ?? '');
}

/** The first taint of one of `effects` that none of the tolerations covers. */
export function untolerated(
  taints: readonly Taint[] | undefined,
  tolerations: readonly Toleration[] | undefined,
  effects: readonly string[] = ['NoSchedule', 'NoExecute'],
): Taint | undefined {
  return taints?.find(
    (taint) => effects.includes(taint.effect) && !tolerations?.some((toleration) => tolerates(toleration, taint)),
  );
}

function effective(
  spec: AmountsOfPod,
  amountsOf: (resources?: AmountsOfPod['resources']) => Amounts | undefined,
): Resources {
  const total = noResources();
  for (const container of spec.containers) addAmounts(total, amountsOf(container.resources));
  const sidecars = noResources();
  const start = noResources();
  for (const container of spec.initContainers ?? []) {
    const amounts = amountsOf(container.resources);
    if (isSidecar(container)) {
      addAmounts(sidecars, amounts);
      raise(start, sidecars);
    } else {
      const moment = resourcesOf(amounts);
      addResources(moment, sidecars);
      raise(start, moment);
    }
  }
  addResources(total, sidecars);
  raise(total, start);
  const whole = amountsOf(spec.resources);
  for (const name in whole) set(total, name, whole[name] ?? '0');
  if (spec.overhead) addAmounts(total, spec.overhead);
  return total;
}

function addAmounts(total: Resources, amounts: Amounts | undefined): void {
  for (const name in amounts) add(total, name, amounts[name] ?? '0');
}

function add(total: Resources, name: string, amount: string): void {
  if (name === 'cpu') total.cpuMillis += milliValue(amount);
  else if (name === 'memory') total.memoryBytes += intValue(amount);
  else if (name === 'ephemeral-storage') total.ephemeralBytes += intValue(amount);
  else total.other.set(name, (total.other.get(name) ?? 0) + intValue(amount));
}

function set(total: Resources, name: string, amount: string): void {
  if (name === 'cpu') total.cpuMillis = milliValue(amount);
  else if (name === 'memory') total.memoryBytes = intValue(amount);
  else if (name === 'ephemeral-storage') total.ephemeralBytes = intValue(amount);
  else total.other.set(name, intValue(amount));
}

/** Raises `a` to `b` wherever `b` is more, in place. */
function raise(a: Resources, b: Resources): void {
  a.cpuMillis = Math.max(a.cpuMillis, b.cpuMillis);
  a.memoryBytes = Math.max(a.memoryBytes, b.memoryBytes);
  a.ephemeralBytes = Math.max(a.ephemeralBytes, b.ephemeralBytes);
  for (const [name, amount] of b.other) a.other.set(name, Math.max(a.other.get(name) ?? 0, amount));
}

function hasCpuOrMemory(resources: ResourceRequirements | undefined): boolean {
  const some = (amounts: Amounts | undefined): boolean =>
    ['cpu', 'memory'].some((name) => amounts?.[name] !== undefined && milliValue(amounts[name]) > 0);
  return some(resources?.requests) || some(resources?.limits);
}

/** Limits for both cpu and memory, and requests equal to them (or left to default to them). */
function isGuaranteed(resources: ResourceRequirements | undefined): boolean {
  return ['cpu', 'memory'].every((name) => {
    const limit = resources?.limits?.[name];
    if (limit === undefined || milliValue(limit) === 0) return false;
    const request = resources?.requests?.[name];
    return request === undefined || milliValue(request) === milliValue(limit);
  });
}
