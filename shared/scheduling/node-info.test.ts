import { describe, expect, it } from 'vitest';
import { pendingPod, readyNode, terminating } from '../../test/support/scheduling.ts';
import type { Node, Pod } from '../generated/types.ts';
import { NodeInfo, type PodInfo } from './node-info.ts';
import { shapeOf } from './pod-shape.ts';

const info = (pod: Pod): PodInfo =>
  ({
    key: pod.metadata.name,
    shape: shapeOf(pod),
    deleting: pod.metadata.deletionTimestamp !== undefined,
  }) as unknown as PodInfo;

function stateOf(node: Node): NodeInfo {
  const state = new NodeInfo(node.metadata.name, 3);
  state.setNode(node);
  return state;
}

const withReady = (node: Node, status: string | undefined): Node => ({
  ...node,
  status: {
    ...node.status,
    conditions: [
      { type: 'MemoryPressure', status: 'False' },
      ...(status === undefined ? [] : [{ type: 'Ready', status }]),
    ],
  },
});

describe('the capacity of a node', () => {
  it('is its allocatable amounts, of every kind, and its number of pods', () => {
    const { allocatable, allocatablePods } = stateOf(
      readyNode('n', { cpu: '1500m', memory: '1Gi', 'ephemeral-storage': '2Gi', pods: '7', 'example.com/gpu': '2' }),
    );
    expect(allocatable).toEqual({
      cpuMillis: 1_500,
      memoryBytes: 2 ** 30,
      ephemeralBytes: 2 ** 31,
      other: new Map([['example.com/gpu', 2]]),
    });
    expect(allocatablePods).toBe(7);
    expect(stateOf(readyNode('n', { pods: '1k' })).allocatablePods).toBe(1_000);
  });

  it('is empty before the agent’s first report', () => {
    const { status: _, ...silent } = readyNode('n');
    const bare = { ...silent, spec: undefined } as unknown as Node;
    const state = stateOf(bare);
    expect(state.setNode({ ...bare })).toBe(false);
    expect(state.setNode({ ...bare, spec: {}, status: {} } as unknown as Node)).toBe(false);
    expect(state.allocatablePods).toBe(0);
    expect(state.allocatable).toMatchObject({ cpuMillis: 0, memoryBytes: 0 });
    expect(state.images.size).toBe(0);
    expect(state.taints).toEqual([{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }]);
  });

  it('has its images by each of their names', () => {
    const node = readyNode('n', {}, { images: [['app:1', 5]] });
    node.status = {
      ...node.status,
      images: [...(node.status?.images ?? []), { names: ['b:1', 'b:latest'], sizeBytes: 7 }, { names: ['c:1'] }],
    };
    expect(stateOf(node).images).toEqual(
      new Map([
        ['app:1', 5],
        ['b:1', 7],
        ['b:latest', 7],
        ['c:1', 0],
      ]),
    );
  });

  it('is cordoned only by its spec', () => {
    expect(stateOf(readyNode('n')).unschedulable).toBe(false);
    expect(stateOf(readyNode('n', {}, { spec: { unschedulable: true } })).unschedulable).toBe(true);
    expect(stateOf({ ...readyNode('n'), spec: undefined } as unknown as Node).unschedulable).toBe(false);
  });
});

describe('a node that is not ready', () => {
  it.each([
    ['True', undefined],
    ['False', 'node.kubernetes.io/not-ready'],
    ['Unknown', 'node.kubernetes.io/unreachable'],
    [undefined, 'node.kubernetes.io/not-ready'],
  ])('with Ready=%s counts as tainted by %s', (status, key) => {
    expect(stateOf(withReady(readyNode('n'), status)).taints).toEqual(key ? [{ key, effect: 'NoSchedule' }] : []);
  });

  it('keeps its own taints, and is not tainted twice', () => {
    const own = { key: 'gpu', effect: 'NoSchedule' as const };
    const taint = { key: 'node.kubernetes.io/not-ready', effect: 'NoExecute' as const };
    const implied = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' };
    const tainted = (...taints: NonNullable<NonNullable<Node['spec']>['taints']>) =>
      stateOf(withReady(readyNode('n', {}, { spec: { taints } }), 'False')).taints;
    expect(tainted(own)).toEqual([own, implied]);
    expect(tainted(own, taint)).toEqual([own, taint]);
    expect(tainted({ ...taint, effect: 'PreferNoSchedule' })).toContainEqual(implied);
  });
});

describe('a node’s versions', () => {
  const node = withReady(
    readyNode('n', {}, { labels: { zone: 'a' }, spec: { taints: [{ key: 'gpu', effect: 'NoSchedule' }] } }),
    'True',
  );
  const changes: [string, Node][] = [
    ['labels', { ...node, metadata: { ...node.metadata, labels: { zone: 'b' } } }],
    ['identity', { ...node, metadata: { ...node.metadata, uid: 'another' } }],
    ['cordon', { ...node, spec: { ...node.spec, unschedulable: true } }],
    ['taints', { ...node, spec: { taints: [{ key: 'gpu', value: 'a100', effect: 'NoSchedule' }] } }],
    ['readiness', withReady(node, 'False')],
    ['allocatable', { ...node, status: { ...node.status, allocatable: { cpu: '5' } } }],
    ['images', { ...node, status: { ...node.status, images: [{ names: ['x'], sizeBytes: 1 }] } }],
  ];

  it.each(changes)('grow with a change of its %s', (_, changed) => {
    const state = stateOf(node);
    const { version, objectVersion } = state;
    expect(state.setNode(changed)).toBe(true);
    expect(state.version).toBeGreaterThan(version);
    expect(state.objectVersion).toBeGreaterThan(objectVersion);
  });

  it('stay when its heartbeat alone changes, and its newest object is kept', () => {
    const state = stateOf(node);
    const { version, objectVersion } = state;
    const beat: Node = {
      ...node,
      metadata: { ...node.metadata, resourceVersion: '99', annotations: { beat: '1' } },
      status: {
        ...node.status,
        conditions: [{ type: 'Ready', status: 'True', lastHeartbeatTime: '2026-02-02T00:00:00Z' }],
      },
    };
    expect(state.setNode(beat)).toBe(false);
    expect([state.version, state.objectVersion]).toEqual([version, objectVersion]);
    expect(state.node).toBe(beat);
  });

  it('grow when the node is deleted, which removes its whole capacity, and when it is added again', () => {
    const state = stateOf(node);
    const { objectVersion } = state;
    expect(state.setNode(undefined)).toBe(true);
    expect(state.objectVersion).toBeGreaterThan(objectVersion);
    expect(state).toMatchObject({ node: undefined, labels: {}, taints: [], allocatablePods: 0, unschedulable: false });
    expect(state.images.size).toBe(0);
    expect(state.allocatable.cpuMillis).toBe(0);
    expect(state.setNode(node)).toBe(true);
    expect(state.labels).toMatchObject({ zone: 'a' });
  });

  it('grow with every pod that comes or goes, the version of the object alone does not', () => {
    const state = stateOf(node);
    const one = info(pendingPod('a'));
    const versions = [state.version];
    const { objectVersion } = state;
    state.addPod(one);
    versions.push(state.version);
    state.removePod(one);
    versions.push(state.version);
    expect(versions).toEqual(versions.toSorted((a, b) => a - b));
    expect(new Set(versions).size).toBe(3);
    expect(state.objectVersion).toBe(objectVersion);
    state.removePod(one);
    expect(state.version).toBe(versions[2]);
  });
});

describe('the usage of a node', () => {
  const requests = { cpu: '500m', memory: '1Gi', 'ephemeral-storage': '2Gi', 'example.com/gpu': '1' };
  const used = {
    cpuMillis: 500,
    memoryBytes: 2 ** 30,
    ephemeralBytes: 2 ** 31,
    other: new Map([['example.com/gpu', 1]]),
  };
  const none = { cpuMillis: 0, memoryBytes: 0, ephemeralBytes: 0, other: new Map([['example.com/gpu', 0]]) };

  it('is the sum over its pods for every resource, and zero without pods', () => {
    const state = stateOf(readyNode('n'));
    const [one, unasking] = [info(pendingPod('a', requests)), info(pendingPod('b', {}))];
    state.addPod(one);
    expect(state.used).toEqual(used);
    state.addPod(unasking);
    expect(state.used).toEqual(used);
    expect([state.nonZeroCpuMillis, state.nonZeroMemoryBytes]).toEqual([600, 2 ** 30 + 209_715_200]);
    expect(state.pods.size).toBe(2);
    state.removePod(one);
    state.removePod(unasking);
    expect(state.used).toEqual(none);
    expect([state.nonZeroCpuMillis, state.nonZeroMemoryBytes, state.pods.size]).toEqual([0, 0, 0]);
  });

  it('includes pods that are being deleted, which no longer count in their spread group', () => {
    const state = stateOf(readyNode('n'));
    const stays = info(pendingPod('a', requests, { labels: { app: 'x' } }));
    const goes = info(terminating(pendingPod('b', requests, { labels: { app: 'x' } })));
    goes.shape = stays.shape;
    state.addPod(stays);
    state.addPod(goes);
    const group = stays.shape.spreadGroup ?? '';
    expect(state.used.cpuMillis).toBe(1_000);
    expect(state.groups.get(group)).toBe(1);
    expect([state.shapes.get(stays.shape), state.terminating.get(stays.shape)]).toEqual([2, 1]);
    state.removePod(goes);
    expect([state.shapes.get(stays.shape), state.terminating.has(stays.shape), state.groups.get(group)]).toEqual([
      1,
      false,
      1,
    ]);
    state.removePod(stays);
    expect([state.shapes.size, state.groups.size]).toEqual([0, 0]);
  });

  it('counts pods without labels or controller in no spread group', () => {
    const state = stateOf(readyNode('n'));
    state.addPod(info(pendingPod('a')));
    expect(state.groups.size).toBe(0);
  });

  it('distinguishes ports by number, protocol and address, and keeps one that two pods use until both are gone', () => {
    const state = stateOf(readyNode('n'));
    const port = (name: string, protocol: 'TCP' | 'UDP', hostIP?: string, hostPort = 53) =>
      info(pendingPod(name, {}, { ports: [{ containerPort: 53, hostPort, protocol, ...(hostIP ? { hostIP } : {}) }] }));
    const [tcp, same, udp, local, other] = [
      port('a', 'TCP'),
      port('b', 'TCP'),
      port('c', 'UDP'),
      port('d', 'TCP', '127.0.0.1'),
      port('e', 'TCP', undefined, 54),
    ];
    for (const one of [tcp, same, udp, local, other]) state.addPod(one);
    const taken = () =>
      [...state.ports.values()].map(({ port, count }) => `${port.ip} ${port.protocol} ${port.port} ${count}`).sort();
    expect(taken()).toEqual(['0.0.0.0 TCP 53 2', '0.0.0.0 TCP 54 1', '0.0.0.0 UDP 53 1', '127.0.0.1 TCP 53 1']);
    state.removePod(tcp);
    expect(taken()).toContain('0.0.0.0 TCP 53 1');
    for (const one of [same, udp, local, other]) state.removePod(one);
    expect(taken()).toEqual([]);
  });
});
