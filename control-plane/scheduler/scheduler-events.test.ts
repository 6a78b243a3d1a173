import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Node, Pod } from '../../shared/generated/types.ts';
import { BrakedScheduler, bindings } from '../../test/support/braked-scheduler.ts';
import { pendingPod, readyNode } from '../../test/support/scheduling.ts';

type Spec = Partial<Pod['spec']>;

const labelled = (name: string, app: string, spec: Spec = {}, cpu = '100m'): Pod =>
  pendingPod(name, { cpu }, { labels: { app }, spec });
const term = (app: string, more: Record<string, unknown> = {}) => ({
  topologyKey: 'kubernetes.io/hostname',
  labelSelector: { matchLabels: { app } },
  ...more,
});
const near = (app: string, more: Record<string, unknown> = {}): Spec => ({
  affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term(app, more)] } },
});
const away = (app: string): Spec => ({
  affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term(app)] } },
});

describe('an unschedulable pod', () => {
  let one: BrakedScheduler;

  beforeEach(async () => {
    one = await BrakedScheduler.start();
  });

  afterEach(async () => {
    await one.stop();
    expect(one.broken).toEqual([]);
  });

  const nodeNow = (name: string) => one.api.client.get('Node', name);
  const podNow = (name: string) => one.api.client.get('Pod', name, 'default');
  async function updateNode(name: string, change: (node: Node) => Node): Promise<void> {
    await one.api.client.update('Node', change(await nodeNow(name)));
  }
  async function setStatus(name: string, status: Node['status']): Promise<void> {
    const node = await nodeNow(name);
    await one.api.client.updateStatus('Node', { ...node, status: { ...node.status, ...status } });
  }
  async function setPhase(name: string, phase: 'Succeeded' | 'Failed'): Promise<void> {
    const pod = await podNow(name);
    await one.api.client.updateStatus('Pod', { ...pod, status: { ...pod.status, phase } });
  }
  const relabel = async (name: string, app: string): Promise<void> => {
    const pod = await podNow(name);
    await one.api.client.update('Pod', { ...pod, metadata: { ...pod.metadata, labels: { app } } });
  };

  interface Case {
    readonly title: string;
    readonly node?: Node;
    readonly placed?: Pod;
    readonly waits: Pod;
    happens(): Promise<void>;
  }
  const n = readyNode('n', { cpu: '1' });
  const port = (name: string): Pod => pendingPod(name, {}, { ports: [{ hostPort: 80, containerPort: 80 }] });
  const spread = { ...term('x'), maxSkew: 1, whenUnsatisfiable: 'DoNotSchedule' as const, minDomains: 2 };
  const cases: Case[] = [
    {
      title: 'a node has become larger',
      waits: labelled('p', 'p', {}, '2'),
      happens: () => setStatus('n', { allocatable: { cpu: '2', memory: '1Gi', pods: '9' } }),
    },
    {
      title: 'a node is no longer cordoned',
      node: readyNode('n', {}, { spec: { unschedulable: true } }),
      waits: labelled('p', 'p'),
      happens: () => updateNode('n', (node) => ({ ...node, spec: {} })),
    },
    {
      title: 'a node has lost its taint',
      node: readyNode('n', {}, { spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] } }),
      waits: labelled('p', 'p'),
      happens: () => updateNode('n', (node) => ({ ...node, spec: {} })),
    },
    {
      title: 'a node has the label',
      waits: labelled('p', 'p', { nodeSelector: { disk: 'ssd' } }),
      happens: () => updateNode('n', (node) => ({ ...node, metadata: { ...node.metadata, labels: { disk: 'ssd' } } })),
    },
    {
      title: 'a pod has gone',
      placed: labelled('q', 'q', {}, '1'),
      waits: labelled('p', 'p', {}, '1'),
      happens: () => one.deletePod('q'),
    },
    {
      title: 'a pod has succeeded',
      placed: labelled('q', 'q', {}, '1'),
      waits: labelled('p', 'p', {}, '1'),
      happens: () => setPhase('q', 'Succeeded'),
    },
    {
      title: 'a pod has failed',
      placed: labelled('q', 'q', {}, '1'),
      waits: labelled('p', 'p', {}, '1'),
      happens: () => setPhase('q', 'Failed'),
    },
    { title: 'a port of the node is free', placed: port('q'), waits: port('p'), happens: () => one.deletePod('q') },
    {
      title: 'the pod that it wants to be near has come',
      waits: labelled('p', 'p', near('x')),
      happens: () => one.addPod(labelled('q', 'x')),
    },
    {
      title: 'a pod has got the labels that it wants to be near',
      placed: labelled('q', 'y'),
      waits: labelled('p', 'p', near('x')),
      happens: () => relabel('q', 'x'),
    },
    {
      title: 'a pod has lost the labels that it wants to be away from',
      placed: labelled('q', 'x'),
      waits: labelled('p', 'p', away('x')),
      happens: () => relabel('q', 'y'),
    },
    {
      title: 'the pod that keeps it away has gone',
      placed: labelled('q', 'q', away('p')),
      waits: labelled('p', 'p'),
      happens: () => one.deletePod('q'),
    },
    {
      title: 'a pod that counts in its spread is being deleted',
      placed: labelled('q', 'x', { topologySpreadConstraints: [spread] }),
      waits: labelled('p', 'x', { topologySpreadConstraints: [spread] }),
      happens: () => one.api.client.delete('Pod', 'q', { namespace: 'default', gracePeriodSeconds: 60 }),
    },
    {
      title: 'it has other labels itself',
      placed: labelled('q', 'q', away('p')),
      waits: labelled('p', 'p'),
      happens: () => relabel('p', 'x'),
    },
    {
      title: 'a namespace has got the labels that its affinity selects',
      placed: labelled('q', 'x'),
      waits: labelled('p', 'p', near('x', { namespaceSelector: { matchLabels: { team: 'red' } } })),
      async happens() {
        const namespace = await one.api.client.get('Namespace', 'default');
        const labels = { ...namespace.metadata.labels, team: 'red' };
        await one.api.client.update('Namespace', { ...namespace, metadata: { ...namespace.metadata, labels } });
      },
    },
  ];

  it.each(cases)('is placed soon after $title', async ({ node = n, placed, waits, happens }) => {
    await one.addNode(node);
    if (placed) await one.addPod(placed);
    await one.clock.advance(500);
    await one.addPod(waits);
    await one.clock.advance(3_000);
    expect(await one.nodeOf('p')).toBeUndefined();
    expect(one.scheduler.pending).toEqual({ active: 0, unschedulable: 1, inFlight: 0 });
    await happens();
    await one.clock.advance(3_000);
    expect(await one.nodeOf('p')).toBe('n');
  });

  it('is not decided again for an event that cannot help it', async () => {
    await one.addNode(readyNode('n', { cpu: '1' }));
    await one.addPod(labelled('placed', 'x', {}, '600m'));
    await one.addPod(labelled('large', 'p', {}, '2'));
    await one.addPod(labelled('picky', 'p', { nodeSelector: { disk: 'ssd' } }));
    await one.clock.advance(5_000);
    const before = one.decisions;
    // A label of a pod, a heartbeat of a node, a pod that begins to be deleted, another's pod.
    await relabel('placed', 'y');
    await one.clock.advance(3_000);
    const afterRelabel = one.decisions;
    const conditions = [{ type: 'Ready', status: 'True', lastHeartbeatTime: '2026-05-05T00:00:00Z' }];
    await setStatus('n', { conditions });
    await one.api.client.delete('Pod', 'placed', { namespace: 'default', gracePeriodSeconds: 60 });
    await one.addPod(labelled('theirs', 'z', { schedulerName: 'other' }));
    await one.clock.advance(3_000);
    // A relabelled pod may have lower requests: only the pod that lacks room is tried again.
    expect(afterRelabel - before).toBeLessThanOrEqual(1);
    expect(one.decisions).toBe(afterRelabel);
  });

  it('is decided again after at most a minute without events', async () => {
    await one.addNode(readyNode('n', { cpu: '1' }));
    await one.addPod(labelled('p', 'p', {}, '2'));
    await one.clock.advance(3_000);
    const before = one.decisions;
    await one.clock.advance(55_000);
    expect(one.decisions).toBe(before);
    await one.clock.advance(5_000);
    expect(one.decisions).toBe(before + 1);
  });

  it('is counted as active, in flight or unschedulable, each once, also when it is deleted in flight', async () => {
    await one.addNode(readyNode('n', { cpu: '1' }));
    await one.addPod(labelled('large', 'p', {}, '2'));
    await one.clock.advance(1_000);
    const slow = one.client.writes.hold({ match: bindings });
    await one.addPod(labelled('a', 'p', {}, '600m'));
    await one.clock.advance(100);
    expect(one.scheduler.pending).toEqual({ active: 0, unschedulable: 1, inFlight: 1 });
    await one.deletePod('a');
    await one.clock.advance(100);
    expect(one.scheduler.pending).toEqual({ active: 0, unschedulable: 1, inFlight: 1 });
    slow.release();
    await one.clock.advance(1_000);
    expect(one.scheduler.pending).toEqual({ active: 0, unschedulable: 1, inFlight: 0 });
    // What the deleted pod was assumed to take is free again.
    await one.addPod(labelled('b', 'p', {}, '1'));
    await one.clock.advance(1_000);
    expect(await one.nodeOf('b')).toBe('n');
    one.client.writes.fail({ match: bindings, times: 20 });
    await one.deletePod('b');
    await one.addPod(labelled('c', 'p'));
    await one.clock.advance(1_000);
    expect(one.scheduler.pending).toEqual({ active: 1, unschedulable: 1, inFlight: 0 });
  });
});
