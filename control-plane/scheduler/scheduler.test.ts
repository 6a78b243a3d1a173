import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Client } from '../../shared/client.ts';
import { ApiError } from '../../shared/errors.ts';
import type { Node, Pod } from '../../shared/generated/types.ts';
import { createInformers } from '../../shared/informers.ts';
import { silentLog } from '../../shared/log.ts';
import { podCondition } from '../../shared/pod.ts';
import { seededRandom } from '../../shared/random.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { startTestApi, type TestApi } from '../../test/support/api-server.ts';
import { asDraft, pendingPod, readyNode } from '../../test/support/scheduling.ts';
import { createScheduler, type Scheduler, schedulerKinds } from './scheduler.ts';

/** A scheduler on a real API over the memory store, on a virtual clock. */
describe('the scheduler', () => {
  let clock: VirtualClock;
  let api: TestApi;
  let stop: AbortController;
  let running: Promise<void>;
  let scheduler: Scheduler;
  let decisions: number;
  /** Stands in for the API's answer to bind, while it is set. */
  let bind: Client['bind'] | undefined;
  /** The same for the others. */
  let remove: Client['delete'] | undefined;
  let patch: Client['patch'] | undefined;

  const critical = { spec: { priorityClassName: 'system-node-critical' } };

  beforeEach(async () => {
    clock = new VirtualClock();
    const starting = startTestApi({ clock, random: seededRandom(1) });
    let started = false;
    void starting.then(() => {
      started = true;
    });
    await clock.advanceUntil(() => started, 10_000);
    api = await starting;
    stop = new AbortController();
    decisions = 0;
    bind = undefined;
    remove = undefined;
    patch = undefined;
    const client: Client = new Proxy(api.client, {
      get(target, property) {
        const stand = { bind, delete: remove, patch }[String(property)];
        if (stand) return stand;
        const value = Reflect.get(target, property) as unknown;
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const metrics = { decided: () => void decisions++, bound: () => undefined, conflict: () => undefined };
    scheduler = createScheduler({ client, clock, random: seededRandom(2), log: silentLog, metrics });
    running = scheduler.run(stop.signal);
    await clock.advance(100);
  });

  afterEach(async () => {
    stop.abort();
    await clock.advance(1_000);
    await running;
    const stopping = api.stop();
    await clock.advance(1_000);
    await stopping;
  });

  async function addNode(node: Node): Promise<void> {
    const made = await api.client.create('Node', asDraft(node));
    await api.client.updateStatus('Node', { ...made, status: node.status });
  }

  async function addPod(pod: Pod): Promise<void> {
    await api.client.create('Pod', asDraft(pod));
  }

  const podNow = (name: string): Promise<Pod> => api.client.get('Pod', name, 'default');

  async function nodeOf(name: string): Promise<string | undefined> {
    return (await podNow(name)).spec.nodeName;
  }

  it('binds a pod to a node and records an event', async () => {
    await addNode(readyNode('n1'));
    await addPod(pendingPod('a'));
    await clock.advance(200);
    expect(await nodeOf('a')).toBe('n1');
    const { items } = await api.client.list('Event');
    expect(items).toMatchObject([
      { reason: 'Scheduled', type: 'Normal', message: 'Successfully assigned default/a to n1' },
    ]);
  });

  it('explains in one sentence, in a condition and one event, why a pod is unschedulable, and binds it once a node is added', async () => {
    await addNode(readyNode('n1', { cpu: '1' }));
    await addNode(readyNode('n2', {}, { spec: { taints: [{ key: 'gpu', effect: 'NoSchedule' }] } }));
    await addPod(pendingPod('a', { cpu: '2' }));
    await clock.advance(5_000);
    const message =
      '0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint {gpu: }. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.';
    expect(podCondition(await podNow('a'), 'PodScheduled')).toMatchObject({
      status: 'False',
      reason: 'Unschedulable',
      message,
    });
    expect((await api.client.list('Event')).items).toMatchObject([
      { reason: 'FailedScheduling', type: 'Warning', message, action: 'Scheduling' },
    ]);
    expect(scheduler.pending).toEqual({ active: 0, unschedulable: 1, inFlight: 0 });
    await addNode(readyNode('n3'));
    await clock.advance(3_000);
    expect(await nodeOf('a')).toBe('n3');
    expect(podCondition(await podNow('a'), 'PodScheduled')).toMatchObject({ status: 'True' });
  });

  it('decides nothing without an event that could help', async () => {
    await addNode(readyNode('n1', { cpu: '1' }));
    for (let i = 0; i < 50; i++) await addPod(pendingPod(`big-${i}`, { cpu: '2' }));
    await clock.advance(5_000);
    const before = decisions;
    await addPod(pendingPod('small', { cpu: '100m' }));
    await clock.advance(40_000);
    expect(await nodeOf('small')).toBe('n1');
    expect(decisions - before).toBe(1);
  });

  it('gives freed room to the waiting pod of the highest priority, with few tries of the others', async () => {
    await addNode(readyNode('n1', { cpu: '1' }));
    await addPod(pendingPod('first', { cpu: '1' }));
    await clock.advance(200);
    for (let i = 0; i < 30; i++) await addPod(pendingPod(`low-${i}`, { cpu: '1' }));
    await addPod(pendingPod('high', { cpu: '1' }, { spec: { priorityClassName: 'system-node-critical' } }));
    await clock.advance(5_000);
    const before = decisions;
    await api.client.delete('Pod', 'first', { namespace: 'default', gracePeriodSeconds: 0 });
    await clock.advance(5_000);
    const pods = (await api.client.list('Pod')).items.filter((pod) => pod.spec.nodeName);
    expect(pods.map((pod) => pod.metadata.name)).toEqual(['high']);
    expect(decisions - before).toBeLessThan(8);
  });

  it('ignores pods of other schedulers, gated or being deleted, and schedules a pod once its gates are removed', async () => {
    await addNode(readyNode('n1'));
    await addPod(pendingPod('other', undefined, { spec: { schedulerName: 'mine' } }));
    await addPod(pendingPod('gated', undefined, { spec: { schedulingGates: [{ name: 'example.com/wait' }] } }));
    await clock.advance(1_000);
    expect([await nodeOf('other'), await nodeOf('gated')]).toEqual([undefined, undefined]);
    const gated = await podNow('gated');
    await api.client.update('Pod', { ...gated, spec: { ...gated.spec, schedulingGates: [] } });
    await clock.advance(1_000);
    expect(await nodeOf('gated')).toBe('n1');
  });

  it('retries with a backoff when binding fails, and counts nothing twice', async () => {
    let calls = 0;
    bind = async () => {
      calls++;
      throw new ApiError('ServiceUnavailable', 'the store is away');
    };
    await addNode(readyNode('n1', { cpu: '1' }));
    await addPod(pendingPod('a', { cpu: '600m' }));
    await clock.advance(20_000);
    expect(calls).toBeGreaterThan(3);
    expect(calls).toBeLessThan(25);
    bind = undefined;
    await clock.advance(6_000);
    expect(await nodeOf('a')).toBe('n1');
    await addPod(pendingPod('b', { cpu: '400m' }));
    await clock.advance(1_000);
    expect(await nodeOf('b')).toBe('n1');
  });

  it('puts a call that never answers behind it', async () => {
    bind = () => new Promise(() => undefined);
    await addNode(readyNode('n1'));
    await addPod(pendingPod('a'));
    await clock.advance(1_000);
    bind = undefined;
    await clock.advance(20_000);
    expect(await nodeOf('a')).toBe('n1');
  });

  it('evicts the least important pods that make room, and keeps the room for the pod it was made for', async () => {
    await addNode(readyNode('n1', { cpu: '1' }));
    for (const name of ['low-1', 'low-2']) await addPod(pendingPod(name, { cpu: '500m' }));
    await clock.advance(500);
    await addPod(pendingPod('high', { cpu: '400m' }, critical));
    await clock.advance(3_000);
    const going = (await api.client.list('Pod')).items.filter((pod) => pod.metadata.deletionTimestamp);
    expect(going).toHaveLength(1);
    expect(await nodeOf('high')).toBeUndefined();
    // It would fit into the room that is about to be free, but that is not its.
    await addPod(pendingPod('latecomer', { cpu: '200m' }));
    const [victim] = going;
    await api.client.delete('Pod', victim?.metadata.name ?? '', { namespace: 'default', gracePeriodSeconds: 0 });
    await clock.advance(3_000);
    expect([await nodeOf('high'), await nodeOf('latecomer')]).toEqual(['n1', undefined]);
    expect((await api.client.list('Event')).items.filter(({ reason }) => reason === 'Preempted')).toHaveLength(1);
  });

  async function guard(app: string, allowed: number): Promise<void> {
    const made = await api.client.create('PodDisruptionBudget', {
      metadata: { name: app, namespace: 'default' },
      spec: { selector: { matchLabels: { app } }, minAvailable: 1 },
    });
    const status = { disruptionsAllowed: allowed, currentHealthy: 1, desiredHealthy: 1, expectedPods: 1 };
    await api.client.updateStatus('PodDisruptionBudget', { ...made, status });
  }

  const deleting = async (): Promise<string[]> =>
    (await api.client.list('Pod')).items
      .filter((pod) => pod.metadata.deletionTimestamp)
      .map((pod) => pod.metadata.name);

  it('evicts a free pod rather than one that its budget guards, and names the node meanwhile', async () => {
    await addNode(readyNode('n1', { cpu: '1' }));
    await addNode(readyNode('n2', { cpu: '1' }));
    await guard('db', 0);
    await addPod(pendingPod('guarded', { cpu: '1' }, { labels: { app: 'db' } }));
    await addPod(pendingPod('free', { cpu: '1' }, { labels: { app: 'web' } }));
    await clock.advance(500);
    const place = await nodeOf('free');
    await addPod(pendingPod('high', { cpu: '1' }, critical));
    await clock.advance(3_000);
    expect(await deleting()).toEqual(['free']);
    expect(podCondition(await podNow('free'), 'DisruptionTarget')).toMatchObject({
      status: 'True',
      reason: 'PreemptionByScheduler',
      message: 'default-scheduler: preempting to accommodate a higher priority pod',
    });
    expect((await podNow('high')).status?.nominatedNodeName).toBe(place);
    await api.client.delete('Pod', 'free', { namespace: 'default', gracePeriodSeconds: 0 });
    await clock.advance(3_000);
    expect((await podNow('high')).status?.nominatedNodeName).toBeUndefined();
    expect(await nodeOf('high')).toBe(place);
  });

  it('evicts a guarded pod when nothing else makes room, as Kubernetes does', async () => {
    await addNode(readyNode('n1', { cpu: '1' }));
    await guard('db', 0);
    await addPod(pendingPod('guarded', { cpu: '1' }, { labels: { app: 'db' } }));
    await clock.advance(500);
    await addPod(pendingPod('high', { cpu: '1' }, critical));
    await clock.advance(3_000);
    expect(await deleting()).toEqual(['guarded']);
  });

  it('remembers a victim whose deletion was refused and takes another, and tries it again later', async () => {
    await addNode(readyNode('n1', { cpu: '1' }));
    await addNode(readyNode('n2', { cpu: '1' }));
    await addPod(pendingPod('first', { cpu: '1' }));
    await clock.advance(500);
    const asked: string[] = [];
    remove = async (_, name) => {
      asked.push(name);
      throw new ApiError('Forbidden', 'not this one');
    };
    await addPod(pendingPod('second', { cpu: '1' }));
    await clock.advance(500);
    await addPod(pendingPod('high', { cpu: '1' }, critical));
    await clock.advance(2_000);
    expect(new Set(asked)).toEqual(new Set(['first', 'second']));
    expect(asked).toHaveLength(2);
    remove = undefined;
    await clock.advance(70_000);
    expect(await deleting()).toHaveLength(1);
  });

  it('evicts no pod for one that was deleted or bound before', async () => {
    await addNode(readyNode('n1', { cpu: '1' }));
    await addPod(pendingPod('low', { cpu: '1' }));
    await clock.advance(500);
    let release = (): void => undefined;
    patch = () => new Promise((_, reject) => (release = () => reject(new ApiError('Timeout', 'no answer'))));
    await addPod(pendingPod('high', { cpu: '1' }, critical));
    await clock.advance(500);
    await api.client.delete('Pod', 'high', { namespace: 'default', gracePeriodSeconds: 0 });
    await clock.advance(100);
    patch = undefined;
    release();
    await clock.advance(5_000);
    expect(await deleting()).toEqual([]);
  });

  it.each([
    ['an equal one that waits longer', [], 'nominated'],
    ['but not from a more important one', ['high'], 'high'],
  ])('keeps the room of a pod that its status nominates from %s', async (_, more, expected) => {
    await addNode(readyNode('n1', { cpu: '1' }));
    stop.abort();
    await clock.advance(1_000);
    await running;
    await addPod(pendingPod('equal', { cpu: '1' }));
    await clock.advance(2_000);
    await addPod(pendingPod('nominated', { cpu: '1' }));
    for (const name of more) await addPod(pendingPod(name, { cpu: '1' }, critical));
    const made = await podNow('nominated');
    await api.client.updateStatus('Pod', { ...made, status: { ...made.status, nominatedNodeName: 'n1' } });
    stop = new AbortController();
    const { client } = api;
    running = createScheduler({ client, clock, random: seededRandom(2), log: silentLog }).run(stop.signal);
    await clock.advance(2_000);
    const placed = (await client.list('Pod')).items.filter(({ spec }) => spec.nodeName);
    expect(placed.map(({ metadata }) => metadata.name)).toEqual([expected]);
  });

  it('starts on informers that others run and that already know the cluster', async () => {
    const informers = createInformers(
      { client: api.client, clock, random: seededRandom(3), log: silentLog },
      schedulerKinds,
    );
    const watching = informers.run(stop.signal);
    await addNode(readyNode('n1'));
    await addPod(pendingPod('theirs', undefined, { spec: { schedulerName: 'second' } }));
    await clock.advance(200);
    const deps = { client: api.client, clock, random: seededRandom(4), log: silentLog, informers };
    const second = createScheduler(deps, { name: 'second' }).run(stop.signal);
    await clock.advance(200);
    expect(await nodeOf('theirs')).toBe('n1');
    stop.abort();
    await clock.advance(1_000);
    await Promise.all([watching, second]);
  });

  it('explains for every node the requested and the free amounts', async () => {
    await addNode(readyNode('n1', { cpu: '1' }));
    await addNode(readyNode('n2', { cpu: '4' }));
    await addPod(pendingPod('a', { cpu: '2' }));
    await clock.advance(500);
    const { nodes, message } = scheduler.explain(pendingPod('b', { cpu: '3' }));
    expect(message).toBe('0/2 nodes are available: 2 Insufficient cpu.');
    expect(nodes).toMatchObject([
      { node: 'n1', fits: false, reasons: [{ plugin: 'NodeResourcesFit', reason: 'Insufficient cpu' }] },
      { node: 'n2', fits: false, reasons: [{ plugin: 'NodeResourcesFit' }] },
    ]);
    expect(nodes[1]?.resources[0]).toEqual({ resource: 'cpu', requested: 3000, free: 2000, allocatable: 4000 });
    const other = scheduler.explain(pendingPod('c', { cpu: '1' }));
    expect(other.message).toBeUndefined();
    expect(other.nodes.every(({ fits, total }) => fits && total > 0)).toBe(true);
  });
});
