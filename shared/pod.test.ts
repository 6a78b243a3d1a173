import { describe, expect, it } from 'vitest';
import type { Container, Pod, PodCondition, PodSpec, Taint, Toleration } from './generated/types.ts';
import {
  addResources,
  isPodActive,
  isPodAvailable,
  isPodReady,
  noResources,
  podLimits,
  podRequests,
  qosClass,
  resourcesOf,
  tolerates,
  untolerated,
  withCondition,
} from './pod.ts';

function container(name: string, requests: Record<string, string>, more: Partial<Container> = {}): Container {
  return { name, image: 'i', resources: { requests }, ...more };
}

describe('podRequests', () => {
  it('adds up what runs together', () => {
    const spec: PodSpec = {
      containers: [
        container('a', { cpu: '100m', memory: '64Mi' }),
        container('b', { cpu: '1', 'example.com/gpu': '2' }),
      ],
    };
    expect(podRequests(spec)).toEqual({
      cpuMillis: 1100,
      memoryBytes: 64 * 1024 ** 2,
      ephemeralBytes: 0,
      other: new Map([['example.com/gpu', 2]]),
    });
  });

  it('takes the largest init container when it needs more than all that follow', () => {
    const spec: PodSpec = {
      initContainers: [container('i', { cpu: '2' }), container('j', { cpu: '3', memory: '1Mi' })],
      containers: [container('a', { cpu: '1', memory: '2Mi' })],
      overhead: { cpu: '10m' },
    };
    expect(podRequests(spec)).toMatchObject({ cpuMillis: 3010, memoryBytes: 2 * 1024 ** 2 });
  });

  it('counts a sidecar with the containers, and with the init containers that start after it', () => {
    const sidecar = container('s', { cpu: '500m' }, { restartPolicy: 'Always' });
    const containers = [container('a', { cpu: '1' })];
    const first = container('i', { cpu: '1200m' });
    expect(podRequests({ initContainers: [sidecar, first], containers }).cpuMillis).toBe(1700);
    expect(podRequests({ initContainers: [first, sidecar], containers }).cpuMillis).toBe(1500);
  });

  it('lets the pod’s own requests take the place of its containers’', () => {
    const spec: PodSpec = {
      containers: [container('a', { cpu: '1', memory: '1Ki' })],
      resources: { requests: { cpu: '3' } },
    };
    expect(podRequests(spec)).toMatchObject({ cpuMillis: 3000, memoryBytes: 1024 });
  });

  it('reads limits the same way, and amounts by themselves', () => {
    expect(podLimits({ containers: [{ name: 'a', resources: { limits: { cpu: '2' } } }] }).cpuMillis).toBe(2000);
    const total = noResources();
    addResources(total, resourcesOf({ cpu: '2', 'ephemeral-storage': '1Gi', pods: '110' }));
    addResources(total, resourcesOf({ cpu: '500m' }), -1);
    expect(total).toEqual({
      cpuMillis: 1500,
      memoryBytes: 0,
      ephemeralBytes: 1024 ** 3,
      other: new Map([['pods', 110]]),
    });
  });
});

describe('qosClass', () => {
  const full = { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '1000m', memory: '1Gi' } };
  it.each([
    ['Guaranteed', [full]],
    ['Guaranteed', [{ limits: full.limits }]],
    ['Burstable', [full, {}]],
    ['Burstable', [{ requests: { cpu: '1m' } }]],
    ['Burstable', [{ limits: { cpu: '1' } }]],
    ['BestEffort', [{}, { requests: { 'ephemeral-storage': '1Gi' } }]],
    ['BestEffort', [{ requests: { cpu: '0' } }]],
  ])('%s', (expected, resources) => {
    const containers = resources.map((one, index) => ({ name: `c${index}`, resources: one }));
    expect(qosClass({ containers })).toBe(expected);
  });
});

describe('tolerations', () => {
  const taint: Taint = { key: 'k', value: 'v', effect: 'NoSchedule' };
  it.each<[Toleration, boolean]>([
    [{ key: 'k', value: 'v' }, true],
    [{ key: 'k', operator: 'Equal', value: 'w' }, false],
    [{ key: 'k', operator: 'Exists' }, true],
    [{ operator: 'Exists' }, true],
    [{ key: 'k', operator: 'Exists', effect: 'NoExecute' }, false],
    [{ key: 'x', operator: 'Exists' }, false],
    [{}, false],
  ])('%j covers the taint: %s', (toleration, expected) => {
    expect(tolerates(toleration, taint)).toBe(expected);
  });

  it('finds the first taint in the way, of the effects that matter', () => {
    const soft: Taint = { key: 's', effect: 'PreferNoSchedule' };
    expect(untolerated([soft, taint], [])).toBe(taint);
    expect(untolerated([soft], [])).toBeUndefined();
    expect(untolerated([taint], [{ operator: 'Exists' }])).toBeUndefined();
  });
});

describe('a pod’s state', () => {
  const ready = (since?: string): Pod => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'a', uid: '', resourceVersion: '', creationTimestamp: '' },
    spec: { containers: [] },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: since }] },
  });

  it('is available once it has been ready for long enough', () => {
    const since = '2026-01-01T00:00:00Z';
    const at = Date.parse(since);
    expect(isPodReady(ready())).toBe(true);
    expect(isPodAvailable(ready(since), 0, at)).toBe(true);
    expect(isPodAvailable(ready(since), 10, at + 9_999)).toBe(false);
    expect(isPodAvailable(ready(since), 10, at + 10_000)).toBe(true);
    expect(isPodAvailable(ready(), 10, at)).toBe(false);
  });

  it('is active until it has ended or is being deleted', () => {
    const pod = ready();
    expect(isPodActive(pod)).toBe(true);
    expect(isPodActive({ ...pod, status: { phase: 'Failed' } })).toBe(false);
    expect(isPodActive({ ...pod, metadata: { ...pod.metadata, deletionTimestamp: 'x' } })).toBe(false);
  });

  it('keeps the time of a condition’s last transition while its status stays', () => {
    const before: PodCondition[] = [{ type: 'Ready', status: 'True', lastTransitionTime: 'then' }];
    expect(withCondition(before, { type: 'Ready', status: 'True', lastTransitionTime: 'now' })).toBe(before);
    expect(withCondition(before, { type: 'Ready', status: 'True', reason: 'r', lastTransitionTime: 'now' })).toEqual([
      { type: 'Ready', status: 'True', reason: 'r', lastTransitionTime: 'then' },
    ]);
    expect(withCondition(before, { type: 'Ready', status: 'False', lastTransitionTime: 'now' })).toEqual([
      { type: 'Ready', status: 'False', lastTransitionTime: 'now' },
    ]);
    expect(withCondition(undefined, { type: 'Ready', status: 'False' })).toHaveLength(1);
  });
});
