import type { Pod, PodMetrics } from '../../../shared/generated/types.ts';
import { parseGoDuration } from '../../../shared/go-duration.ts';
import { allContainers, isSidecar, podCondition } from '../../../shared/pod.ts';
import { milliValue } from '../../../shared/quantity.ts';

/** A pod's usage of one resource. Times in milliseconds (since the epoch). */
export interface Sample {
  /** In thousandths of the resource's unit. */
  readonly value: number;
  readonly timestamp: number;
  readonly windowMs: number;
}

export interface Usage {
  /** The resource: `cpu`. */
  readonly resource: string;
  /** Absent: the pod as a whole. */
  readonly container?: string;
  /** The pods that the target's selector matches. */
  readonly pods: readonly Pod[];
  readonly metrics: readonly PodMetrics[];
  readonly currentReplicas: number;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** The replicas by one metric, and what was measured. */
export interface Proposal {
  readonly replicas: number;
  /** Thousandths of the unit, per pod. */
  readonly averageMillis: number;
  /** Percent of the requests. */
  readonly utilization?: number;
}

/** Why there is no proposal, in Kubernetes' words. */
export class MetricFault extends Error {}

/** A difference from the target up to this share is none. */
const tolerance = 0.1;
/** After its start a pod's cpu counts only once it is ready, and was measured since. */
const cpuInitializationMs = 5 * 60_000;
/** A pod that became unready within this time of its start was never ready. */
const initialReadinessMs = 30_000;

interface Target {
  /** The ratio of usage to target, with what is shown of it. */
  readonly ratioOf: (samples: ReadonlyMap<string, number>) => Omit<Proposal, 'replicas'> & { readonly ratio: number };
  /** What a pod without metrics counts as when it would be scaled down. */
  readonly missing: (pod: string) => number;
}

/** By `target` percent of what the pods request (replica_calculator's GetResourceReplicas). Throws MetricFault. */
export function replicasByUtilization(usage: Usage, target: number): Proposal {
  let read: ReadonlyMap<string, number> | undefined;
  const requestsOnce = (): ReadonlyMap<string, number> => {
    read ??= requestsOf(usage);
    return read;
  };
  return propose(usage, {
    ratioOf(samples) {
      const requests = requestsOnce();
      const known = [...samples].filter(([pod]) => requests.has(pod));
      const used = sum(known.map(([, value]) => value));
      const requested = sum(known.map(([pod]) => requests.get(pod) ?? 0));
      if (requested === 0) throw new MetricFault('no metrics returned matched known pods');
      const utilization = Math.trunc((used * 100) / requested);
      return { ratio: utilization / target, utilization, averageMillis: Math.trunc(used / known.length) };
    },
    missing: (pod) => Math.trunc(((requestsOnce().get(pod) ?? 0) * Math.max(100, target)) / 100),
  });
}

/** By an average of `target` thousandths per pod (replica_calculator's GetRawResourceReplicas). Throws MetricFault. */
export function replicasByAverage(usage: Usage, target: number): Proposal {
  return propose(usage, {
    ratioOf(samples) {
      const averageMillis = Math.trunc(sum([...samples.values()]) / samples.size);
      return { ratio: averageMillis / target, averageMillis };
    },
    missing: () => target,
  });
}

/**
 * Pods without metrics count against a change: as using all that they may when it is down, nothing when it is up. Pods that are not
 * ready count as using nothing when it is up.
 */
function propose(usage: Usage, target: Target): Proposal {
  const { currentReplicas } = usage;
  const samples = samplesOf(usage);
  if (usage.pods.length === 0) throw new MetricFault('no pods returned by selector while calculating replica count');
  const groups = groupPods(usage, samples);
  const values = new Map<string, number>();
  const counted = new Set([...groups.ignored, ...groups.unready]);
  for (const [pod, { value }] of samples) if (!counted.has(pod)) values.set(pod, value);
  if (values.size === 0) {
    throw new MetricFault('did not receive metrics for targeted pods (pods might be unready)');
  }
  const { ratio, ...shown } = target.ratioOf(values);
  const same: Proposal = { replicas: currentReplicas, ...shown };
  const unready = ratio > 1 ? groups.unready : [];
  if (unready.length === 0 && groups.missing.length === 0) {
    return isSmall(ratio) ? same : { replicas: Math.ceil(ratio * groups.ready), ...shown };
  }
  // At exactly the target the average counts missing pods as idle, the utilization leaves them out.
  const byRequests = shown.utilization !== undefined;
  if (ratio < 1) for (const pod of groups.missing) values.set(pod, target.missing(pod));
  else if (ratio > 1 || !byRequests) for (const pod of groups.missing) values.set(pod, 0);
  for (const pod of unready) values.set(pod, 0);
  const again = target.ratioOf(values).ratio;
  if (isSmall(again) || (ratio < 1 && again > 1) || (ratio > 1 && again < 1)) return same;
  const replicas = Math.ceil(again * values.size);
  if ((again < 1 && replicas > currentReplicas) || (again > 1 && replicas < currentReplicas)) return same;
  return { replicas, ...shown };
}

function isSmall(ratio: number): boolean {
  return 1 - tolerance <= ratio && ratio <= 1 + tolerance;
}

function samplesOf({ metrics, resource, container }: Usage): ReadonlyMap<string, Sample> {
  if (metrics.length === 0) {
    const why = 'no metrics returned from resource metrics API';
    throw new MetricFault(`unable to get metrics for resource ${resource}: ${why}`);
  }
  return new Map(metrics.flatMap((one) => sampleOf(one, resource, container)));
}

function sampleOf(metrics: PodMetrics, resource: string, container: string | undefined): [string, Sample][] {
  const { name, namespace } = metrics.metadata;
  const used = metrics.containers.filter((one) => container === undefined || one.name === container);
  if (container !== undefined && used.length === 0) {
    const why = `container ${container} not present in metrics for pod ${namespace}/${name}`;
    throw new MetricFault(`unable to get metrics for resource ${resource}: ${why}`);
  }
  const amounts = used.map(({ usage }) => usage[resource]);
  if (amounts.length === 0 || amounts.includes(undefined)) return [];
  const value = sum(amounts.map((amount) => milliValue(amount ?? '0')));
  const windowMs = (parseGoDuration(metrics.window ?? '') ?? 0) / 1e6;
  return [[name, { value, timestamp: Date.parse(metrics.timestamp ?? ''), windowMs }]];
}

interface Groups {
  ready: number;
  readonly unready: string[];
  readonly missing: string[];
  readonly ignored: string[];
}

function groupPods({ pods, resource, now }: Usage, samples: ReadonlyMap<string, Sample>): Groups {
  const groups: Groups = { ready: 0, unready: [], missing: [], ignored: [] };
  for (const pod of pods) {
    const { name, deletionTimestamp } = pod.metadata;
    const sample = samples.get(name);
    if (deletionTimestamp || pod.status?.phase === 'Failed') groups.ignored.push(name);
    else if ((pod.status?.phase ?? 'Pending') === 'Pending') groups.unready.push(name);
    else if (!sample) groups.missing.push(name);
    else if (resource === 'cpu' && startsUp(pod, sample, now)) groups.unready.push(name);
    else groups.ready++;
  }
  return groups;
}

/** Whether a pod's cpu says nothing yet of its load. */
function startsUp(pod: Pod, sample: Sample, now: number): boolean {
  const ready = podCondition(pod, 'Ready');
  const start = Date.parse(pod.status?.startTime ?? '');
  if (!ready || Number.isNaN(start)) return true;
  const unready = ready.status === 'False';
  const changed = Date.parse(ready.lastTransitionTime ?? '') || 0;
  if (start + cpuInitializationMs > now) return unready || sample.timestamp < changed + sample.windowMs;
  return unready && start + initialReadinessMs > changed;
}

/** What each pod requests, in thousandths. */
function requestsOf({ pods, resource, container }: Usage): ReadonlyMap<string, number> {
  const requests = new Map<string, number>();
  for (const { metadata, spec } of pods) {
    const whole = container === undefined ? spec.resources?.requests?.[resource] : undefined;
    if (whole !== undefined) {
      requests.set(metadata.name, milliValue(whole));
      continue;
    }
    let total = 0;
    for (const one of allContainers(spec)) {
      if (!(spec.containers.includes(one) || isSidecar(one))) continue;
      if (container !== undefined && one.name !== container) continue;
      const amount = one.resources?.requests?.[resource];
      if (amount === undefined) {
        throw new MetricFault(`missing request for ${resource} in container ${one.name} of Pod ${metadata.name}`);
      }
      total += milliValue(amount);
    }
    requests.set(metadata.name, total);
  }
  return requests;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
