import type { Probe } from '../../shared/generated/types.ts';

/** Consecutive equal results. */
export interface ProbeCount {
  readonly success: boolean;
  readonly inARow: number;
}

export interface ProbeTimes {
  readonly initialDelayMs: number;
  readonly periodMs: number;
  readonly timeoutMs: number;
}

/** The count with one more result, and the verdict when its threshold is reached. */
export function countResult(
  before: ProbeCount | undefined,
  success: boolean,
  probe: Pick<Probe, 'successThreshold' | 'failureThreshold'>,
): { count: ProbeCount; verdict: boolean | undefined } {
  const inARow = before?.success === success ? before.inARow + 1 : 1;
  const threshold = success ? (probe.successThreshold ?? 1) : (probe.failureThreshold ?? 3);
  return { count: { success, inARow }, verdict: inARow >= threshold ? success : undefined };
}

/** A probe's times with Kubernetes' defaults, in milliseconds. */
export function probeTimes(probe: Probe): ProbeTimes {
  return {
    initialDelayMs: (probe.initialDelaySeconds ?? 0) * 1000,
    periodMs: (probe.periodSeconds || 10) * 1000,
    timeoutMs: (probe.timeoutSeconds || 1) * 1000,
  };
}
