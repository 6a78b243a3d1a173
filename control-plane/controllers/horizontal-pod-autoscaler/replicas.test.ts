import { describe, expect, it } from 'vitest';
import type { Pod, PodMetrics } from '../../../shared/generated/types.ts';
import { replicasByAverage, replicasByUtilization, type Usage } from './replicas.ts';

const now = Date.UTC(2026, 0, 1, 12);
const iso = (ms: number) => new Date(ms).toISOString();

interface PodShape {
  readonly name: string;
  /** Thousandths of a cpu; absent: not measured. */
  readonly used?: number;
  readonly request?: string | null;
  readonly phase?: string;
  readonly ready?: boolean;
  readonly startedAgo?: number;
  readonly changedAgo?: number;
  readonly deleted?: boolean;
}

function usage(shapes: readonly PodShape[], more: Partial<Usage> = {}): Usage {
  const pods = shapes.map(
    ({ name, request = '1', phase = 'Running', ready = true, startedAgo = 3600e3, changedAgo = 3600e3, deleted }) =>
      ({
        metadata: { name, namespace: 'default', ...(deleted ? { deletionTimestamp: iso(now) } : {}) },
        spec: { containers: [{ name: 'main', resources: request === null ? {} : { requests: { cpu: request } } }] },
        status: {
          phase,
          startTime: iso(now - startedAgo),
          conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: iso(now - changedAgo) }],
        },
      }) as Pod,
  );
  const metrics = shapes.flatMap(({ name, used }) =>
    used === undefined
      ? []
      : [
          {
            metadata: { name, namespace: 'default' },
            timestamp: iso(now),
            window: '15s',
            containers: [{ name: 'main', usage: { cpu: `${used}m` } }],
          } as unknown as PodMetrics,
        ],
  );
  return { resource: 'cpu', pods, metrics, currentReplicas: shapes.length, now, ...more };
}
const all = (values: readonly (number | undefined)[], shape: Partial<PodShape> = {}): PodShape[] =>
  values.map((used, index) => ({ name: `p${index}`, used, ...shape }));

describe('the replicas by utilization', () => {
  it.each<[string, PodShape[], number, number]>([
    ['grow in proportion', all([300, 500, 700]), 30, 5],
    ['shrink in proportion', all([100, 300, 500, 250, 250]), 50, 3],
    ['stay within a tenth', all([1010, 1030, 1020]), 100, 3],
    ['stay at a tenth exactly', all([1100]), 100, 1],
    [
      'leave out pods that are not ready',
      [...all([400, 500, 700]).slice(1), { name: 'x', used: 400, ready: false, startedAgo: 60e3, changedAgo: 60e3 }],
      30,
      4,
    ],
    [
      'count pods that start as idle when up',
      [
        { name: 'a', used: 1000 },
        { name: 'b', used: 1000, ready: false, startedAgo: 60e3 },
        { name: 'c', used: 0, ready: false, startedAgo: 60e3 },
      ],
      25,
      4,
    ],
    [
      'ignore failed and deleted pods',
      [...all([500, 700]), { name: 'f', phase: 'Failed', used: 1 }, { name: 'd', deleted: true, used: 1 }],
      50,
      3,
    ],
    [
      'count pending pods as idle when up',
      [
        { name: 'a', used: 500 },
        { name: 'b', phase: 'Pending' },
        { name: 'c', phase: 'Pending' },
      ],
      30,
      3,
    ],
    ['count a pod without metrics as idle when up', all([undefined, 950]), 100, 2],
    ['count a pod without metrics as fully used when down', all([undefined, 100, 100]), 100, 2],
    ['stay when pods without metrics turn the direction', all([undefined, 400, 900]), 70, 3],
  ])('%s', (_what, shapes, target, expected) => {
    expect(replicasByUtilization(usage(shapes), target).replicas).toBe(expected);
  });

  it('show what was measured', () => {
    expect(replicasByUtilization(usage(all([300, 500, 700])), 30)).toEqual({
      replicas: 5,
      averageMillis: 500,
      utilization: 50,
    });
  });

  it('count a pod that was ready before and is not now, as the cpu says that it works', () => {
    const shapes = [...all([500, 500]), { name: 'x', used: 500, ready: false, startedAgo: 3600e3, changedAgo: 60e3 }];
    expect(replicasByUtilization(usage(shapes), 25).replicas).toBe(6);
  });

  it('leave out a sample from before a young pod became ready', () => {
    const young = { name: 'y', used: 5000, startedAgo: 60e3, changedAgo: 5e3 };
    expect(replicasByUtilization(usage([...all([500, 500]), young]), 50).replicas).toBe(3);
  });

  it.each<[string, Usage, string]>([
    [
      'no metrics',
      usage(all([undefined])),
      'unable to get metrics for resource cpu: no metrics returned from resource metrics API',
    ],
    ['no pods', { ...usage(all([1])), pods: [] }, 'no pods returned by selector while calculating replica count'],
    [
      'only pods that start',
      usage(all([1], { ready: false, startedAgo: 1e3 })),
      'did not receive metrics for targeted pods (pods might be unready)',
    ],
    ['no request', usage(all([1], { request: null })), 'missing request for cpu in container main of Pod p0'],
    [
      'no such container',
      usage(all([1]), { container: 'x' }),
      'unable to get metrics for resource cpu: container x not present in metrics for pod default/p0',
    ],
  ])('are none with %s', (_what, given, message) => {
    expect(() => replicasByUtilization(given, 50)).toThrow(message);
  });
});

describe('the replicas by average value', () => {
  it.each<[string, PodShape[], number, number]>([
    ['grow in proportion', all([20_000, 10_000, 30_000]), 15_000, 4],
    ['shrink in proportion', all([12_000, 12_000, 12_000, 12_000, 12_000]), 20_000, 3],
    ['count a pod without metrics at the target when down', all([undefined, 100, 100]), 1000, 2],
    ['need no requests', all([2000], { request: null }), 1000, 2],
  ])('%s', (_what, shapes, target, expected) => {
    expect(replicasByAverage(usage(shapes), target).replicas).toBe(expected);
  });
});
