import type { Reason } from '../../shared/errors.ts';
import type { ServerTls } from '../../shared/rpc/server-credentials.ts';
import type { NodeSessionLease } from './liveness.ts';
import type { ServerIdentity } from './server-lease.ts';

/** What the thread that serves requests and the liveness thread say to each other: Liveness, as messages. */

/** To the liveness thread. Each `call` is answered once, by its number. */
export type ToThread =
  | { readonly type: 'listen'; readonly call: number; readonly address: string }
  | { readonly type: 'open'; readonly call: number; readonly session: NodeSessionLease }
  | { readonly type: 'announce'; readonly call: number; readonly server: ServerIdentity }
  /** Its number is that of the term, too. */
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
  | { readonly type: 'silent'; readonly session: string; readonly reason: string }
  | { readonly type: 'over'; readonly term: number }
  | { readonly type: 'observed'; readonly calls: readonly ObservedCall[] };

/** One end of the two: a Worker, a parent's port, or that of a MessageChannel. */
export interface ThreadPort<In, Out> {
  on(event: 'message', listener: (message: In) => void): unknown;
  postMessage(message: Out): void;
}

/** A call to etcd: its operation, whether it went well, and how long it took in seconds. */
export type ObservedCall = readonly [operation: string, ok: boolean, seconds: number];

/** How often each of the two threads shows that its loop runs, in milliseconds. */
export const beatMs = 1_000;

/**
 * What both threads see at any moment, without waiting for a message: times in whole milliseconds of the process' monotonic clock
 * (processMonotonic).
 */
export class SharedTimes {
  readonly buffer: SharedArrayBuffer;
  readonly #cells: BigInt64Array;

  constructor(buffer = new SharedArrayBuffer(3 * BigInt64Array.BYTES_PER_ELEMENT)) {
    this.buffer = buffer;
    this.#cells = new BigInt64Array(buffer);
  }

  /** When the loop of the thread that serves requests last ran. */
  get mainRan(): number {
    return this.#get(0);
  }
  set mainRan(at: number) {
    this.#set(0, at);
  }

  /** When the liveness thread's did. */
  get threadRan(): number {
    return this.#get(1);
  }
  set threadRan(at: number) {
    this.#set(1, at);
  }

  /** Until when this server surely leads. */
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
