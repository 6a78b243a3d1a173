import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Event } from '../../../shared/generated/types.ts';
import { silentLog } from '../../../shared/log.ts';
import { seededRandom } from '../../../shared/random.ts';
import { VirtualClock } from '../../../shared/virtual-clock.ts';
import type { HollowCluster } from '../../../test/support/hollow-cluster.ts';
import { SessionScene } from '../../../test/support/session-scene.ts';
import { Auditor } from '../../api/chain/audit/auditor.ts';
import { parsePolicy } from '../../api/chain/audit/policy.ts';

let scene: SessionScene;
let cluster: HollowCluster;

beforeEach(async () => {
  scene = await SessionScene.start();
  cluster = scene.cluster;
});

afterEach(() => scene.stop());

describe('the reports of a node', () => {
  it('leaves labels and conditions that others write at the same time', async () => {
    const agent = await scene.joined('a');
    const pod = await scene.createPod('mine', 'a');
    await cluster.clock.advance(200);
    const condition = { type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler' } as const;
    const body = { metadata: { labels: { seen: 'yes' } }, status: { conditions: [condition] } };
    const others = cluster.client.patch(
      'Pod',
      'mine',
      { type: 'strategic', body },
      { namespace: 'default', subresource: 'status' },
    );
    const marked = cluster.client.patch('Node', 'a', {
      type: 'merge',
      body: { metadata: { labels: { 'node-role.kubernetes.io/db': '' } } },
    });
    const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } as const;
    const update = { namespace: 'default', name: 'mine', uid: pod.metadata.uid, status, terminated: false };
    await agent.connection.send({ type: 'podStatus', sequence: 1, updates: [update as never] });
    await agent.connection.send({ type: 'nodeStatus', status: { capacity: { cpu: '7' } } });
    await cluster.settle(Promise.all([others, marked]));
    await cluster.clock.advance(200);
    const after = await cluster.settle(cluster.client.get('Pod', 'mine', 'default'));
    expect(after.metadata.labels).toEqual({ seen: 'yes' });
    expect(after.status?.conditions?.map(({ type }) => type).sort()).toEqual(['DisruptionTarget', 'Ready']);
    const node = await cluster.settle(cluster.client.get('Node', 'a'));
    expect(node.metadata.labels).toHaveProperty(['node-role.kubernetes.io/db']);
    expect(node.status?.capacity?.cpu).toBe('7');
  });

  it('leaves a node’s capacity and conditions of others, which are allocatable at once and outlive sessions', async () => {
    const amounts = { cpu: '4', memory: '8Gi', pods: '110' };
    const conditions = [{ type: 'Ready', status: 'True' }] as const;
    const status = { capacity: amounts, allocatable: amounts, conditions: [...conditions] };
    const agent = scene.open('a', undefined, { status } as never);
    await cluster.until(async () => agent.of('assignments').length > 0, 'it has its assignments', 5);
    const problem = { type: 'KernelDeadlock', status: 'False', reason: 'KernelHasNoDeadlock' } as const;
    const body = { status: { capacity: { 'example.com/gpu': '2' }, conditions: [problem] } };
    await cluster.settle(cluster.client.patch('Node', 'a', { type: 'strategic', body }, { subresource: 'status' }));
    const stored = async () => (await cluster.client.get('Node', 'a')).status;
    await cluster.until(async () => (await stored())?.allocatable?.['example.com/gpu'] === '2', 'it is allocatable', 5);
    await agent.connection.send({ type: 'nodeStatus', status: { ...status, images: [] } });
    await scene.open('a', undefined, { status } as never).connection.send({ type: 'nodeStatus', status });
    await cluster.clock.advance(500);
    const after = await cluster.settle(stored());
    expect(after?.capacity).toEqual({ ...amounts, 'example.com/gpu': '2' });
    expect(after?.allocatable).toEqual({ ...amounts, 'example.com/gpu': '2' });
    expect(after?.conditions?.map(({ type }) => type).sort()).toEqual(['KernelDeadlock', 'Ready']);
  });

  it('of another node’s pod, or of one that had the name before, is not believed', async () => {
    const agent = await scene.joined('a');
    await scene.joined('b');
    const theirs = await scene.createPod('theirs', 'b');
    await scene.createPod('mine', 'a');
    await cluster.clock.advance(200);
    const status = { phase: 'Failed' } as const;
    const updates = [
      { namespace: 'default', name: 'theirs', uid: theirs.metadata.uid, status, terminated: true },
      { namespace: 'default', name: 'mine', uid: 'another', status, terminated: true },
    ];
    await agent.connection.send({ type: 'podStatus', sequence: 1, updates });
    await cluster.clock.advance(200);
    const phases = (await cluster.settle(cluster.pods())).map((pod) => pod.status?.phase);
    expect(phases).toEqual(['Pending', 'Pending']);
  });

  it('as terminated removes a pod that is being deleted, and no other', async () => {
    const agent = await scene.joined('a');
    const pod = await scene.createPod('mine', 'a');
    await cluster.clock.advance(200);
    const update = { namespace: 'default', name: 'mine', uid: pod.metadata.uid, terminated: true };
    await agent.connection.send({ type: 'podStatus', sequence: 1, updates: [update] });
    await cluster.clock.advance(200);
    expect((await cluster.settle(cluster.pods())).length).toBe(1);
    await cluster.settle(cluster.client.delete('Pod', 'mine', { namespace: 'default' }));
    await cluster.clock.advance(200);
    await agent.connection.send({ type: 'podStatus', sequence: 2, updates: [update] });
    await cluster.clock.advance(200);
    expect(await cluster.settle(cluster.pods())).toEqual([]);
  });

  it('is audited as the node’s own requests, decided by the rules for nodes', async () => {
    const lines: string[] = [];
    const sink = {
      offer: (line: string) => lines.push(line) > 0,
      write: async (line: string) => void lines.push(line),
      close: async () => undefined,
    };
    const audit = {
      policy: parsePolicy('{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: Metadata}]}'),
      sink,
      strict: false,
    };
    await scene.stop();
    const clock = new VirtualClock();
    const auditor = new Auditor({ clock, random: seededRandom(1), log: silentLog, audit });
    scene = await SessionScene.start({ auditor });
    cluster = scene.cluster;
    const agent = await scene.joined('a');
    const pod = await scene.createPod('mine', 'a');
    await cluster.clock.advance(200);
    lines.length = 0;
    const update = {
      namespace: 'default',
      name: 'mine',
      uid: pod.metadata.uid,
      status: { phase: 'Running' },
      terminated: false,
    };
    await agent.connection.send({ type: 'podStatus', sequence: 1, updates: [update] });
    await cluster.clock.advance(200);
    const found = lines
      .map((line) => JSON.parse(line))
      .find(({ stage, objectRef }) => stage === 'ResponseComplete' && objectRef?.name === 'mine');
    expect(found).toMatchObject({
      verb: 'update',
      user: { username: 'system:node:a', groups: ['system:nodes', 'system:authenticated'] },
      objectRef: { resource: 'pods', subresource: 'status' },
      annotations: { 'authorization.k8s.io/decision': 'allow' },
    });
    const others = lines.map((line) => JSON.parse(line)).filter(({ objectRef }) => objectRef?.name === 'mine');
    expect(new Set(others.map(({ user }) => user.username))).toEqual(new Set(['system:node:a']));
  });

  it('is bounded: no status of any size, no address of others, no event of others’ pods, of any size or number', async () => {
    const agent = await scene.joined('a');
    const range = agent.of('registered')[0]?.podCIDR.replace('.0/24', '') ?? '';
    const pod = await scene.createPod('mine', 'a');
    await cluster.clock.advance(200);
    const report = async (status: object, sequence: number) => {
      const update = { namespace: 'default', name: 'mine', uid: pod.metadata.uid, status, terminated: false };
      await agent.connection.send({ type: 'podStatus', sequence, updates: [update as never] });
      await cluster.clock.advance(200);
      expect(agent.of('statusAck').at(-1)?.sequence).toBe(sequence);
      return (await cluster.settle(cluster.client.get('Pod', 'mine', 'default'))).status ?? {};
    };
    expect(await report({ phase: 'Running', podIP: '10.64.200.9' }, 1)).not.toHaveProperty('podIP');
    expect(await report({ phase: 'Running', podIP: '10.64.0.1\nx' }, 2)).not.toHaveProperty('podIP');
    expect(await report({ phase: 'Running', message: 'x'.repeat(60_000) }, 3)).not.toHaveProperty('message');
    expect(await report({ phase: 'Running', podIP: `${range}.9` }, 4)).toMatchObject({ podIP: `${range}.9` });
    await agent.connection.send({
      type: 'nodeStatus',
      status: { images: Array.from({ length: 501 }, () => ({ names: ['x'] })) },
    });
    await agent.connection.send({
      type: 'nodeStatus',
      status: { addresses: [{ type: 'InternalIP', address: '10.0.0.1\nroute flush' }] },
    });
    await cluster.clock.advance(200);
    expect((await cluster.settle(cluster.client.get('Node', 'a'))).status).not.toHaveProperty('images');
    expect((await cluster.settle(cluster.client.get('Node', 'a'))).status).not.toHaveProperty('addresses');

    const event = (name: string, more: object) =>
      ({
        metadata: { name, namespace: 'default' },
        involvedObject: { kind: 'Pod', name: 'gone', namespace: 'default', uid: 'never' },
        reason: 'Started',
        message: 'm',
        source: { component: 'kubelet' },
        ...more,
      }) as unknown as Event;
    const involvedObject = { kind: 'Pod', name: 'mine', namespace: 'default' };
    await agent.connection.send({ type: 'event', event: event('of-nobody', {}) });
    await agent.connection.send({
      type: 'event',
      event: event('long', { involvedObject, message: 'x'.repeat(1_025) }),
    });
    await cluster.settle(cluster.client.delete('Pod', 'mine', { namespace: 'default', gracePeriodSeconds: 0 }));
    await cluster.clock.advance(200);
    const last = { involvedObject: { ...involvedObject, uid: pod.metadata.uid } };
    for (let i = 0; i < 1_200; i++) {
      await agent.connection.send({ type: 'event', event: event(`last-${i}`, last) });
      if (i % 50 === 0) await cluster.clock.advance(100);
    }
    await cluster.clock.advance(5_000);
    const { items } = await cluster.settle(cluster.client.list('Event', { namespace: 'default' }));
    const names = items.map(({ metadata }) => metadata.name);
    expect(names).toContain('last-0');
    expect(names.filter((name) => ['of-nobody', 'long'].includes(name))).toEqual([]);
    expect(names.length).toBeLessThan(1_050);
  });

  it('as an event is stored when it is about the node or its pods, and overwrites no other event', async () => {
    const agent = await scene.joined('a');
    await scene.joined('b');
    await scene.createPod('mine', 'a');
    await scene.createPod('theirs', 'b');
    await cluster.settle(
      cluster.client.create('Event', {
        metadata: { name: 'taken', namespace: 'default' },
        involvedObject: { kind: 'Pod', name: 'mine', namespace: 'default' },
        reason: 'Scheduled',
        message: 'said by the scheduler',
        source: { component: 'default-scheduler' },
      }),
    );
    await cluster.clock.advance(200);
    const event = (name: string, pod: string, count = 2) =>
      ({
        metadata: { name, namespace: 'default' },
        involvedObject: { kind: 'Pod', name: pod, namespace: 'default' },
        reason: 'Started',
        message: 'said by the node',
        source: { component: 'kubelet', host: 'b' },
        count,
      }) as unknown as Event;
    for (const [name, pod, count] of [
      ['own', 'mine', 2],
      ['foreign', 'theirs', 2],
      ['taken', 'mine', 2],
      ['own', 'mine', 3],
    ] as const) {
      await agent.connection.send({ type: 'event', event: event(name, pod, count) });
    }
    await cluster.clock.advance(500);
    const { items } = await cluster.settle(cluster.client.list('Event', { namespace: 'default' }));
    const stored = new Map(items.map((item) => [item.metadata.name, item]));
    expect(stored.get('own')).toMatchObject({ source: { host: 'a' }, count: 3 });
    expect(stored.has('foreign')).toBe(false);
    expect(stored.get('taken')?.message).toBe('said by the scheduler');
  });
});
