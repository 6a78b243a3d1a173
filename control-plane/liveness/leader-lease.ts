import { backoffMs } from '../../shared/backoff.ts';
import { type Clock, formatMicroTime } from '../../shared/clock.ts';
import { messageOf } from '../../shared/errors.ts';
import type { Lease } from '../../shared/generated/types.ts';
import type { Log } from '../../shared/log.ts';
import { type Random, uuid } from '../../shared/random.ts';
import type { Item } from '../store/store.ts';
import { leaseKey } from './lease-key.ts';
import type { LeadershipCell, LeaseStore, Term } from './liveness.ts';

/** The leader's lease, and how often it is renewed; a follower looks as often. Milliseconds. */
const ttlMs = 6_000;
export const renewMs = 1_500;
const retry = { firstMs: 200, capMs: renewMs };
/** How long a renewal is good for, from when it was sent: well before etcd lets the lease go. */
const trustMs = ttlMs - renewMs;

export interface LeaderLeaseDeps {
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Whether the thread that does the leader's work lives; see maxStallMs. */
  readonly mainLives: () => boolean;
  readonly cell: LeadershipCell;
}

/**
 * The leadership: a Lease object on an etcd lease, which is there as long as its holder lives. A holder that comes back under the
 * same name leads on at once.
 */
export class LeaderLease {
  readonly #deps: LeaderLeaseDeps;
  readonly #key = leaseKey('kube-system', 'coracle-controllers');

  constructor(deps: LeaderLeaseDeps) {
    this.#deps = deps;
  }

  /** As Liveness.campaign. */
  async campaign(holder: string, signal: AbortSignal): Promise<Term> {
    const { clock, random, log, mainLives } = this.#deps;
    for (let attempt = 0; ; attempt++) {
      signal.throwIfAborted();
      try {
        const asked = clock.monotonic();
        const lease = mainLives() ? await this.#acquire(holder) : undefined;
        if (lease) return this.#begin(lease, asked);
      } catch (error) {
        log.warn({ component: 'leader', err: messageOf(error) }, 'leadership not settled');
      }
      await clock.sleep(backoffMs(attempt, retry, random), signal);
    }
  }

  /** The etcd lease that holds our Lease object; undefined when another server leads. */
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

  #begin(lease: string, asked: number): Term {
    const { cell, clock, store, log } = this.#deps;
    const stopped = new AbortController();
    let ended = false;
    cell.until = asked + trustMs;
    const over = this.#renew(lease, asked, stopped.signal).finally(() => {
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
          log.debug({ component: 'leader', err: messageOf(error) }, 'the lease of the leader runs out by itself');
        });
      },
    };
  }

  /** Returns when the lease can no longer be trusted, well before etcd lets it go. */
  async #renew(lease: string, asked: number, signal: AbortSignal): Promise<void> {
    const { clock, store, cell, mainLives, log } = this.#deps;
    let renewed = asked;
    while (!signal.aborted) {
      await clock.sleep(renewMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      if (!mainLives()) {
        log.error({ component: 'leader' }, 'this server has been busy for too long to lead');
        return;
      }
      const sent = clock.monotonic();
      const patience = renewed + trustMs - sent;
      const alive = await Promise.race([
        store.keepAlive(lease).catch((error: unknown) => {
          log.warn({ component: 'leader', err: messageOf(error) }, 'the lease of the leader was not renewed');
        }),
        clock.sleep(Math.max(0, patience), signal).catch(() => undefined),
      ]);
      if (alive === false || signal.aborted) return;
      if (alive) {
        renewed = sent;
        cell.until = sent + trustMs;
      }
      if (clock.monotonic() - renewed > trustMs) return;
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
