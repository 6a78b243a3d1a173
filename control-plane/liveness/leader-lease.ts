import { backoffMs } from '../../shared/backoff.ts';
import { type Clock, formatMicroTime, pause } from '../../shared/clock.ts';
import { messageOf } from '../../shared/errors.ts';
import type { Lease } from '../../shared/generated/types.ts';
import type { Log } from '../../shared/log.ts';
import { type Random, uuid } from '../../shared/random.ts';
import type { Item } from '../store/store.ts';
import { type LeaseStore, leaseKey } from './lease-store.ts';
import type { LeadershipCell, Term } from './liveness.ts';

/** The duration of the leader's lease, and how often it is renewed, or checked by the other servers. Milliseconds. */
const ttlMs = 6_000;
export const renewMs = 1_500;
const retry = { firstMs: 200, capMs: renewMs };
/** How long the leadership lasts after a renewal was sent: it ends before etcd's lease does. */
const leadMs = ttlMs - renewMs;

export interface LeaderLeaseDeps {
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Whether the main thread's event loop runs, see maxStallMs. */
  readonly mainThreadAlive: () => boolean;
  readonly cell: LeadershipCell;
}

/**
 * The leadership: a Lease object on an etcd lease, held by one server. A server that restarts under the same name leads again at
 * once.
 */
export class LeaderLease {
  readonly #deps: LeaderLeaseDeps;
  readonly #key = leaseKey('kube-system', 'coracle-controllers');

  constructor(deps: LeaderLeaseDeps) {
    this.#deps = deps;
  }

  /** As Liveness.campaign. */
  async campaign(holder: string, signal: AbortSignal): Promise<Term> {
    const { clock, random, log, mainThreadAlive } = this.#deps;
    for (let attempt = 0; ; attempt++) {
      signal.throwIfAborted();
      try {
        const sentAt = clock.monotonic();
        const lease = mainThreadAlive() ? await this.#acquire(holder) : undefined;
        if (lease) return this.#begin(lease, sentAt);
      } catch (error) {
        log.warn({ component: 'leader', err: messageOf(error) }, 'campaign failed');
      }
      await clock.sleep(backoffMs(attempt, retry, random), signal);
    }
  }

  /** The etcd lease of this server's Lease object; undefined if another server leads. */
  async #acquire(holder: string): Promise<string | undefined> {
    const { store, clock, random } = this.#deps;
    const { item } = await store.get(this.#key);
    if (item && holderOf(item) !== holder) return undefined;
    const lease = await store.grantLease(ttlMs / 1000);
    const value = JSON.stringify(leaseObject(holder, uuid(random), clock.now()));
    const guards = [{ key: this.#key, revision: item?.revision ?? 0 }];
    const { ok } = await store.txn({ guards, writes: [{ type: 'put', key: this.#key, value, lease }] });
    return ok ? lease : undefined;
  }

  #begin(lease: string, sentAt: number): Term {
    const { cell, clock, store, log } = this.#deps;
    const stopped = new AbortController();
    let ended = false;
    cell.until = sentAt + leadMs;
    const over = this.#renew(lease, sentAt, stopped.signal).finally(() => {
      ended = true;
      cell.until = 0;
    });
    return {
      over,
      holds: () => clock.monotonic() < cell.until,
      async resign() {
        if (ended) return;
        stopped.abort();
        await over;
        await store.revokeLease(lease).catch((error: unknown) => {
          log.debug(
            { component: 'leader', err: messageOf(error) },
            'the lease of the leader was not revoked: it will expire',
          );
        });
      },
    };
  }

  /** Returns when the leadership has ended, which is before etcd's lease expires. */
  async #renew(lease: string, sentAt: number, signal: AbortSignal): Promise<void> {
    const { clock, store, cell, mainThreadAlive, log } = this.#deps;
    let renewed = sentAt;
    while (!signal.aborted) {
      await pause(clock, renewMs, signal);
      if (signal.aborted) return;
      if (!mainThreadAlive()) {
        log.error({ component: 'leader' }, 'the main thread has stalled for too long to lead');
        return;
      }
      const sent = clock.monotonic();
      const leftMs = renewed + leadMs - sent;
      const alive = await Promise.race([
        store.keepAlive(lease).catch((error: unknown) => {
          log.warn({ component: 'leader', err: messageOf(error) }, 'the lease of the leader was not renewed');
        }),
        pause(clock, Math.max(0, leftMs), signal),
      ]);
      if (alive === false || signal.aborted) return;
      if (alive) {
        renewed = sent;
        cell.until = sent + leadMs;
      }
      if (clock.monotonic() - renewed > leadMs) return;
    }
  }
}

function holderOf(item: Item): string | undefined {
  return (JSON.parse(item.value) as Lease).spec.holderIdentity;
}

function leaseObject(holder: string, uid: string, now: number): Lease {
  const time = formatMicroTime(now);
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: {
      name: 'coracle-controllers',
      namespace: 'kube-system',
      uid,
      creationTimestamp: `${time.slice(0, 19)}Z`,
      resourceVersion: '',
    },
    spec: { holderIdentity: holder, leaseDurationSeconds: ttlMs / 1000, acquireTime: time, renewTime: time },
  };
}
