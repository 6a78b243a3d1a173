import type { Container, Pod, PodSpec } from '../generated/types.ts';
import { isPodTerminal, isSidecar } from '../pod.ts';
import { type Amounts, addInto, raiseInto } from './amounts.ts';

/** The resources that each container must specify under a quota on cpu or memory. */
const mustBeSpecified: ReadonlySet<string> = new Set([
  'cpu',
  'memory',
  'requests.cpu',
  'requests.memory',
  'limits.cpu',
  'limits.memory',
]);

const counted: ReadonlySet<string> = new Set([
  'count/pods',
  'pods',
  ...mustBeSpecified,
  'ephemeral-storage',
  'requests.ephemeral-storage',
  'limits.ephemeral-storage',
]);

/** Whether a quota on `name` counts pods. */
export function countsPods(name: string): boolean {
  return (
    counted.has(name) ||
    name.startsWith('hugepages-') ||
    name.startsWith('requests.hugepages-') ||
    (name.startsWith('requests.') && !isNative(name))
  );
}

/**
 * A pod's usage of a quota (Kubernetes' pod evaluator): `count/pods` while it is stored, everything else until it has ended or its grace
 * period is over. `now`: milliseconds since the epoch.
 */
export function podUsage(pod: Pod, now: number): Amounts {
  const usage: Record<string, string> = { 'count/pods': '1' };
  if (isPodTerminal(pod) || graceIsOver(pod, now)) return usage;
  usage.pods = '1';
  addNames(usage, withOverhead(pod.spec, 'requests'), withOverhead(pod.spec, 'limits'));
  return usage;
}

/** When the pod stops counting by time alone; undefined for never. */
export function graceEnd({ metadata }: Pod): number | undefined {
  const { deletionTimestamp, deletionGracePeriodSeconds } = metadata;
  if (!deletionTimestamp || deletionGracePeriodSeconds === undefined) return undefined;
  return Date.parse(deletionTimestamp) + deletionGracePeriodSeconds * 1000;
}

/** Why a quota that counts `names` can't count the pod: `must specify limits.cpu for: app; …`. */
export function podConstraint({ spec }: Pod, names: readonly string[]): string | undefined {
  const wanted = names.filter((name) => mustBeSpecified.has(name)).sort();
  const faults: string[] = [];
  for (const name of wanted) {
    const missing = [...spec.containers, ...(spec.initContainers ?? [])]
      .filter((container) => !(name in containerNames(container)))
      .map((container) => container.name);
    if (missing.length > 0) faults.push(`${name} for: ${[...new Set(missing)].sort().join(',')}`);
  }
  return faults.length > 0 ? `must specify ${faults.join('; ')}` : undefined;
}

function containerNames({ resources }: Container): Amounts {
  const names: Record<string, string> = {};
  addNames(names, resources?.requests ?? {}, resources?.limits ?? {});
  return names;
}

/** Under the names that quotas have for them. */
function addNames(usage: Record<string, string>, requests: Amounts, limits: Amounts): void {
  for (const name in requests) {
    const amount = requests[name];
    if (amount === undefined) continue;
    if (name === 'cpu' || name === 'memory' || name === 'ephemeral-storage' || name.startsWith('hugepages-')) {
      usage[name] = amount;
      usage[`requests.${name}`] = amount;
    } else if (!isNative(name) && !name.startsWith('requests.')) {
      usage[`requests.${name}`] = amount;
    }
  }
  for (const name of ['cpu', 'memory', 'ephemeral-storage']) {
    const amount = limits[name];
    if (amount !== undefined) usage[`limits.${name}`] = amount;
  }
}

function withOverhead(spec: PodSpec, part: 'requests' | 'limits'): Record<string, string> {
  const total = wholePod(spec, part);
  for (const name in spec.overhead) {
    // A limit that is not set stays open.
    if (part === 'requests' || total[name] !== undefined) addInto(total, { [name]: spec.overhead[name] ?? '0' });
  }
  return total;
}

/** The sum of all containers: the larger of the running ones and of the highest need during initialization. */
export function wholePod(spec: PodSpec, part: 'requests' | 'limits'): Record<string, string> {
  const total: Record<string, string> = {};
  for (const { resources } of spec.containers) addInto(total, resources?.[part]);
  const sidecars: Record<string, string> = {};
  const start: Record<string, string> = {};
  for (const container of spec.initContainers ?? []) {
    const moment = { ...sidecars };
    addInto(moment, container.resources?.[part]);
    raiseInto(start, moment);
    if (isSidecar(container)) addInto(sidecars, container.resources?.[part]);
  }
  addInto(total, sidecars);
  raiseInto(total, start);
  return Object.assign(total, spec.resources?.[part]);
}

function graceIsOver(pod: Pod, now: number): boolean {
  const end = graceEnd(pod);
  return end !== undefined && end < now;
}

/** Kubernetes' own resources: without a domain, or under kubernetes.io. */
function isNative(name: string): boolean {
  return !name.includes('/') || name.includes('kubernetes.io/');
}
