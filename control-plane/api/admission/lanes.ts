import { backoffMs } from '../../../shared/backoff.ts';
import { ApiError } from '../../../shared/errors.ts';
import type { TxnResult } from '../../store/store.ts';
import type { WriteCore } from '../requests/write-core.ts';
import { commitTogether, type Entry, type Settled } from './charges.ts';
import { Known } from './known.ts';

/** The most requests that wait in one lane. */
const maxWaiting = 5_000;
/** How many guards, and how many writes, go together: a transaction of the store has 128 of each, those of the plugins included. */
const together = 80;
/** Characters of what they write. */
const maxChars = 512 * 1024;

const eagerTries = 3;
const wait = { firstMs: 1, capMs: 50 };

interface Waiting {
  readonly entry: Entry;
  readonly settle: (settled: Settled) => void;
}

/**
 * Transactions that all write one key (a namespace's quotas) would lose the race for it to each other. Here they go together, those that came
 * while others were under way, and each is decided on what the one before it leaves behind. Correctness does not hang on it: guards see to
 * that, between processes too.
 */
export class Lanes {
  readonly #lanes = new Map<string, Waiting[]>();

  async commit(core: WriteCore, name: string, entry: Entry): Promise<TxnResult> {
    entry.signal.throwIfAborted();
    const settled = await new Promise<Settled>((settle) => {
      const lane = this.#lanes.get(name);
      if (!lane) {
        const waiting = [{ entry, settle }];
        this.#lanes.set(name, waiting);
        void this.#run(core, name, waiting);
      } else if (lane.length < maxWaiting) {
        lane.push({ entry, settle });
      } else {
        const why = 'too many requests wait for the same object';
        settle({ error: new ApiError('TooManyRequests', why, { retryAfterSeconds: 1 }) });
      }
    });
    if ('error' in settled) throw settled.error;
    return settled;
  }

  /** Before another try: none at first, then a little, more and more. */
  async pause({ clock, random }: WriteCore, attempt: number): Promise<void> {
    if (attempt >= eagerTries) await clock.sleep(backoffMs(attempt - eagerTries, wait, random));
  }

  /** Until nobody waits. */
  async #run(core: WriteCore, name: string, waiting: Waiting[]): Promise<void> {
    // What the last transactions left behind: newer than the cache can show it.
    const known = new Known();
    while (waiting.length > 0) {
      const batch = waiting.splice(0, batchLength(waiting));
      const entries = batch.map(({ entry }) => entry);
      const settled = await commitTogether(core, entries, known).catch((error: unknown) =>
        entries.map((): Settled => ({ error })),
      );
      for (const [at, { settle }] of batch.entries()) settle(settled[at] ?? { error: new Error('not settled') });
    }
    this.#lanes.delete(name);
  }
}

function batchLength(waiting: readonly Waiting[]): number {
  const sum = { chars: 0, guards: 0, writes: 0 };
  for (const [count, { entry }] of waiting.entries()) {
    const { guards, writes } = entry.txn;
    for (const write of writes) if (write.type === 'put') sum.chars += write.value.length;
    sum.guards += guards.length;
    sum.writes += writes.length;
    if (count > 0 && (Math.max(sum.guards, sum.writes) > together || sum.chars > maxChars)) return count;
  }
  return waiting.length;
}
