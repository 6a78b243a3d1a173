import type { Clock } from '../../../shared/clock.ts';
import { ApiError, isApiError, type Reason } from '../../../shared/errors.ts';
import { chunkLength } from '../limits.ts';
import type { Txn, TxnResult } from '../store.ts';

/** The most concurrent calls. Below it a transaction is sent at once, alone. */
const maxInFlight = 2;
/** The most waiting transactions. */
const maxQueued = 10_000;
/** The most transactions of one call. */
const maxBatch = 64;
/** The least timeout of a call, however long its transactions have waited. */
const leastMs = 1000;
/**
 * Failures that one transaction of a call causes: nothing was written, and the others are sent again. After any other failure the
 * writes may have happened.
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
 * Sends concurrent transactions together, as databases group their commits: a single one is not delayed, and under load many share
 * a call, a log entry and an fsync. Each still holds or fails by itself.
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
      // One transaction is at fault, and the store refused all: nothing was written.
      if (own) await Promise.all(batch.map((queued) => this.#commit([queued], timeoutMs)));
      else for (const queued of batch) queued.reject(error);
    }
  }
}
