import type { Pod } from '../../../shared/generated/types.ts';
import type { PodUsage, Usage, UsageReport } from '../../../shared/session.ts';

/** The most that a report's time may be before its arrival, in milliseconds; any other time is replaced. */
const maxAgeMs = 60_000;
/** The latest time of a Date. */
const maxTime = 8.64e15;
/** The longest window of a rate, in milliseconds. */
const maxWindowMs = 60 * 60 * 1000;
/** Billionths of a core: a million cores. */
const maxCpu = 1e15;

/**
 * The plausible part of a node's report: only `pods` and their containers, each once, with possible numbers. An impossible time is
 * replaced by that of the arrival, `now`, in milliseconds since the epoch. A pod with an impossible number is left out whole, as a part
 * of it would look like a pod that uses little.
 */
export function checkedUsage(report: UsageReport, pods: Iterable<Pod>, now: number): UsageReport {
  const byUid = new Map([...pods].map((pod) => [pod.metadata.uid, pod]));
  const plausible = new Map<string, PodUsage>();
  for (const usage of report.pods) {
    const pod = byUid.get(usage.uid);
    if (pod && !plausible.has(usage.uid) && isPlausible(usage, namesOf(pod))) plausible.set(usage.uid, usage);
  }
  const at = report.at >= now - maxAgeMs && report.at <= now ? Math.round(report.at) : now;
  return boundedUsage({ ...report, at, pods: [...plausible.values()] }, now);
}

/** The part of a report that can be shown: for reports from other servers, which have their own clocks. */
export function boundedUsage({ at, node, pods }: UsageReport, now: number): UsageReport {
  const measured = isAmount(node) && isWindow(node.windowMs);
  return {
    at: at >= 0 && at <= maxTime ? Math.round(at) : now,
    // A window of 0 means that the node was not measured.
    node: measured ? node : { cpuNanoCores: 0, memoryBytes: 0, windowMs: 0 },
    pods: pods.filter((pod) => isWindow(pod.windowMs) && pod.containers.every(isAmount)),
  };
}

function isPlausible({ windowMs, containers }: PodUsage, names: ReadonlySet<string>): boolean {
  const reported = new Set(containers.map(({ name }) => name));
  return (
    isWindow(windowMs) &&
    reported.size === containers.length &&
    containers.every((container) => names.has(container.name) && isAmount(container))
  );
}

function isAmount({ cpuNanoCores, memoryBytes }: Usage): boolean {
  return cpuNanoCores >= 0 && cpuNanoCores <= maxCpu && memoryBytes >= 0 && memoryBytes <= Number.MAX_SAFE_INTEGER;
}

function isWindow(ms: number): boolean {
  return ms >= 0 && ms <= maxWindowMs;
}

function namesOf({ spec }: Pod): ReadonlySet<string> {
  const all = [...spec.containers, ...(spec.initContainers ?? []), ...(spec.ephemeralContainers ?? [])];
  return new Set(all.map(({ name }) => name));
}
