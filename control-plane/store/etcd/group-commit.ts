import type { Clock } from '../../../shared/clock.ts';
import { ApiError, isApiError, type Reason } from '../../../shared/errors.ts';
import { chunkLength } from '../limits.ts';
import type { Txn, TxnResult } from '../store.ts';

/** Calls under way at a time. Up to here a transaction goes out at once, by itself. */
const maxInFlight = 2;
/** The most transactions that wait. */
const maxQueued = 10_000;
/** The most that are looked at for one call. */
const maxBatch = 64;
/** What a call is given at least, however long its transactions have waited. */
const leastMs = 1000;
/**
 * What the store refuses a call for because of one of its transactions. After any other failure the writes may have been
 * made, and are not sent again.
 */
const faultsOfOne: readonly Reason[] = ['NotFound', 'BadRequest', 'RequestEntityTooLarge', 'InsufficientStorage'];

interface Queued {
  readonly txn: Txn;
  /** By the monotonic clock. */
  readonly deadline: number;
  resolve(result: TxnResult): void;
  reject(error: unknown): void;
}

/**
 * Sends transactions that come while others are under way together, as databases write their logs: a single one is not
 * delayed, and under load a call, a log entry and an fsync are shared by many. Each still holds or fails by itself.
 */
export class GroupCommit {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #send: (txns: readonly Txn[], timeoutMs: number) => Promise<TxnResult[]>;
  #queue: Queued[] = [];
  #inFlight = 0;

  constructor(
    deps: { readonly clock: Clock; readonly timeoutMs: number },
    send: (txns: readonly Txn[], timeoutMs: number) => Promise<TxnResult[]>,
  ) {
    this.#clock = deps.clock;
    this.#timeoutMs = deps.timeoutMs;
    this.#send = send;
  }

  submit(txn: Txn): Promise<TxnResult> {
    if (this.#queue.length >= maxQueued) {
      return Promise.reject(new ApiError('TooManyRequests', 'too many writes wait for the store'));
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ txn, deadline: this.#clock.monotonic() + this.#timeoutMs, resolve, reject });
      this.#pump();
    });
  }

  #pump(): void {
    while (this.#inFlight < maxInFlight && this.#queue.length > 0) {
      const candidates = this.#queue.slice(0, maxBatch);
      const batch = candidates.slice(0, chunkLength(candidates.map(({ txn }) => txn)));
      this.#queue = this.#queue.slice(batch.length);
      const now = this.#clock.monotonic();
      const inTime = batch.filter((queued) => queued.deadline > now);
      for (const queued of batch) {
        if (queued.deadline <= now) queued.reject(new ApiError('Timeout', 'the write waited too long for the store'));
      }
      if (inTime.length > 0) this.#run(inTime, now);
    }
  }

  #run(batch: readonly Queued[], now: number): void {
    this.#inFlight++;
    const oldest = batch[0] as Queued;
    void this.#commit(batch, Math.max(leastMs, oldest.deadline - now)).finally(() => {
      this.#inFlight--;
      this.#pump();
    });
  }

  async #commit(batch: readonly Queued[], timeoutMs: number): Promise<void> {
    try {
      const results = await this.#send(
        batch.map(({ txn }) => txn),
        timeoutMs,
      );
      batch.forEach((queued, i) => {
        queued.resolve(results[i] as TxnResult);
      });
    } catch (error) {
      const own = batch.length > 1 && isApiError(error, ...faultsOfOne);
      // One of them is at fault, and the others were refused with it: nothing was written.
      if (own) await Promise.all(batch.map((queued) => this.#commit([queued], timeoutMs)));
      else for (const queued of batch) queued.reject(error);
    }
  }
}
