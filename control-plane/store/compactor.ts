import { type Clock, pause } from '../../shared/clock.ts';
import { messageOf } from '../../shared/errors.ts';
import type { Log } from '../../shared/log.ts';
import type { Store } from './store.ts';

/** How long history is kept at least: the default of Kubernetes' API servers. */
const defaultKeepMs = 5 * 60_000;

/**
 * Compacts the store's history that is older than `keepMs` (up to twice that), so that it does not grow without bound. Each control
 * plane may run one: the latest of several compactions counts. Never throws.
 */
export async function runCompactor(
  deps: { readonly store: Store; readonly clock: Clock; readonly log: Log; readonly keepMs?: number },
  signal: AbortSignal,
): Promise<void> {
  const { store, clock, log, keepMs = defaultKeepMs } = deps;
  let old = 0;
  while (!signal.aborted) {
    try {
      const { revision } = await store.get('/');
      if (old > 0) await store.compact(old);
      old = revision;
    } catch (error) {
      log.warn({ rev: old, err: messageOf(error) }, 'the store was not compacted');
    }
    await pause(clock, keepMs, signal);
  }
}
