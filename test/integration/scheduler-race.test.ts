import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createScheduler } from '../../control-plane/scheduler/scheduler.ts';
import { kindPrefix } from '../../control-plane/store/keys.ts';
import type { Store } from '../../control-plane/store/store.ts';
import type { BindResult, Client } from '../../shared/client.ts';
import { systemClock } from '../../shared/clock.ts';
import type { Pod } from '../../shared/generated/types.ts';
import { kindNamed } from '../../shared/kinds/index.ts';
import { silentLog } from '../../shared/log.ts';
import { podCondition, podRequests } from '../../shared/pod.ts';
import { seededRandom } from '../../shared/random.ts';
import { startTestApi, type TestApi } from '../support/api-server.ts';
import { hasEtcd, startTestEtcd, type TestEtcd } from '../support/etcd.ts';
import { eventually } from '../support/eventually.ts';
import { asDraft, pendingPod, readyNode } from '../support/scheduling.ts';

const nodes = 8;
const perNode = 40;
const places = nodes * perNode;
const podsPerRound = 420;
const rounds = 3;
const podPrefix = kindPrefix(kindNamed('Pod'));

/** Two control planes on one etcd, each with its own cache, and the pods in the store's history. */
describe.skipIf(!hasEtcd())('two schedulers racing for too few places', () => {
  let etcd: TestEtcd;
  let planes: TestApi[] = [];
  let history: History;

  beforeAll(async () => {
    etcd = await startTestEtcd();
    for (let i = 0; i < 2; i++) planes.push(await startTestApi({ store: etcd.open() }));
    history = watchHistory(etcd.open());
    for (let i = 0; i < nodes; i++) {
      const node = readyNode(`node-${i}`, { cpu: `${perNode * 100}m`, memory: '64Gi' });
      const made = await plane(0).client.create('Node', asDraft(node));
      await plane(0).client.updateStatus('Node', { ...made, status: node.status });
    }
  }, 30_000);

  afterAll(async () => {
    await history?.stop();
    for (const one of planes) await one.stop();
    planes = [];
    await etcd?.cleanup();
  });

  const plane = (i: number): TestApi => {
    const one = planes[i];
    if (!one) throw new Error('the control plane is not there');
    return one;
  };

  for (const [what, names] of [
    ['the same pods', ['default-scheduler', 'default-scheduler']],
    ['pods of their own', ['one', 'two']],
  ] as const) {
    it(`over ${what}: fill every node exactly, and bind no pod twice`, { timeout: 60_000 }, async () => {
      const stop = new AbortController();
      const tally = { guard: 0, pod: 0 };
      const running = names.map((name, i) => {
        const client = counting(plane(i).client, tally);
        const deps = { client, clock: systemClock, random: seededRandom(i + 1), log: silentLog };
        return createScheduler(deps, { name }).run(stop.signal);
      });
      try {
        for (let round = 0; round < rounds; round++) {
          const before = history.bound;
          const made = Array.from({ length: podsPerRound }, (_, i) =>
            pendingPod(`pod-${names[0]}-${round}-${i}`, { cpu: '100m' }, { spec: { schedulerName: names[i % 2] } }),
          );
          await inParallel(made, (pod, i) => plane(i % 2).client.create('Pod', asDraft(pod)));
          const pods = await eventually(
            async () => {
              const { items } = await plane(0).client.list('Pod');
              const bound = items.filter((pod) => pod.spec.nodeName).length;
              const told = items.filter((pod) => podCondition(pod, 'PodScheduled')?.reason === 'Unschedulable').length;
              if (bound !== places || told !== podsPerRound - places) {
                throw new Error(`round ${round}: ${bound} bound, ${told} told why not, of ${items.length}`);
              }
              return items;
            },
            { timeoutMs: 20_000, everyMs: 100 },
          );
          expect(perNodeCpu(pods)).toEqual(Object.fromEntries(nodeNames().map((name) => [name, perNode * 100])));
          expect(history.bound - before).toBe(places);
          await inParallel(pods, ({ metadata: { name, namespace } }, i) =>
            plane(i % 2).client.delete('Pod', name, { namespace, gracePeriodSeconds: 0 }),
          );
          await eventually(async () => (await plane(0).client.list('Pod')).items.length === 0);
        }
      } finally {
        stop.abort();
        await Promise.all(running);
      }
      expect(history.faults).toEqual([]);
      expect(tally.guard).toBeGreaterThan(0);
      console.log(`${what}: ${tally.guard} placements refused by the guard, ${tally.pod} by the pod`);
    });
  }
});

function nodeNames(): string[] {
  return Array.from({ length: nodes }, (_, i) => `node-${i}`);
}

function perNodeCpu(pods: readonly Pod[]): Record<string, number> {
  const used: Record<string, number> = {};
  for (const { spec } of pods) {
    if (spec.nodeName) used[spec.nodeName] = (used[spec.nodeName] ?? 0) + podRequests(spec).cpuMillis;
  }
  return used;
}

interface History {
  /** Bindings so far. */
  readonly bound: number;
  /** What must never be seen, at any revision. */
  readonly faults: readonly string[];
  stop(): Promise<void>;
}

/** Follows every revision of every pod in the store: a node that is set never changes, and no node ever holds too many. */
function watchHistory(store: Store): History {
  const stop = new AbortController();
  const placed = new Map<string, { uid: string; node: string }>();
  const held = new Map<string, number>();
  const state = { bound: 0, faults: [] as string[] };
  const running = (async () => {
    const { revision } = await store.list(podPrefix, { limit: 1 });
    for await (const { events, revision: at } of store.watch(podPrefix, revision, stop.signal)) {
      for (const event of events) {
        const key = event.type === 'put' ? event.item.key : event.key;
        const pod = event.type === 'put' ? (JSON.parse(event.item.value) as Pod) : undefined;
        const before = placed.get(key);
        const node = pod?.spec.nodeName;
        if (before && pod && (before.node !== node || before.uid !== pod.metadata.uid)) {
          state.faults.push(`${key} went from ${before.node} to ${node} at ${at}`);
        }
        if (before && !pod) {
          placed.delete(key);
          held.set(before.node, (held.get(before.node) ?? 0) - 1);
        }
        if (before || !pod || !node) continue;
        placed.set(key, { uid: pod.metadata.uid, node });
        state.bound++;
        const count = (held.get(node) ?? 0) + 1;
        held.set(node, count);
        if (count > perNode) state.faults.push(`${node} holds ${count} pods at ${at}`);
      }
    }
  })();
  return {
    get bound() {
      return state.bound;
    },
    get faults() {
      return state.faults;
    },
    async stop() {
      stop.abort();
      await running;
      await store.close();
    },
  };
}

/** The client, with the refused bindings counted by what refused them. */
function counting(client: Client, tally: { guard: number; pod: number }): Client {
  return new Proxy(client, {
    get(target, property) {
      if (property !== 'bind') {
        const value = Reflect.get(target, property) as unknown;
        return typeof value === 'function' ? value.bind(target) : value;
      }
      return async (bindings: Parameters<Client['bind']>[0]): Promise<BindResult[]> => {
        const results = await target.bind(bindings);
        for (const result of results) {
          if (result.ok) continue;
          if (result.message.includes('the node has been given other pods')) tally.guard++;
          else tally.pod++;
        }
        return results;
      };
    },
  });
}

async function inParallel<T>(items: readonly T[], work: (item: T, index: number) => Promise<unknown>): Promise<void> {
  const queue = [...items.entries()];
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next; next = queue.shift()) await work(next[1], next[0]);
  };
  await Promise.all(Array.from({ length: 32 }, worker));
}
