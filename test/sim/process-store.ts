import type { Store, StoreBatch, StoreEvent, Txn, TxnResult } from '../../control-plane/store/store.ts';
import type { Clock } from '../../shared/clock.ts';
import { ApiError } from '../../shared/errors.ts';
import { fraction, type Random } from '../../shared/random.ts';
import { WatchBrake } from '../support/brake.ts';
import { byRevision, revisionOf } from './history.ts';

/** The deadline of a call to etcd. */
const deadlineMs = 5_000;

/** What goes wrong between one server and the store, as it is now. */
export interface StoreWeather {
  /** Up to so many milliseconds pass before a call takes effect, and again before its answer comes. */
  delayMs: number;
  /** The share of the calls that fail before they take effect. */
  failing: number;
  /** The share of the writes that take effect and are answered with an error. */
  unanswered: number;
  /** Up to so many milliseconds pass before a watch shows the next revision: what is seen lags behind, by one revision after the other. */
  watchDelayMs: number;
  /** Calls do not come through, and end by their deadline. */
  cut: boolean;
}

export const fairWeather: Readonly<StoreWeather> = {
  delayMs: 0,
  failing: 0,
  unanswered: 0,
  watchDelayMs: 0,
  cut: false,
};

export interface ProcessStoreDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  /** Called in the same turn in which the store took a write. */
  readonly wrote: (revision: number, unanswered: boolean) => void;
}

/**
 * The store as one server's process reaches it. Once it is severed, as the process died, nothing of that process reaches the store
 * any more, and nothing comes back.
 */
export class ProcessStore implements Store {
  readonly #deps: ProcessStoreDeps;
  readonly #dead: AbortSignal;
  readonly weather: StoreWeather = { ...fairWeather };
  readonly watches = new WatchBrake<StoreEvent>();

  constructor(deps: ProcessStoreDeps, dead: AbortSignal) {
    this.#deps = deps;
    this.#dead = dead;
  }

  get: Store['get'] = (key) => this.#read(() => this.#deps.store.get(key));
  list: Store['list'] = (prefix, options) => this.#read(() => this.#deps.store.list(prefix, options));
  grantLease: Store['grantLease'] = (ttl) => this.#read(() => this.#deps.store.grantLease(ttl));
  keepAlive: Store['keepAlive'] = (lease) => this.#read(() => this.#deps.store.keepAlive(lease));
  revokeLease: Store['revokeLease'] = (lease) => this.#read(() => this.#deps.store.revokeLease(lease));
  compact: Store['compact'] = (revision) => this.#read(() => this.#deps.store.compact(revision));
  close: Store['close'] = async () => undefined;

  async txn(txn: Txn): Promise<TxnResult> {
    return (await this.#write(async () => [await this.#deps.store.txn(txn)]))[0] as TxnResult;
  }

  txns(txns: readonly Txn[]): Promise<TxnResult[]> {
    return this.#write(() => this.#deps.store.txns(txns));
  }

  watch(prefix: string, from: number, signal: AbortSignal): AsyncIterable<StoreBatch> {
    const open = (until: AbortSignal) => this.#slowly(this.#deps.store.watch(prefix, from, until), until);
    return this.watches.through(open, AbortSignal.any([this.#dead, signal]));
  }

  async *#slowly(batches: AsyncIterable<StoreBatch>, signal: AbortSignal): AsyncIterable<StoreBatch> {
    for await (const batch of batches) {
      if (this.weather.watchDelayMs === 0) {
        yield batch;
        continue;
      }
      for (const events of byRevision(batch.events)) {
        await this.#sleep(this.weather.watchDelayMs * fraction(this.#deps.random), signal);
        if (signal.aborted) return;
        yield { revision: revisionOf(events[0] as StoreEvent), events };
      }
      yield { revision: batch.revision, events: [] };
    }
  }

  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (ms > 0) await this.#deps.clock.sleep(ms, signal).catch(() => undefined);
  }

  async #read<T>(call: () => Promise<T>): Promise<T> {
    await this.#arrive();
    const answer = await call();
    await this.#return();
    return answer;
  }

  async #write(call: () => Promise<TxnResult[]>): Promise<TxnResult[]> {
    await this.#arrive();
    const unanswered = this.#happens(this.weather.unanswered);
    const results = await call();
    for (const result of results) if (result.ok) this.#deps.wrote(result.revision, unanswered);
    await this.#return();
    if (unanswered) throw new ApiError('ServiceUnavailable', 'the connection to the store broke');
    return results;
  }

  async #arrive(): Promise<void> {
    this.#live();
    await this.#delay();
    if (this.weather.cut) {
      await this.#deps.clock.sleep(deadlineMs);
      throw new ApiError('Timeout', 'the store did not answer in time');
    }
    this.#live();
    if (this.#happens(this.weather.failing)) throw new ApiError('ServiceUnavailable', 'the store cannot be reached');
  }

  async #return(): Promise<void> {
    await this.#delay();
    this.#live();
  }

  async #delay(): Promise<void> {
    const { delayMs } = this.weather;
    if (delayMs > 0) await this.#deps.clock.sleep(delayMs * fraction(this.#deps.random) ** 3);
  }

  #happens(share: number): boolean {
    return share > 0 && fraction(this.#deps.random) < share;
  }

  #live(): void {
    if (this.#dead.aborted) throw new ApiError('ServiceUnavailable', 'the process is dead');
  }
}
