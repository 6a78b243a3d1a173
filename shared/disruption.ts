import { formatTime } from './clock.ts';
import type { Condition } from './generated/types.ts';
import { withCondition } from './pod.ts';

/** A disruption budget's conditions, with what it allows. `now`: milliseconds since the epoch. */
export function disruptionAllowed(
  conditions: readonly Condition[] | undefined,
  allowed: number,
  generation: number,
  now: number,
): Condition[] {
  return withCondition(conditions, {
    type: 'DisruptionAllowed',
    status: allowed > 0 ? 'True' : 'False',
    reason: allowed > 0 ? 'SufficientPods' : 'InsufficientPods',
    observedGeneration: generation,
    message: '',
    lastTransitionTime: formatTime(now),
  });
}

/** The same, when what it allows can't be known. */
export function disruptionUnknown(
  conditions: readonly Condition[] | undefined,
  why: string,
  generation: number,
  now: number,
): Condition[] {
  return withCondition(conditions, {
    type: 'DisruptionAllowed',
    status: 'False',
    reason: 'SyncFailed',
    observedGeneration: generation,
    message: why,
    lastTransitionTime: formatTime(now),
  });
}
