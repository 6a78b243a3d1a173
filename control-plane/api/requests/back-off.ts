import { backoffMs } from '../../../shared/backoff.ts';
import type { Clock } from '../../../shared/clock.ts';
import type { Random } from '../../../shared/random.ts';

/** After this many refused transactions in a row a write waits before it tries again. */
const eagerTries = 3;
const wait = { firstMs: 1, capMs: 50 };

export interface BackOffDeps {
  readonly clock: Pick<Clock, 'sleep'>;
  readonly random: Random;
}

/** Waits after a refused transaction: not at first, then longer and longer. `attempt`: from 0. Throws when the signal aborts. */
export async function backOff({ clock, random }: BackOffDeps, attempt: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  if (attempt >= eagerTries) await clock.sleep(backoffMs(attempt - eagerTries, wait, random), signal);
}
