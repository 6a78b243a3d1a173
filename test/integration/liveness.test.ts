import { setMaxListeners } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { objectKey } from '../../control-plane/store/keys.ts';
import type { Store, StoreEvent } from '../../control-plane/store/store.ts';
import { systemClock } from '../../shared/clock.ts';
import type { Lease, Node } from '../../shared/generated/types.ts';
import { kindNamed } from '../../shared/kinds/index.ts';
import { createRpcSchema } from '../../shared/rpc/schema.ts';
import { hasEtcd, startTestEtcd, type TestEtcd } from '../support/etcd.ts';
import { eventually } from '../support/eventually.ts';
import { type RemoteHollowNode, startRemoteHollowNode } from '../support/remote-hollow-node.ts';
import { administrator, type Caller, type ServerProcess, startServerProcess } from '../support/server-process.ts';

const names = ['node-0', 'node-1', 'node-2'];
/** Longer than the nodes' lease (5 s), the leader's (6 s), and the time between two pings of a connection (10 s). */
const busyMs = 16_000;

const lease = kindNamed('Lease');
const leaderKey = objectKey(lease, 'kube-system', 'coracle-controllers');
const nodeLeaseKeys = names.map((name) => objectKey(lease, 'kube-node-lease', name));
const nodePrefix = objectKey(kindNamed('Node'), undefined, '');

describe.skipIf(!hasEtcd())('a server whose thread of requests computes for longer than all leases last', () => {
  let etcd: TestEtcd;
  let store: Store;
  let server: ServerProcess;
  let admin: Caller;
  const nodes: RemoteHollowNode[] = [];
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);

  beforeAll(async () => {
    etcd = await startTestEtcd();
    store = etcd.open();
    server = await startServerProcess({ etcdEndpoints: [etcd.endpoint] });
    admin = await server.caller(administrator);
    const schema = createRpcSchema();
    for (const name of names) nodes.push(await startRemoteHollowNode(name, server.grpc, { ...server, schema }));
    const ready = async (): Promise<boolean> => {
      const { items } = await store.list(nodePrefix);
      return items.length === names.length && items.every(({ value }) => isReady(value));
    };
    await eventually(ready, { timeoutMs: 30_000, what: 'the nodes were not ready' });
    await eventually(async () => (await store.get(leaderKey)).item, { what: 'there was no leader' });
  }, 90_000);
  afterAll(async () => {
    stop.abort();
    await Promise.all(nodes.map((node) => node.stop()));
    await server?.stop();
    await store?.close();
    await etcd?.cleanup();
  });

  it('keeps its leadership, and its nodes their leases and sessions, and heartbeats are acknowledged meanwhile', async () => {
    const before = await store.get(leaderKey);
    const events: StoreEvent[] = [];
    const watching = (async () => {
      for await (const batch of store.watch('/coracle/registry/', before.revision, stop.signal))
        events.push(...batch.events);
    })();
    const sessions = nodes.map((node) => node.sessions());
    const begun = systemClock.monotonic();
    server.keepBusy(busyMs);
    // Answered only when the thread is free again.
    await eventually(async () => (await slow(admin)) > busyMs / 2, { timeoutMs: 30_000, everyMs: 1 });
    const ended = systemClock.monotonic();
    expect(ended - begun).toBeGreaterThan(busyMs - 500);

    for (const { acknowledged } of nodes) {
      const meanwhile = [begun, ...acknowledged.filter((at) => at > begun && at < ended), ended];
      const gaps = meanwhile.slice(1).map((at, index) => at - (meanwhile[index] ?? at));
      expect(Math.max(...gaps)).toBeLessThan(3_000);
    }
    // What the stall would have caused follows within a lease's time.
    const later = async (): Promise<boolean> => systemClock.monotonic() - ended > 6_000;
    await eventually(later, { timeoutMs: 10_000, everyMs: 100 });
    expect((await admin('GET', '/readyz')).status).toBe(200);
    expect(nodes.map((node) => node.sessions())).toEqual(sessions);
    expect((await store.get(leaderKey)).item).toEqual(before.item);
    const keys = events.map((event) => (event.type === 'put' ? event.item.key : event.key));
    expect(keys.filter((key) => key === leaderKey || nodeLeaseKeys.includes(key))).toEqual([]);
    const reports = events.flatMap((event) =>
      event.type === 'put' && event.item.key.startsWith(nodePrefix) ? [event.item.value] : [],
    );
    expect(reports.every(isReady)).toBe(true);
    const { text } = await admin('GET', '/metrics');
    const renewals = /^etcd_requests_total\{operation="leaseKeepAlive"\} (\d+)$/m.exec(text)?.[1];
    expect(Number(renewals)).toBeGreaterThan((names.length * busyMs) / 2_000);
    stop.abort();
    await watching;
  });

  it('is known to be dead within its leases when it is killed', async () => {
    const { item } = await store.get(leaderKey);
    expect((JSON.parse(item?.value ?? '{}') as Lease).spec.leaseDurationSeconds).toBe(6);
    await server.kill();
    const killed = systemClock.monotonic();
    for (const key of [...nodeLeaseKeys, leaderKey]) {
      await eventually(async () => (await store.get(key)).item === undefined, { timeoutMs: 10_000, everyMs: 50 });
    }
    expect(systemClock.monotonic() - killed).toBeLessThan(8_500);
  });
});

/** How long a request takes. */
async function slow(caller: Caller): Promise<number> {
  const asked = systemClock.monotonic();
  await caller('GET', '/livez');
  return systemClock.monotonic() - asked;
}

function isReady(node: string): boolean {
  const { status } = JSON.parse(node) as Node;
  return status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false;
}
