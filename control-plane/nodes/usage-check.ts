import type { Pod } from '../../shared/generated/types.ts';
import type { PodUsage, Usage, UsageReport } from '../../shared/session.ts';

/** Milliseconds by which a report may be older than its arrival; a clock that says something else is not believed. */
const maxAgeMs = 60_000;
/** The last time that JavaScript has. */
const maxTime = 8.64e15;
/** Rates over more than this are of no use. */
const maxWindowMs = 60 * 60 * 1000;
/** Billionths of a core: a million cores. */
const maxCpu = 1e15;

/**
 * What is believed of a node's report: only of `pods` and their containers, each once, and only numbers that can be. A time that cannot
 * be is that of the arrival, `now`, in milliseconds since the epoch. What a number is impossible of counts as not measured: the whole
 * pod, as half of one would look like a pod that does little.
 */
export function checkedUsage(report: UsageReport, pods: Iterable<Pod>, now: number): UsageReport {
  const own = new Map([...pods].map((pod) => [pod.metadata.uid, pod]));
  const known = new Map<string, PodUsage>();
  for (const usage of report.pods) {
    const pod = own.get(usage.uid);
    if (pod && !known.has(usage.uid) && isPlausible(usage, namesOf(pod))) known.set(usage.uid, usage);
  }
  const at = report.at >= now - maxAgeMs && report.at <= now ? Math.round(report.at) : now;
  return boundedUsage({ ...report, at, pods: [...known.values()] }, now);
}

/** Only what can be shown at all: for what another server passes on, which has its own clock. */
export function boundedUsage({ at, node, pods }: UsageReport, now: number): UsageReport {
  const measured = isAmount(node) && isWindow(node.windowMs);
  return {
    at: at >= 0 && at <= maxTime ? Math.round(at) : now,
    // A window of nothing says that the node was not measured.
    node: measured ? node : { cpuNanoCores: 0, memoryBytes: 0, windowMs: 0 },
    pods: pods.filter((pod) => isWindow(pod.windowMs) && pod.containers.every(isAmount)),
  };
}

function isPlausible({ windowMs, containers }: PodUsage, names: ReadonlySet<string>): boolean {
  const said = new Set(containers.map(({ name }) => name));
  return (
    isWindow(windowMs) &&
    said.size === containers.length &&
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
