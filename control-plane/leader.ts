import { setMaxListeners } from 'node:events';
import { backoffMs } from '../shared/backoff.ts';
import type { Clock } from '../shared/clock.ts';
import { ApiError, messageOf } from '../shared/errors.ts';
import type { Log } from '../shared/log.ts';
import type { Random } from '../shared/random.ts';
import type { Liveness, Term } from './liveness/liveness.ts';

/** How often a leader checks that its term holds, in milliseconds. Most terms end by an event before that. */
const lookMs = 500;
/** The backoff after failed work. */
const retry = { firstMs: 200, capMs: 1_500 };

export interface LeaderDeps {
  readonly liveness: Pick<Liveness, 'campaign'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /**
   * This server's name, the same after a restart on the same data directory, which only one process uses at a time: a restarted
   * server leads again at once.
   */
  readonly holder: string;
}

/**
 * Runs `work` in each term of this server as the leader, until aborted. `work`'s signal is aborted at the end of the term, which a
 * busy thread sees late: each write of the leader is checked against the term before it is sent (requireTerm).
 */
export async function lead(
  deps: LeaderDeps,
  work: (term: Term, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { liveness, clock, random, holder } = deps;
  const log = deps.log.child({ component: 'leader' });
  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      await serve(await liveness.campaign(holder, signal));
      attempt = 0;
    } catch (error) {
      if (!signal.aborted) log.warn({ err: messageOf(error) }, 'leading failed');
    }
    await clock.sleep(backoffMs(attempt, retry, random), signal).catch(() => undefined);
  }

  async function serve(term: Term): Promise<void> {
    const leading = new AbortController();
    setMaxListeners(0, leading.signal);
    const stop = (): void => leading.abort(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    log.info({ holder }, 'leading');
    const done = work(term, leading.signal);
    try {
      await Promise.race([done, term.over, endOf(term, leading.signal)]);
    } finally {
      signal.removeEventListener('abort', stop);
      leading.abort(new Error('no longer the leader'));
      // The work ends before another server may begin.
      await done.finally(() => term.resign());
      log.info({ holder }, 'no longer leading');
    }
  }

  async function endOf(term: Term, leading: AbortSignal): Promise<void> {
    while (!leading.aborted && term.holds()) await clock.sleep(lookMs, leading).catch(() => undefined);
  }
}

/** Throws ServiceUnavailable when the term does not hold at this moment. */
export function requireTerm(term: Term): void {
  if (!term.holds()) throw new ApiError('ServiceUnavailable', 'this server does not lead any more');
}
