import { ApiError } from '../../../shared/errors.ts';
import type { TxnResult } from '../../store/store.ts';
import { Observed } from '../requests/observed.ts';
import { type BatchDeps, commitBatch, type PendingTxn, type Settled } from './batch.ts';

/** The most transactions that wait in one queue. */
const maxWaiting = 5_000;
/** Guards, and writes, of one batch: a transaction of the store has at most 128 of each, those of plugins included. */
const maxTogether = 80;
/** Characters that one batch writes. */
const maxChars = 512 * 1024;

/** Empty queues that are kept, for what they know. */
const maxIdle = 1_000;

interface Waiting {
  readonly pending: PendingTxn;
  readonly settle: (settled: Settled) => void;
}

interface Queue {
  readonly waiting: Waiting[];
  /** What the last batches left: newer than the cache may show. */
  readonly shared: Observed;
  running: boolean;
}

/**
 * Commits transactions that all write one key, such as a namespace's quota, one batch after another: concurrent ones would refuse each
 * other. Transactions that come while a batch is under way go into the next one. Correctness rests on guards, not on queues: other
 * servers write the same keys.
 */
export class CommitQueues {
  readonly #deps: BatchDeps;
  /** The one that has been idle for longest comes first. */
  readonly #queues = new Map<string, Queue>();

  constructor(deps: BatchDeps) {
    this.#deps = deps;
  }

  async commit(name: string, pending: PendingTxn): Promise<TxnResult> {
    pending.signal.throwIfAborted();
    const settled = await new Promise<Settled>((settle) => {
      const queue = this.#queues.get(name) ?? { waiting: [], shared: new Observed(), running: false };
      if (queue.waiting.length < maxWaiting) {
        queue.waiting.push({ pending, settle });
        if (!queue.running) void this.#run(name, queue);
      } else {
        const why = 'too many requests wait for the same object';
        settle({ error: new ApiError('TooManyRequests', why, { retryAfterSeconds: 1 }) });
      }
    });
    if ('error' in settled) throw settled.error;
    return settled;
  }

  /** Until the queue is empty. */
  async #run(name: string, queue: Queue): Promise<void> {
    const { waiting, shared } = queue;
    queue.running = true;
    this.#queues.set(name, queue);
    while (waiting.length > 0) {
      const batch = waiting.splice(0, batchLength(waiting));
      const txns = batch.map(({ pending }) => pending);
      const settled = await commitBatch(this.#deps, txns, shared).catch((error: unknown) =>
        txns.map((): Settled => ({ error })),
      );
      for (const [at, { settle }] of batch.entries()) settle(settled[at] ?? { error: new Error('not settled') });
    }
    queue.running = false;
    this.#queues.delete(name);
    this.#queues.set(name, queue);
    this.#dropIdle();
  }

  #dropIdle(): void {
    for (const [name, { running }] of this.#queues) {
      if (this.#queues.size <= maxIdle) return;
      if (!running) this.#queues.delete(name);
    }
  }
}

/** How many of the queue go into the next batch; at least one. */
function batchLength(queue: readonly Waiting[]): number {
  const sum = { chars: 0, guards: 0, writes: 0 };
  for (const [count, { pending }] of queue.entries()) {
    const { guards, writes } = pending.txn;
    for (const write of writes) if (write.type === 'put') sum.chars += write.value.length;
    sum.guards += guards.length;
    sum.writes += writes.length;
    if (count > 0 && (Math.max(sum.guards, sum.writes) > maxTogether || sum.chars > maxChars)) return count;
  }
  return queue.length;
}
