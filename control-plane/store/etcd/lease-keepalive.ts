import type { ClientDuplexStream } from '@grpc/grpc-js';
import type { Etcd3, ILeaseKeepAliveRequest, ILeaseKeepAliveResponse } from 'etcd3';
import type { Clock } from '../../../shared/clock.ts';
import { ApiError } from '../../../shared/errors.ts';
import { closed } from '../limits.ts';
import { toApiError } from './errors.ts';

/** The most pending renewals. */
const maxPending = 20_000;

type KeepAliveStream = ClientDuplexStream<ILeaseKeepAliveRequest, ILeaseKeepAliveResponse>;

interface Waiting {
  resolve(alive: boolean): void;
  reject(error: ApiError): void;
}

/**
 * Renews all leases over one stream, which is opened when first needed and again after it broke. etcd answers a stream's requests in
 * order: an answer belongs to the oldest pending request of its lease.
 */
export class LeaseKeepAlive {
  readonly #client: Etcd3;
  readonly #clock: Clock;
  readonly #waiting = new Map<string, Waiting[]>();
  #pending = 0;
  #stream: Promise<KeepAliveStream> | undefined;
  #closed = false;

  constructor(deps: { readonly client: Etcd3; readonly clock: Clock }) {
    this.#client = deps.client;
    this.#clock = deps.clock;
  }

  /** False when the lease has expired. Throws Timeout without an answer after `timeoutMs`, ServiceUnavailable when the stream broke. */
  async keepAlive(lease: string, timeoutMs: number): Promise<boolean> {
    if (this.#closed) throw closed();
    if (this.#pending >= maxPending) throw new ApiError('TooManyRequests', 'too many lease renewals wait for etcd');
    this.#stream ??= this.#open();
    const opened = this.#stream;
    const stream = await opened;
    return new Promise((resolve, reject) => {
      if (this.#stream !== opened) return reject(new ApiError('ServiceUnavailable', 'the keepalive stream broke'));
      const timer = this.#clock.timer(timeoutMs, () => {
        this.#fail(opened, new ApiError('Timeout', 'etcd did not answer a lease renewal in time'));
        stream.cancel();
      });
      this.#pending++;
      const end = (): void => {
        timer.cancel();
        this.#pending--;
      };
      const waiting: Waiting = {
        resolve: (alive) => {
          end();
          resolve(alive);
        },
        reject: (error) => {
          end();
          reject(error);
        },
      };
      const queue = this.#waiting.get(lease);
      if (queue) queue.push(waiting);
      else this.#waiting.set(lease, [waiting]);
      stream.write({ ID: lease });
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    const opened = this.#stream;
    if (!opened) return;
    this.#fail(opened, closed());
    const stream = await opened.catch(() => undefined);
    stream?.cancel();
  }

  #open(): Promise<KeepAliveStream> {
    const opened: Promise<KeepAliveStream> = this.#client.leaseClient.leaseKeepAlive().then(
      (duplex) => {
        const stream = duplex as unknown as KeepAliveStream;
        stream.on('data', (response: ILeaseKeepAliveResponse) => this.#answer(response));
        stream.on('error', (error: unknown) => this.#fail(opened, toApiError(error)));
        stream.on('end', () => this.#fail(opened, new ApiError('ServiceUnavailable', 'etcd ended the keepalive')));
        return stream;
      },
      (error: unknown) => {
        this.#fail(opened, toApiError(error));
        throw toApiError(error);
      },
    );
    return opened;
  }

  #answer(response: ILeaseKeepAliveResponse): void {
    const lease = String(response.ID);
    const queue = this.#waiting.get(lease);
    const waiting = queue?.shift();
    if (queue?.length === 0) this.#waiting.delete(lease);
    waiting?.resolve(Number(response.TTL) > 0);
  }

  #fail(opened: Promise<KeepAliveStream>, error: ApiError): void {
    if (this.#stream !== opened) return;
    this.#stream = undefined;
    const all = [...this.#waiting.values()].flat();
    this.#waiting.clear();
    for (const waiting of all) waiting.reject(error);
  }
}
