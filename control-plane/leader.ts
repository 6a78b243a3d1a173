import { setMaxListeners } from 'node:events';
import { backoffMs } from '../shared/backoff.ts';
import type { Clock } from '../shared/clock.ts';
import { ApiError, messageOf } from '../shared/errors.ts';
import type { Log } from '../shared/log.ts';
import type { Random } from '../shared/random.ts';
import type { Liveness, Term } from './liveness/liveness.ts';

/** How often a leader looks whether its term still holds, in milliseconds; most ends reach it earlier, as events. */
const lookMs = 500;
/** After work that failed. */
const retry = { firstMs: 200, capMs: 1_500 };

export interface LeaderDeps {
  readonly liveness: Pick<Liveness, 'campaign'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /**
   * Who we are. The same after a restart on the same data directory, which only one process uses at a time: so a restarted
   * server leads on at once.
   */
  readonly holder: string;
}

/**
 * Runs `work` while this process is the one leader, again and again, until aborted. `work`'s signal is aborted when the term is
 * over, which a busy thread sees late: what only a leader may write is checked against the term before it is sent (requireTerm).
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
      // The work ends before another may begin.
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
