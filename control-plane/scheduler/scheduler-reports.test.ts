import { Registry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { ApiError } from '../../shared/errors.ts';
import type { Pod } from '../../shared/generated/types.ts';
import { podCondition } from '../../shared/pod.ts';
import { BrakedScheduler, bindings } from '../../test/support/braked-scheduler.ts';
import { pendingPod, readyNode } from '../../test/support/scheduling.ts';
import { schedulerMetrics } from './metrics.ts';
import type { SchedulerOptions } from './scheduler.ts';

const critical = { priorityClassName: 'system-node-critical' };
const pod = (name: string, cpu: string, spec: Partial<Pod['spec']> = {}): Pod => pendingPod(name, { cpu }, { spec });

let one: BrakedScheduler | undefined;

async function start(options?: SchedulerOptions): Promise<BrakedScheduler> {
  one = await BrakedScheduler.start(options);
  await one.addNode(readyNode('n', { cpu: '1' }));
  await one.clock.advance(100);
  return one;
}

afterEach(async () => {
  await one?.stop();
  expect(one?.broken).toEqual([]);
});

const podNow = ({ api }: BrakedScheduler, name: string) => api.client.get('Pod', name, 'default');

describe('the metrics of a scheduler', () => {
  it('is the result of each decision, conflicts, and the time from seeing a pod to having it stored', async () => {
    const one = await start();
    await one.addPod(pod('large', '2'));
    await one.clock.advance(1_000);
    expect(one.measured).toEqual([['unschedulable', 0]]);
    const slow = one.client.writes.hold({ match: bindings });
    await one.addPod(pod('a', '500m'));
    await one.clock.advance(2_000);
    slow.release();
    await one.clock.advance(100);
    expect(one.measured.slice(1)).toEqual([
      ['scheduled', 0],
      ['bound', 2],
    ]);
    one.client.writes.fail({ match: bindings, error: new ApiError('Conflict', 'moved on') });
    one.client.writes.fail({ match: bindings, error: new ApiError('Forbidden', 'no') });
    await one.addPod(pod('b', '100m'));
    await one.clock.advance(2_000);
    const names = one.measured
      .slice(3)
      .map(([name]) => name)
      .filter((name) => name !== 'unschedulable');
    expect(names).toEqual(['scheduled', 'conflict', 'scheduled', 'scheduled', 'bound']);
  });

  it('has the names of Kubernetes’ metrics', async () => {
    const registry = new Registry();
    const metrics = schedulerMetrics(registry);
    metrics.decided('scheduled', 0.00002);
    metrics.decided('unschedulable', 1);
    metrics.decided('unschedulable', 1);
    metrics.bound(0.002);
    metrics.conflict();
    const text = await registry.metrics();
    for (const line of [
      'scheduler_schedule_attempts_total{result="scheduled"} 1',
      'scheduler_schedule_attempts_total{result="unschedulable"} 2',
      'scheduler_scheduling_algorithm_duration_seconds_count 3',
      'scheduler_scheduling_algorithm_duration_seconds_bucket{le="0.00001"} 0',
      'scheduler_scheduling_algorithm_duration_seconds_bucket{le="0.00003"} 1',
      'scheduler_pod_scheduling_sli_duration_seconds_bucket{le="0.001"} 0',
      'scheduler_pod_scheduling_sli_duration_seconds_bucket{le="0.003"} 1',
      'coracle_scheduler_bind_conflicts_total 1',
    ])
      expect(text).toContain(`${line}\n`);
  });
});

describe('why a pod is not placed', () => {
  it('is written again after another’s write came between', async () => {
    const one = await start();
    const patch = one.client.writes.hold({ match: ({ verb, kind }) => verb === 'patch' && kind === 'Pod' });
    await one.addPod(pod('large', '2'));
    await patch.arrived;
    const now = await podNow(one, 'large');
    await one.api.client.update('Pod', { ...now, metadata: { ...now.metadata, annotations: { by: 'another' } } });
    patch.release();
    await one.clock.advance(2_000);
    const after = await podNow(one, 'large');
    expect(after.metadata.annotations).toEqual({ by: 'another' });
    expect(podCondition(after, 'PodScheduled')).toMatchObject({ status: 'False', reason: 'Unschedulable' });
  });

  it('changes with the cluster, and is one event as long as it stays', async () => {
    const one = await start();
    await one.addPod(pod('large', '2'));
    await one.clock.advance(2_000);
    const message = async () => podCondition(await podNow(one, 'large'), 'PodScheduled')?.message;
    expect(await message()).toMatch(/^0\/1 nodes are available: 1 Insufficient cpu\. preemption: /);
    await one.addNode(readyNode('m', {}, { spec: { unschedulable: true } }));
    await one.clock.advance(3_000);
    expect(await message()).toMatch(/^0\/2 nodes are available: 1 Insufficient cpu, 1 node\(s\) were unschedulable\. /);
    await one.clock.advance(130_000);
    const { items } = await one.api.client.list('Event');
    const failed = items.filter(({ reason }) => reason === 'FailedScheduling');
    expect(new Set(failed.map(({ message }) => message)).size).toBe(failed.length);
  });

  it('is not written for a pod that was deleted or bound meanwhile', async () => {
    const one = await start();
    await one.addPod(pod('large', '2'));
    await one.addPod(pod('other', '2'));
    await one.clock.advance(1_000);
    const written: string[] = [];
    const patch = one.client.patch.bind(one.client);
    one.client.patch = (kind, name, body, options) => {
      if (kind === 'Pod') written.push(name);
      return patch(kind, name, body, options);
    };
    await one.addNode(readyNode('m', { cpu: '2' }));
    await one.deletePod('other');
    await one.clock.advance(3_000);
    expect(await one.nodeOf('large')).toBe('m');
    expect(podCondition(await podNow(one, 'large'), 'PodScheduled')?.status).toBe('True');
    expect(written).not.toContain('other');
  });
});

describe('a scheduler', () => {
  it('of another name takes the pods that name it, and those without a name are the default one’s', async () => {
    const one = await start({ name: 'mine' });
    await one.addPod(pod('default', '100m'));
    await one.addPod(pod('mine', '100m', { schedulerName: 'mine' }));
    await one.clock.advance(1_000);
    expect(await one.placed()).toEqual({ n: ['mine'] });
  });

  it('has no more bindings in flight than its limits allow, and reaches all pods in the end', async () => {
    const one = await start({ limits: { inFlight: 2 } });
    const slow = one.client.writes.hold({ match: bindings });
    for (let i = 0; i < 7; i++) await one.addPod(pod(`p${i}`, '100m'));
    await one.clock.advance(100);
    expect(one.scheduler.pending).toMatchObject({ inFlight: 2, active: 5 });
    slow.release();
    await one.clock.advance(2_000);
    expect((await one.placed()).n).toHaveLength(7);
  });

  it('decides again for a pod that changes before its placement is sent', async () => {
    const one = await start();
    const slow = one.client.writes.hold({ match: bindings });
    await one.addPod(pod('first', '100m'));
    await one.clock.advance(10);
    await one.addPod(pendingPod('second', { cpu: '100m' }, { labels: { app: 'x' } }));
    await one.clock.advance(10);
    const decided = one.decisions;
    const now = await podNow(one, 'second');
    await one.api.client.update('Pod', { ...now, metadata: { ...now.metadata, labels: { app: 'y' } } });
    await one.clock.advance(10);
    expect(one.decisions).toBe(decided + 1);
    slow.release();
    await one.clock.advance(1_000);
    expect((await one.placed()).n).toEqual(['first', 'second']);
    expect(one.sent).toEqual(['first', 'second']);
  });

  it('takes back a placement that is not sent yet when its pod is deleted, and gives the room to another', async () => {
    const one = await start();
    const slow = one.client.writes.hold({ match: bindings });
    await one.addPod(pod('first', '100m'));
    await one.clock.advance(10);
    await one.addPod(pod('second', '900m'));
    await one.addPod(pod('third', '900m'));
    await one.clock.advance(2_000);
    expect(one.scheduler.pending).toEqual({ active: 0, unschedulable: 1, inFlight: 2 });
    await one.deletePod('second');
    await one.clock.advance(2_000);
    expect(one.scheduler.pending).toEqual({ active: 0, unschedulable: 0, inFlight: 2 });
    slow.release();
    await one.clock.advance(2_000);
    expect((await one.placed()).n).toEqual(['first', 'third']);
    expect(one.sent).toEqual(['first', 'third']);
  });

  it('decides again for pods that wait for a node that changes or is deleted', async () => {
    const one = await start();
    await one.addNode(readyNode('m', { cpu: '500m' }));
    const slow = one.client.writes.hold({ match: bindings });
    await one.addPod(pod('first', '600m'));
    await one.clock.advance(10);
    await one.addPod(pod('second', '300m', { nodeSelector: { 'kubernetes.io/hostname': 'n' } }));
    await one.clock.advance(10);
    const node = await one.api.client.get('Node', 'n');
    await one.api.client.update('Node', { ...node, spec: { unschedulable: true } });
    await one.clock.advance(10);
    slow.release();
    await one.clock.advance(2_000);
    expect(await one.nodeOf('second')).toBeUndefined();
    expect(one.sent).toEqual(['first']);
    await one.api.client.delete('Node', 'n');
    await one.clock.advance(2_000);
    expect(one.scheduler.pending).toMatchObject({ unschedulable: 1 });
  });

  it('keeps the room that another nominated a pod for, follows a change of it, and gives it up with the pod', async () => {
    const one = await start();
    await one.addNode(readyNode('m', { cpu: '1' }));
    const nominate = async (name: string, nominatedNodeName: string | undefined) => {
      const now = await podNow(one, name);
      await one.api.client.updateStatus('Pod', { ...now, status: { ...now.status, nominatedNodeName } });
    };
    await one.addPod(pod('low', '1'));
    await one.addPod(pod('lower', '1'));
    await one.clock.advance(1_000);
    expect(Object.keys(await one.placed()).sort()).toEqual(['m', 'n']);
    await one.addPod(pod('high', '1', critical));
    await one.clock.advance(2_000);
    const place = (await podNow(one, 'high')).status?.nominatedNodeName;
    expect(['m', 'n']).toContain(place);
    // A word of others does not move a room that is kept.
    await nominate('high', place === 'n' ? 'm' : 'n');
    await one.clock.advance(2_000);
    expect((await podNow(one, 'high')).status?.nominatedNodeName).toBe(place);
    await one.deletePod('high');
    const victims = (await one.api.client.list('Pod')).items.filter(({ metadata }) => metadata.deletionTimestamp);
    for (const { metadata } of victims) await one.deletePod(metadata.name);
    await one.addPod(pod('next', '1'));
    await one.clock.advance(3_000);
    expect(await one.nodeOf('next')).toBe(place);
  });

  it('gives a room that was made to its pod, though an equal one still waits for another room', async () => {
    const one = await start();
    await one.addNode(readyNode('m', { cpu: '1' }));
    for (const name of ['low-1', 'low-2']) await one.addPod(pod(name, '1'));
    await one.clock.advance(500);
    for (const name of ['high-1', 'high-2']) await one.addPod(pod(name, '1', critical));
    await one.clock.advance(2_000);
    const rooms = await Promise.all(['high-1', 'high-2'].map((name) => podNow(one, name)));
    expect(rooms.map(({ status }) => status?.nominatedNodeName).sort()).toEqual(['m', 'n']);
    // The victim of the second goes, that of the first takes its time.
    const second = rooms[1]?.status?.nominatedNodeName ?? '';
    for (const name of (await one.placed())[second] ?? []) await one.deletePod(name);
    await one.clock.advance(3_000);
    expect(await one.placed()).toMatchObject({ [second]: ['high-2'] });
    expect(await one.nodeOf('high-1')).toBeUndefined();
  });

  it('ends when it is aborted, with nothing under way', async () => {
    const one = await start();
    await one.addPod(pod('a', '100m'));
    await one.clock.advance(100);
    await one.halt();
    await one.addPod(pod('b', '100m'));
    await one.clock.advance(5_000);
    expect(one.sent).toEqual(['a']);
  });
});
