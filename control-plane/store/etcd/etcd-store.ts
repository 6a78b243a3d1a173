import type { CallOptions } from '@grpc/grpc-js';
import type { Etcd3, ICompare, IKeyValue, IRangeResponse, IRequestOp, IResponseOp, ITxnRequest } from 'etcd3';
import { backoffMs } from '../../../shared/backoff.ts';
import { type Clock, pause } from '../../../shared/clock.ts';
import { isApiError, messageOf } from '../../../shared/errors.ts';
import type { Log } from '../../../shared/log.ts';
import type { Random } from '../../../shared/random.ts';
import { checkTxn, chunkTxns, closed, compacted, tooLarge } from '../limits.ts';
import type { ObserveStore } from '../metrics.ts';
import type { Item, ListOptions, Page, Store, StoreBatch, Txn, TxnResult } from '../store.ts';
import { createEtcdClient, type EtcdEndpoint, type EtcdTls, prefixEnd } from './client.ts';
import { isFutureRevision, mayRetry, toApiError } from './errors.ts';
import { GroupCommit } from './group-commit.ts';
import { LeaseKeepAlive } from './lease-keepalive.ts';
import { watchOnce } from './watch.ts';

/** The deadline of a call with its retries. */
const defaultTimeoutMs = 5000;
/** The backoff between the tries of one call. */
const callRetry = { firstMs: 20, capMs: 500 };
/** The backoff between the streams of one watch. */
const watchRetry = { firstMs: 20, capMs: 2000 };
/** The keys of a list's first range request, and the most of any: etcd has no limit by size. */
const rangePages = { first: 16, most: 256 };
/** Each further range requests as many keys as have about so many characters. */
const rangeSize = 4 * 1024 * 1024;

export interface EtcdStoreDeps {
  readonly endpoints: readonly EtcdEndpoint[];
  readonly tls?: EtcdTls;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The deadline of a call, in milliseconds. */
  readonly timeoutMs?: number;
  readonly observe?: ObserveStore;
  /** Absent: one for these endpoints. */
  readonly client?: Etcd3;
}

/** Reads may be retried, writes only if they were never sent. */
const operations = {
  get: 'read',
  list: 'read',
  txn: 'write',
  leaseGrant: 'write',
  leaseKeepAlive: 'read',
  leaseRevoke: 'write',
  compact: 'read',
} as const;

/** The store in etcd (3.4 and later), over the raw clients of the etcd3 package. */
export class EtcdStore implements Store {
  readonly #deps: EtcdStoreDeps;
  readonly #client: Etcd3;
  readonly #keepAlive: LeaseKeepAlive;
  readonly #timeoutMs: number;
  readonly #commits: GroupCommit;
  readonly #closing = new AbortController();

  constructor(deps: EtcdStoreDeps) {
    this.#deps = deps;
    this.#client = deps.client ?? createEtcdClient(deps.endpoints, deps.tls);
    this.#keepAlive = new LeaseKeepAlive({ client: this.#client, clock: deps.clock });
    this.#timeoutMs = deps.timeoutMs ?? defaultTimeoutMs;
    const commitDeps = { clock: deps.clock, timeoutMs: this.#timeoutMs };
    this.#commits = new GroupCommit(commitDeps, (txns, timeoutMs) => this.#commit(txns, timeoutMs));
  }

  async get(key: string): Promise<{ item?: Item; revision: number }> {
    const answer = await this.#call('get', (options) => this.#client.kv.range({ key: Buffer.from(key) }, options));
    const kv = answer.kvs[0];
    return { item: kv && toItem(kv), revision: Number(answer.header.revision) };
  }

  async list(prefix: string, options: ListOptions = {}): Promise<Page> {
    const items: Item[] = [];
    const wanted = options.limit || Number.POSITIVE_INFINITY;
    let { after } = options;
    let revision = options.revision || 0;
    let remaining = 0;
    let size = 0;
    let page = rangePages.first;
    do {
      const request = {
        key: Buffer.from(after !== undefined && after >= prefix ? `${after}\0` : prefix),
        range_end: prefixEnd(prefix),
        limit: Math.min(page, wanted - items.length),
        revision,
      };
      let answer: IRangeResponse;
      try {
        answer = await this.#call('list', (call) => this.#client.kv.range(request, call), revision);
      } catch (error) {
        if (request.limit === 1 || !isApiError(error, 'RequestEntityTooLarge')) throw error;
        page = Math.ceil(request.limit / 2);
        remaining = 1;
        continue;
      }
      revision ||= Number(answer.header.revision);
      let answered = 0;
      for (const kv of answer.kvs) {
        const item = toItem(kv);
        items.push(item);
        answered += item.value.length;
      }
      remaining = answer.kvs.length === 0 ? 0 : Number(answer.count) - answer.kvs.length;
      after = items.at(-1)?.key;
      size += answered;
      const fitting = Math.floor((rangeSize * answer.kvs.length) / Math.max(1, answered));
      page = Math.max(1, Math.min(2 * page, rangePages.most, fitting));
    } while (remaining > 0 && items.length < wanted && size < (options.size ?? Number.POSITIVE_INFINITY));
    return { items, revision, remaining };
  }

  /** Concurrent transactions share a call, and so a revision (see GroupCommit). */
  async txn(txn: Txn): Promise<TxnResult> {
    checkTxn(txn);
    if (this.#closing.signal.aborted) throw closed();
    return this.#commits.submit(txn);
  }

  async txns(txns: readonly Txn[]): Promise<TxnResult[]> {
    for (const txn of txns) checkTxn(txn);
    const results: TxnResult[] = [];
    for (const chunk of chunkTxns(txns)) results.push(...(await this.#commit(chunk)));
    return results;
  }

  async *watch(prefix: string, from: number, signal: AbortSignal): AsyncIterable<StoreBatch> {
    const { clock, random, log } = this.#deps;
    const closing = this.#closing.signal;
    const either = AbortSignal.any([signal, closing]);
    let place = from;
    for (let attempt = 0; !either.aborted; attempt++) {
      try {
        for await (const batch of watchOnce({ client: this.#client, clock }, prefix, place, either)) {
          place = batch.revision;
          attempt = 0;
          yield batch;
        }
      } catch (error) {
        if (either.aborted) break;
        const failure = toApiError(error);
        if (failure.reason === 'Expired') throw failure;
        log.warn({ rev: place, err: messageOf(failure) }, 'the watch broke; it goes on where it was');
        await pause(clock, backoffMs(attempt, watchRetry, random), either);
      }
    }
    if (!signal.aborted) throw closed();
  }

  async grantLease(ttlSeconds: number): Promise<string> {
    const answer = await this.#call('leaseGrant', (options) =>
      this.#client.leaseClient.leaseGrant({ TTL: ttlSeconds }, options),
    );
    return answer.ID;
  }

  async keepAlive(lease: string): Promise<boolean> {
    return this.#call('leaseKeepAlive', (_options, leftMs) => this.#keepAlive.keepAlive(lease, leftMs));
  }

  async revokeLease(lease: string): Promise<void> {
    try {
      await this.#call('leaseRevoke', (options) => this.#client.leaseClient.leaseRevoke({ ID: lease }, options));
    } catch (error) {
      if (!isApiError(error, 'NotFound')) throw error;
    }
  }

  async compact(revision: number): Promise<void> {
    try {
      await this.#call('compact', (options) => this.#client.kv.compact({ revision }, options), revision);
    } catch (error) {
      if (!isApiError(error, 'Expired')) throw error;
    }
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    await this.#keepAlive.close();
    this.#client.close();
  }

  /** One transaction, or one of nested ones. */
  async #commit(chunk: readonly Txn[], timeoutMs = this.#timeoutMs): Promise<TxnResult[]> {
    const [only] = chunk;
    const single = chunk.length === 1 && only !== undefined;
    const request = single ? toRequest(only) : { success: chunk.map((txn) => ({ request_txn: toRequest(txn) })) };
    const answer = await this.#call('txn', (options) => this.#client.kv.txn(request, options), 0, timeoutMs);
    const revision = Number(answer.header.revision);
    if (single) return [toResult(answer, revision)];
    return answer.responses.map(({ response_txn: nested }) => toResult(nested, revision));
  }

  /**
   * One call within its deadline. While etcd cannot be reached it is retried: a read always, a write only while it
   * has surely not been sent. `revision`: the requested one, for the error's message.
   */
  async #call<T>(
    operation: keyof typeof operations,
    run: (options: CallOptions, leftMs: number) => Promise<T>,
    revision = 0,
    timeoutMs = this.#timeoutMs,
  ): Promise<T> {
    const { clock, random, observe } = this.#deps;
    const started = clock.monotonic();
    const end = started + timeoutMs;
    const ended = (ok: boolean) => observe?.(operation, ok, (clock.monotonic() - started) / 1000);
    for (let attempt = 0; ; attempt++) {
      if (this.#closing.signal.aborted) throw closed();
      const left = end - clock.monotonic();
      try {
        const answer = await run({ deadline: clock.now() + left }, left);
        ended(true);
        return answer;
      } catch (error) {
        if (this.#closing.signal.aborted) throw closed();
        const wait = backoffMs(attempt, callRetry, random);
        if (!mayRetry(error, operations[operation]) || clock.monotonic() + wait >= end) {
          ended(false);
          throw await this.#failure(error, revision);
        }
        await clock.sleep(wait);
      }
    }
  }

  async #failure(error: unknown, revision: number): Promise<Error> {
    const failure = toApiError(error);
    if (revision && failure.reason === 'Expired') return compacted(revision);
    if (revision && isFutureRevision(failure)) return tooLarge(revision, (await this.get('/')).revision);
    return failure;
  }
}

function toItem(kv: IKeyValue): Item {
  return {
    key: kv.key.toString(),
    value: kv.value.toString(),
    revision: Number(kv.mod_revision),
    created: Number(kv.create_revision),
  };
}

/** When a guard fails, the transaction reads the guarded keys atomically with it. */
function toRequest(txn: Txn): ITxnRequest {
  const compare: ICompare[] = txn.guards.map((guard) => ({
    target: 'Mod',
    result: 'Equal',
    key: Buffer.from(guard.key),
    mod_revision: guard.revision,
  }));
  const success: IRequestOp[] = txn.writes.map((write) => {
    const key = Buffer.from(write.key);
    if (write.type === 'delete') return { request_delete_range: { key } };
    const value = Buffer.from(write.value);
    return {
      request_put: write.keepLease ? { key, value, ignore_lease: true } : { key, value, lease: write.lease ?? 0 },
    };
  });
  const failure: IRequestOp[] = txn.guards.map((guard) => ({ request_range: { key: Buffer.from(guard.key) } }));
  return { compare, success, failure };
}

function toResult(answer: { succeeded: boolean; responses: IResponseOp[] }, revision: number): TxnResult {
  if (answer.succeeded) return { ok: true, revision };
  const current = new Map<string, Item>();
  for (const { response_range: range } of answer.responses) {
    for (const kv of range.kvs) {
      const item = toItem(kv);
      current.set(item.key, item);
    }
  }
  return { ok: false, revision, current };
}
