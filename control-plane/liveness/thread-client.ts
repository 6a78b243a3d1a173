import { type Clock, pause, type Timer } from '../../shared/clock.ts';
import { ApiError } from '../../shared/errors.ts';
import type { ServerTls } from '../../shared/rpc/server-credentials.ts';
import type { ObserveStore } from '../store/metrics.ts';
import { type Liveness, maxStallMs, type NodeSessionLease, type Term } from './liveness.ts';
import type { ServerIdentity } from './server-lease.ts';
import {
  aliveIntervalMs,
  type FromThread,
  type SharedTimes,
  type ThreadPort,
  type ToThread,
} from './thread-messages.ts';

export interface ThreadClientDeps {
  readonly port: ThreadPort<FromThread, ToThread>;
  readonly times: SharedTimes;
  /** Monotonic milliseconds, the same in both threads. */
  readonly now: () => number;
  readonly clock: Clock;
  /** Called once, when the liveness thread has exited or stalled. */
  readonly failed: (error: Error) => void;
  /** Called for each call to etcd that the liveness thread has made. */
  readonly observe?: ObserveStore;
}

interface Call {
  resolve(value: number | undefined): void;
  reject(error: unknown): void;
}

/** How long the liveness thread may take to stop, in milliseconds. */
const stopMs = 3_000;

/** Liveness in the main thread: calls the liveness thread. */
export class ThreadClient implements Liveness {
  readonly #deps: ThreadClientDeps;
  readonly #calls = new Map<number, Call>();
  readonly #expired = new Map<string, (reason: string) => void>();
  readonly #terms = new Map<number, () => void>();
  #next = 1;
  #aliveTimer: Timer | undefined;
  /** Intervals of this thread in which the liveness thread's event loop did not run. */
  #missed = 0;
  #ended = false;

  constructor(deps: ThreadClientDeps) {
    this.#deps = deps;
    deps.port.on('message', (message) => this.#take(message));
    this.#recordAlive(deps.times.livenessAliveAt);
  }

  listen(address: string): Promise<number> {
    return this.#number((call) => ({ type: 'listen', call, address }));
  }

  replaceTls(tls: ServerTls): void {
    this.#send({ type: 'tls', tls });
  }

  async open(session: NodeSessionLease, expired: (reason: string) => void): Promise<number> {
    this.#expired.set(session.id, expired);
    try {
      return await this.#number((call) => ({ type: 'open', call, session }));
    } catch (error) {
      this.#expired.delete(session.id);
      throw error;
    }
  }

  close(session: string): void {
    if (this.#expired.delete(session)) this.#send({ type: 'close', session });
  }

  leaseDeleted(session: string): void {
    this.#send({ type: 'deleted', session });
  }

  async announce(server: ServerIdentity): Promise<void> {
    await this.#call((call) => ({ type: 'announce', call, server }));
  }

  async campaign(holder: string, signal: AbortSignal): Promise<Term> {
    signal.throwIfAborted();
    const { times, now } = this.#deps;
    const campaign = this.#next++;
    let end: () => void = () => undefined;
    const over = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#terms.set(campaign, end);
    const cancel = (): void => this.#send({ type: 'cancel', campaign });
    signal.addEventListener('abort', cancel, { once: true });
    const resign = async (): Promise<void> => {
      if (!this.#terms.has(campaign)) return;
      await this.#call((call) => ({ type: 'resign', call, term: campaign })).catch(() => undefined);
    };
    try {
      await this.#call((call) => ({ type: 'campaign', call, holder }), campaign);
    } catch (error) {
      this.#terms.delete(campaign);
      throw signal.aborted ? signal.reason : error;
    } finally {
      signal.removeEventListener('abort', cancel);
    }
    if (signal.aborted) {
      await resign();
      throw signal.reason;
    }
    return { over, resign, holds: () => this.#terms.has(campaign) && now() < times.leadsUntil };
  }

  async stop(): Promise<void> {
    const { clock } = this.#deps;
    const deadline = new AbortController();
    const stopping = this.#call((call) => ({ type: 'stop', call })).catch(() => undefined);
    await Promise.race([stopping, pause(clock, stopMs, deadline.signal)]);
    deadline.abort();
    this.end();
  }

  /** The thread has exited: fails all calls and ends all terms. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#aliveTimer?.cancel();
    this.#deps.times.leadsUntil = 0;
    for (const { reject } of this.#calls.values()) reject(gone());
    this.#calls.clear();
    for (const over of this.#terms.values()) over();
    this.#terms.clear();
  }

  #send(message: ToThread): void {
    if (!this.#ended) this.#deps.port.postMessage(message);
  }

  async #number(message: (call: number) => ToThread): Promise<number> {
    const value = await this.#call(message);
    if (value === undefined) throw new ApiError('InternalError', 'the liveness thread has answered without a number');
    return value;
  }

  #call(message: (call: number) => ToThread, call = this.#next++): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#ended) return reject(gone());
      this.#calls.set(call, { resolve, reject });
      this.#send(message(call));
    });
  }

  #take(message: FromThread): void {
    switch (message.type) {
      case 'answer':
        this.#calls.get(message.call)?.resolve(message.value);
        this.#calls.delete(message.call);
        return;
      case 'failed':
        this.#calls.get(message.call)?.reject(new ApiError(message.reason, message.message));
        this.#calls.delete(message.call);
        return;
      case 'expired':
        this.#expired.get(message.session)?.(message.reason);
        this.#expired.delete(message.session);
        return;
      case 'over':
        this.#terms.get(message.term)?.();
        this.#terms.delete(message.term);
        return;
      case 'observed':
        for (const [operation, ok, seconds] of message.calls) this.#deps.observe?.(operation, ok, seconds);
    }
  }

  /** Records that this event loop runs, and checks that of the liveness thread. `before`: when that last ran. */
  #recordAlive(before: number): void {
    const { times, now, clock, failed } = this.#deps;
    times.mainAliveAt = now();
    const ran = times.livenessAliveAt;
    // Counted in intervals of this thread: after a stop of the whole process both are late.
    this.#missed = ran === before ? this.#missed + 1 : 0;
    if (this.#missed * aliveIntervalMs >= maxStallMs) {
      this.end();
      failed(new Error('the liveness thread has stalled'));
      return;
    }
    this.#aliveTimer = clock.timer(aliveIntervalMs, () => this.#recordAlive(ran));
  }
}

function gone(): ApiError {
  return new ApiError('ServiceUnavailable', 'the liveness thread has ended');
}
