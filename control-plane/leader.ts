import { setMaxListeners } from 'node:events';
import { backoffMs } from '../shared/backoff.ts';
import { type Clock, formatMicroTime } from '../shared/clock.ts';
import { messageOf } from '../shared/errors.ts';
import type { Lease } from '../shared/generated/types.ts';
import { kindNamed } from '../shared/kinds/index.ts';
import type { Log } from '../shared/log.ts';
import { type Random, uuid } from '../shared/random.ts';
import { objectKey } from './store/keys.ts';
import type { Item, Store } from './store/store.ts';

/** The leader's lease, and how often it is renewed; a follower looks as often. Milliseconds. */
const ttlMs = 6_000;
const renewMs = 1_500;
const retry = { firstMs: 200, capMs: renewMs };

export interface LeaderDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /**
   * Who we are. The same after a restart on the same data directory, which only one process uses at a time: so a restarted
   * server leads on at once.
   */
  readonly holder: string;
}

/**
 * Runs `work` while this process is the one leader, again and again, until aborted. Leadership is a Lease object that hangs on
 * an etcd lease: it is there as long as its holder lives. `work`'s signal is aborted before anybody else can lead.
 */
export async function lead(deps: LeaderDeps, work: (signal: AbortSignal) => Promise<void>, signal: AbortSignal) {
  const { store, clock, random } = deps;
  const log = deps.log.child({ component: 'leader' });
  const key = objectKey(kindNamed('Lease'), 'kube-system', 'coracle-controllers');

  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      const lease = await acquire();
      if (lease) {
        attempt = 0;
        await serve(lease);
      }
    } catch (error) {
      if (!signal.aborted) log.warn({ err: messageOf(error) }, 'leadership not settled');
    }
    await clock.sleep(backoffMs(attempt, retry, random), signal).catch(() => undefined);
  }

  /** The etcd lease that our leadership hangs on; undefined when somebody else leads. */
  async function acquire(): Promise<string | undefined> {
    const { item } = await store.get(key);
    if (item && holderOf(item) !== deps.holder) return undefined;
    const lease = await store.grantLease(ttlMs / 1000);
    const value = JSON.stringify(leaseObject(deps, clock.now()));
    const guards = [{ key, revision: item?.revision ?? 0 }];
    const { ok } = await store.txn({ guards, writes: [{ type: 'put', key, value, lease }] });
    return ok ? lease : undefined;
  }

  async function serve(lease: string): Promise<void> {
    const leading = new AbortController();
    setMaxListeners(0, leading.signal);
    const stop = (): void => leading.abort(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    log.info({ holder: deps.holder }, 'leading');
    const done = work(leading.signal);
    try {
      await Promise.race([done, renew(lease, leading.signal)]);
    } finally {
      signal.removeEventListener('abort', stop);
      leading.abort(new Error('no longer the leader'));
      await done;
      log.info({ holder: deps.holder }, 'no longer leading');
    }
    if (signal.aborted) await store.revokeLease(lease).catch(() => undefined);
  }

  /** Returns when the lease can no longer be trusted, well before etcd lets it go. */
  async function renew(lease: string, leading: AbortSignal): Promise<void> {
    let renewed = clock.monotonic();
    while (!leading.aborted) {
      await clock.sleep(renewMs, leading).catch(() => undefined);
      if (leading.aborted) return;
      const asked = clock.monotonic();
      const patience = renewed + ttlMs - renewMs - asked;
      const alive = await Promise.race([
        store.keepAlive(lease).catch(() => undefined),
        clock.sleep(Math.max(0, patience), leading).catch(() => undefined),
      ]);
      if (alive === false) return;
      if (alive) renewed = asked;
      if (clock.monotonic() - renewed > ttlMs - renewMs) return;
    }
  }
}

function holderOf(item: Item): string | undefined {
  return (JSON.parse(item.value) as Lease).spec.holderIdentity;
}

function leaseObject({ holder, random }: LeaderDeps, now: number): Lease {
  const time = formatMicroTime(now);
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: {
      name: 'coracle-controllers',
      namespace: 'kube-system',
      uid: uuid(random),
      creationTimestamp: `${time.slice(0, 19)}Z`,
      resourceVersion: '',
    },
    spec: { holderIdentity: holder, leaseDurationSeconds: ttlMs / 1000, acquireTime: time, renewTime: time },
  };
}
