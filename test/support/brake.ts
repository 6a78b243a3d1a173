import { ApiError } from '../../shared/errors.ts';

/** What the brake needs of a batch: the store's, the cache's and the client's have it. */
interface Batch<E> {
  readonly revision: number;
  readonly events: readonly E[];
}

interface Stretch<E> {
  readonly lost: (event: E) => boolean;
}

interface Running {
  readonly ended: AbortController;
  missed: boolean;
}

/**
 * Holds, thins out and ends the watches that pass through it. Without a command it changes nothing.
 *
 *     const release = brake.hold();   // nothing arrives; release() delivers all of it, in order
 *     const end = brake.lose();       // what comes is lost; end() ends the watches that missed something: Expired
 *     brake.cut();                    // running watches break, new ones begin
 *     brake.overrun();                // running watches end: Expired
 *     const open = brake.refuse();    // new watches fail until open()
 */
export class WatchBrake<E> {
  readonly #running = new Set<Running>();
  readonly #holds = new Set<Promise<void>>();
  readonly #stretches = new Set<Stretch<E>>();
  readonly #refusals = new Set<ApiError>();

  /** How many watches run. */
  get running(): number {
    return this.#running.size;
  }

  /** Until the release, watches deliver nothing; they still can be ended. */
  hold(): () => void {
    const { promise, resolve } = latch<void>();
    this.#holds.add(promise);
    return () => {
      this.#holds.delete(promise);
      resolve(undefined);
    };
  }

  /** Matching events (all, when absent) are lost until the end. Without the end the loss stays unnoticed. */
  lose(lost: (event: E) => boolean = () => true): () => void {
    const stretch = { lost };
    this.#stretches.add(stretch);
    return () => {
      this.#stretches.delete(stretch);
      for (const watch of this.#running) if (watch.missed) watch.ended.abort(tooOld());
    };
  }

  /** Ends the running watches with an error. */
  cut(error: ApiError = new ApiError('ServiceUnavailable', 'the brake cut the watch')): void {
    for (const watch of this.#running) watch.ended.abort(error);
  }

  /** Ends the running watches as if what they need next had left the ring or had been compacted. */
  overrun(): void {
    this.cut(tooOld());
  }

  /** New watches fail until the function that comes back is called. */
  refuse(error: ApiError = new ApiError('ServiceUnavailable', 'the brake refused the watch')): () => void {
    this.#refusals.add(error);
    return () => void this.#refusals.delete(error);
  }

  /** One watch, under the brake. */
  async *through<B extends Batch<E>>(open: (signal: AbortSignal) => AsyncIterable<B>, signal: AbortSignal) {
    for (const error of this.#refusals) throw error;
    const watch: Running = { ended: new AbortController(), missed: false };
    const either = AbortSignal.any([signal, watch.ended.signal]);
    this.#running.add(watch);
    try {
      for await (const batch of open(either)) {
        const kept = this.#kept(batch, watch);
        await this.#released(either);
        if (either.aborted) break;
        yield kept;
      }
    } catch (error) {
      if (!watch.ended.signal.aborted) throw error;
    } finally {
      this.#running.delete(watch);
    }
    if (watch.ended.signal.aborted && !signal.aborted) throw watch.ended.signal.reason;
  }

  #kept<B extends Batch<E>>(batch: B, watch: Running): B {
    const events = batch.events.filter((event) => ![...this.#stretches].some(({ lost }) => lost(event)));
    if (events.length === batch.events.length) return batch;
    watch.missed = true;
    return { ...batch, events };
  }

  async #released(signal: AbortSignal): Promise<void> {
    if (this.#holds.size === 0) return;
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    while (this.#holds.size > 0 && !signal.aborted) await Promise.race([...this.#holds, aborted]);
  }
}

export interface WriteFault<W> {
  /** Which writes. Absent: any. */
  readonly match?: (write: W) => boolean;
  /** How many of them; 1 when absent. */
  readonly times?: number;
  /** True: the write is done before its answer is lost or held. */
  readonly applied?: boolean;
}

interface Fault<W> extends WriteFault<W> {
  left: number;
  readonly act: (write: W) => Promise<void> | undefined;
}

/** Fails and holds single writes that pass through it; the commands act on the next ones, in the order they were given. */
export class WriteBrake<W> {
  readonly #faults: Fault<W>[] = [];

  /** The next matching writes throw; with `applied` they were done all the same. */
  fail(fault: WriteFault<W> & { readonly error?: ApiError } = {}): void {
    const { error = new ApiError('Timeout', 'the brake failed the write') } = fault;
    this.#faults.push({ ...fault, left: fault.times ?? 1, act: () => Promise.reject(error) });
  }

  /** The next matching writes wait: `arrived` tells the first of them, `release` lets them go on. */
  hold(fault: WriteFault<W> = {}): { readonly arrived: Promise<W>; release(): void } {
    const { promise: arrived, resolve: arrive } = latch<W>();
    const { promise: released, resolve: release } = latch<void>();
    const act = (write: W): Promise<void> => {
      arrive(write);
      return released;
    };
    this.#faults.push({ ...fault, left: fault.times ?? 1, act });
    return { arrived, release: () => release(undefined) };
  }

  /** Performs writes that go together, under the first fault that concerns one of them. */
  async through<T>(writes: readonly W[], perform: () => Promise<T>): Promise<T> {
    for (const fault of this.#faults) {
      const write = writes.find((one) => fault.match?.(one) ?? true);
      if (fault.left === 0 || write === undefined) continue;
      fault.left--;
      if (!fault.applied) await fault.act(write);
      const result = await perform();
      if (fault.applied) await fault.act(write);
      return result;
    }
    return perform();
  }
}

function tooOld(): ApiError {
  return new ApiError('Expired', 'too old resource version: the brake let it be lost');
}

function latch<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
