import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HorizontalPodAutoscaler, Kind, Pod } from '../../../shared/generated/types.ts';
import { ControllerRoom } from '../../../test/support/controller-room.ts';
import { createHorizontalPodAutoscalerController } from './controller.ts';

const namespace = 'default';
const labels = { app: 'web' };
const template = {
  metadata: { labels },
  spec: {
    containers: [
      { name: 'main', image: 'some:1', resources: { requests: { cpu: '1' } } },
      { name: 'side', image: 'some:1', resources: { requests: { cpu: '1' } } },
    ],
  },
};

let room: ControllerRoom;
beforeEach(async () => {
  room = await ControllerRoom.start(createHorizontalPodAutoscalerController);
});
afterEach(() => room.stop());

/** A target with as many pods, each of whose containers uses so much cpu. */
async function target(kind: Kind, replicas: number, cpu: Readonly<Record<string, number>>): Promise<void> {
  const selector = kind === 'ReplicationController' ? labels : { matchLabels: labels };
  const spec = { replicas, selector, template, ...(kind === 'StatefulSet' ? { serviceName: 'web' } : {}) };
  await room.client.create(kind as 'Deployment', { metadata: { name: 'web', namespace }, spec } as never);
  const at = '2025-12-31T00:00:00Z';
  for (let index = 0; index < replicas; index++) {
    const pod = await room.client.create('Pod', {
      metadata: { name: `web-${index}`, namespace, labels },
      spec: { ...template.spec, nodeName: 'n1' },
    } as never);
    const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: at }];
    await room.client.updateStatus('Pod', { ...pod, status: { phase: 'Running', startTime: at, conditions } } as Pod);
  }
  await use(cpu);
}

async function use(cpu: Readonly<Record<string, number>>): Promise<void> {
  const { items } = await room.client.list('Pod', { namespace });
  const containers = Object.entries(cpu).map(([name, cores]) => ({
    name,
    cpuNanoCores: cores * 1e9,
    memoryBytes: 2 ** 20,
  }));
  const pods = new Map(items.map(({ metadata: { uid } }) => [uid, { uid, windowMs: 15_000, containers }]));
  room.usage.set('n1', { at: room.clock.now(), node: { cpuNanoCores: 0, memoryBytes: 0, windowMs: 15_000 }, pods });
}

const cpuMetric = {
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } },
};
async function autoscale(kind: string, more: object = {}, name = 'a'): Promise<void> {
  const apiVersion = kind === 'ReplicationController' ? 'v1' : 'apps/v1';
  await room.client.create('HorizontalPodAutoscaler', {
    metadata: { name, namespace },
    spec: { scaleTargetRef: { apiVersion, kind, name: 'web' }, maxReplicas: 10, metrics: [cpuMetric], ...more },
  } as never);
  await room.advance(200);
}
const read = (name = 'a') => room.client.get('HorizontalPodAutoscaler', name, namespace);
const size = async (kind: Kind = 'Deployment') =>
  (await room.client.get(kind as 'Deployment', 'web', namespace)).spec.replicas;
const condition = ({ status }: HorizontalPodAutoscaler, type: string) => {
  const { status: is, reason, message } = status?.conditions?.find((one) => one.type === type) ?? {};
  return [is, reason, message];
};

describe.each<Kind>(['Deployment', 'ReplicaSet', 'StatefulSet', 'ReplicationController'])('a %s', (kind) => {
  it('is scaled up by the usage of its pods, with status, conditions and event', async () => {
    await target(kind, 2, { main: 1, side: 0.5 });
    await autoscale(kind);
    expect(await size(kind)).toBe(3);
    const autoscaler = await read();
    expect(autoscaler.status).toMatchObject({
      currentReplicas: 2,
      desiredReplicas: 3,
      lastScaleTime: expect.any(String),
      currentMetrics: [
        { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 75, averageValue: '1500m' } } },
      ],
    });
    expect(condition(autoscaler, 'AbleToScale')).toEqual([
      'True',
      'SucceededRescale',
      'the HPA controller was able to update the target scale to 3',
    ]);
    expect(condition(autoscaler, 'ScalingActive').slice(0, 2)).toEqual(['True', 'ValidMetricFound']);
    expect(condition(autoscaler, 'ScalingLimited').slice(0, 2)).toEqual(['False', 'DesiredWithinRange']);
    expect(room.events.filter(({ about }) => about === 'a')).toEqual([
      {
        about: 'a',
        type: 'Normal',
        reason: 'SuccessfulRescale',
        message: 'New size: 3; reason: cpu resource utilization (percentage of request) above target',
      },
    ]);
  });
});

it('computes every 15 seconds, and scales down only when the window has passed', async () => {
  await target('Deployment', 4, { main: 0.1, side: 0.1 });
  await autoscale('Deployment');
  expect(condition(await read(), 'AbleToScale').slice(0, 2)).toEqual(['True', 'ScaleDownStabilized']);
  await room.advance(280_000);
  expect(await size()).toBe(4);
  await room.advance(40_000);
  expect(await size()).toBe(1);
  expect(room.events.at(-1)?.message).toBe('New size: 1; reason: All metrics below target');
});

it('counts one container alone, and several metrics by the largest', async () => {
  await target('Deployment', 2, { main: 1, side: 0.1 });
  const containerResource = { name: 'cpu', container: 'main', target: { type: 'Utilization', averageUtilization: 50 } };
  const resource = { name: 'memory', target: { type: 'AverageValue', averageValue: '100Mi' } };
  const metrics = [
    { type: 'ContainerResource', containerResource },
    { type: 'Resource', resource },
  ];
  await autoscale('Deployment', { metrics });
  expect(await size()).toBe(4);
  expect((await read()).status?.currentMetrics).toMatchObject([
    { containerResource: { container: 'main', current: { averageUtilization: 100 } } },
    { resource: { name: 'memory', current: { averageValue: expect.any(String) } } },
  ]);
});

it('brings the target within its bounds at once', async () => {
  await target('Deployment', 2, { main: 0, side: 0 });
  await autoscale('Deployment', { minReplicas: 6 });
  expect(await size()).toBe(6);
  expect(room.events.at(-1)?.message).toBe('New size: 6; reason: Current number of replicas below Spec.MinReplicas');
});

it('leaves a target of zero replicas alone', async () => {
  await target('Deployment', 0, {});
  await autoscale('Deployment');
  expect(condition(await read(), 'ScalingActive').slice(0, 2)).toEqual(['False', 'ScalingDisabled']);
  expect(await size()).toBe(0);
});

it.each([
  ['Object', 'object', { describedObject: { kind: 'Service', name: 's' } }, 'FailedGetObjectMetric', 'custom'],
  ['Pods', 'pods', {}, 'FailedGetPodsMetric', 'custom'],
  ['External', 'external', {}, 'FailedGetExternalMetric', 'external'],
])('says of %s metrics that no adapter serves them', async (type, field, more, reason, api) => {
  await target('Deployment', 2, { main: 1, side: 1 });
  const source = { ...more, metric: { name: 'hits' }, target: { type: 'AverageValue', averageValue: '1' } };
  await autoscale('Deployment', { metrics: [{ type, [field]: source }] });
  const why = `unable to get metric hits: no adapter serves ${api}.metrics.k8s.io in this cluster`;
  expect(condition(await read(), 'ScalingActive')).toEqual([
    'False',
    reason,
    `the HPA was unable to compute the replica count: ${why}`,
  ]);
  expect(room.reasons('a')).toEqual([reason, 'FailedComputeMetricsReplicas']);
  expect(await size()).toBe(2);
});

it('does not scale down while a metric is missing, and does scale up', async () => {
  await target('Deployment', 4, { main: 0, side: 0 });
  const pods = { metric: { name: 'hits' }, target: { type: 'AverageValue', averageValue: '1' } };
  const scaleDown = { stabilizationWindowSeconds: 0 };
  await autoscale('Deployment', { metrics: [cpuMetric, { type: 'Pods', pods }], behavior: { scaleDown } });
  await room.advance(20_000);
  expect(await size()).toBe(4);
  await use({ main: 1, side: 1 });
  await room.advance(20_000);
  expect(await size()).toBe(8);
});

it('reports a target that is missing, is of no kind, or has no scale, and goes on when it is there', async () => {
  await autoscale('Deployment');
  expect(condition(await read(), 'AbleToScale')).toEqual([
    'False',
    'FailedGetScale',
    'the HPA controller was unable to get the target\'s current scale: deployments/scale.apps "web" not found',
  ]);
  await autoscale('Nothing', {}, 'b');
  expect(condition(await read('b'), 'AbleToScale')[2]).toContain('no matches for kind "Nothing" in group "apps"');
  await autoscale('DaemonSet', {}, 'c');
  expect(condition(await read('c'), 'AbleToScale')[2]).toContain('could not find the requested resource');
  await target('Deployment', 2, { main: 1, side: 1 });
  await room.advance(16_000);
  expect(await size()).toBe(4);
});

it('refuses pods that two autoscalers scale by', async () => {
  await target('Deployment', 2, { main: 1, side: 1 });
  await autoscale('Deployment', {}, 'a');
  await autoscale('Deployment', {}, 'b');
  expect(condition(await read('b'), 'ScalingActive').slice(0, 2)).toEqual(['False', 'AmbiguousSelector']);
});

it('reports a scaling that fails, and repeats it', async () => {
  await target('Deployment', 2, { main: 1, side: 1 });
  room.braked.writes.fail({ match: ({ verb, kind }) => verb === 'patch' && kind === 'Deployment' });
  await autoscale('Deployment');
  expect(condition(await read(), 'AbleToScale').slice(0, 2)).toEqual(['False', 'FailedUpdateScale']);
  expect(room.reasons('a')).toEqual(['FailedRescale']);
  await room.advance(16_000);
  expect(await size()).toBe(4);
});
