import type { Reason } from '../../shared/errors.ts';
import type { ServerTls } from '../../shared/rpc/server-credentials.ts';
import type { NodeSessionLease } from './liveness.ts';
import type { ServerIdentity } from './server-lease.ts';

/** The messages between the main thread and the liveness thread: Liveness as calls and answers. */

/** To the liveness thread. Each `call` is answered once, by its number. */
export type ToThread =
  | { readonly type: 'listen'; readonly call: number; readonly address: string }
  | { readonly type: 'open'; readonly call: number; readonly session: NodeSessionLease }
  | { readonly type: 'announce'; readonly call: number; readonly server: ServerIdentity }
  /** The call's number names the term as well. */
  | { readonly type: 'campaign'; readonly call: number; readonly holder: string }
  | { readonly type: 'resign'; readonly call: number; readonly term: number }
  | { readonly type: 'stop'; readonly call: number }
  | { readonly type: 'cancel'; readonly campaign: number }
  | { readonly type: 'close'; readonly session: string }
  | { readonly type: 'deleted'; readonly session: string }
  | { readonly type: 'tls'; readonly tls: ServerTls };

export type FromThread =
  /** `value`: the port of `listen`, the revision of `open`. */
  | { readonly type: 'answer'; readonly call: number; readonly value?: number }
  | { readonly type: 'failed'; readonly call: number; readonly reason: Reason; readonly message: string }
  | { readonly type: 'expired'; readonly session: string; readonly reason: string }
  | { readonly type: 'over'; readonly term: number }
  | { readonly type: 'observed'; readonly calls: readonly ObservedCall[] };

/** One end: a Worker, a parent port, or a port of a MessageChannel. */
export interface ThreadPort<In, Out> {
  on(event: 'message', listener: (message: In) => void): unknown;
  postMessage(message: Out): void;
}

/** A call to etcd: its operation, whether it succeeded, and its duration in seconds. */
export type ObservedCall = readonly [operation: string, ok: boolean, seconds: number];

/** How often each thread records that its event loop runs, in milliseconds. */
export const aliveIntervalMs = 1_000;

/**
 * Times that both threads read and write without a message, in whole milliseconds of the process' monotonic clock
 * (processMonotonic).
 */
export class SharedTimes {
  readonly buffer: SharedArrayBuffer;
  readonly #cells: BigInt64Array;

  constructor(buffer = new SharedArrayBuffer(3 * BigInt64Array.BYTES_PER_ELEMENT)) {
    this.buffer = buffer;
    this.#cells = new BigInt64Array(buffer);
  }

  /** When the main thread's event loop last ran. */
  get mainAliveAt(): number {
    return this.#get(0);
  }
  set mainAliveAt(at: number) {
    this.#set(0, at);
  }

  /** When the liveness thread's event loop last ran. */
  get livenessAliveAt(): number {
    return this.#get(1);
  }
  set livenessAliveAt(at: number) {
    this.#set(1, at);
  }

  /** Until when this server leads. */
  get leadsUntil(): number {
    return this.#get(2);
  }
  set leadsUntil(at: number) {
    this.#set(2, at);
  }

  #get(cell: number): number {
    return Number(Atomics.load(this.#cells, cell));
  }

  #set(cell: number, ms: number): void {
    Atomics.store(this.#cells, cell, BigInt(Math.floor(ms)));
  }
}
