import type { PodUsage, Usage, UsageReport } from '../../shared/session.ts';
import type { ContainerState, ContainerStats } from '../runtime/runtime.ts';

export interface MachineUsage {
  /** Of all processors together, since the machine's start. */
  readonly cpuNanoseconds: number;
  readonly workingSetBytes: number;
}

export interface Measured {
  readonly state: ContainerState;
  /** Undefined: they could not be read. */
  readonly stats: ContainerStats | undefined;
}

/** One measurement of everything. */
export interface Sample {
  /** Milliseconds since the epoch, and by the monotonic clock. */
  readonly at: number;
  readonly monotonic: number;
  /** By the container's id. */
  readonly containers: ReadonlyMap<string, Measured>;
  readonly machine: MachineUsage | undefined;
}

/** A shorter window, in milliseconds, gives no meaningful rate. */
const leastWindowMs = 1_000;

/**
 * The rates between two measurements. The window of a container that is new begins with its start. A pod with a running container that
 * has no rate is left out, as in metrics-server. Undefined without an earlier measurement.
 */
export function reportOf(now: Sample, before: Sample | undefined): UsageReport | undefined {
  if (!before || now.monotonic - before.monotonic < leastWindowMs) return undefined;
  const pods = podsOf(now, before);
  const windowMs = Math.round(now.monotonic - before.monotonic);
  return { at: now.at, node: { ...nodeOf(now, before, pods), windowMs }, pods };
}

interface Rate extends Usage {
  readonly name: string;
  readonly windowMs: number;
}

function podsOf(now: Sample, before: Sample): PodUsage[] {
  const byPod = new Map<string, Array<Rate | undefined>>();
  for (const [id, measured] of now.containers) {
    const { uid } = measured.state.pod;
    const rates = byPod.get(uid) ?? [];
    rates.push(rateOf(measured, before.containers.get(id)?.stats, now));
    byPod.set(uid, rates);
  }
  const pods: PodUsage[] = [];
  for (const [uid, rates] of byPod) {
    const known = rates.filter((rate) => rate !== undefined);
    if (known.length < rates.length) continue;
    const windowMs = Math.min(...known.map((rate) => rate.windowMs));
    pods.push({ uid, windowMs, containers: known.map(({ windowMs: _window, ...usage }) => usage).sort(byName) });
  }
  return pods;
}

function rateOf({ state, stats }: Measured, earlier: ContainerStats | undefined, now: Sample): Rate | undefined {
  if (!stats) return undefined;
  const first = earlier === undefined || earlier.cpuNanoseconds > stats.cpuNanoseconds;
  const ranMs = now.at - (state.startedAt ?? now.at);
  const windowMs = Math.round(first ? ranMs : stats.at - earlier.at);
  if (windowMs < leastWindowMs) return undefined;
  const used = stats.cpuNanoseconds - (first ? 0 : earlier.cpuNanoseconds);
  return { name: state.name, ...usageOf(used, windowMs, stats.workingSetBytes), windowMs };
}

function nodeOf(now: Sample, before: Sample, pods: readonly PodUsage[]): Usage {
  if (now.machine && before.machine) {
    const used = Math.max(0, now.machine.cpuNanoseconds - before.machine.cpuNanoseconds);
    return usageOf(used, now.monotonic - before.monotonic, now.machine.workingSetBytes);
  }
  const containers = pods.flatMap((pod) => pod.containers);
  return {
    cpuNanoCores: containers.reduce((sum, { cpuNanoCores }) => sum + cpuNanoCores, 0),
    memoryBytes: containers.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0),
  };
}

/** Nanoseconds of processors in a second are billionths of a core. */
function usageOf(cpuNanoseconds: number, windowMs: number, memoryBytes: number): Usage {
  return { cpuNanoCores: Math.round((cpuNanoseconds * 1000) / windowMs), memoryBytes };
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1;
}
