import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Pod } from '../../../shared/generated/types.ts';
import { planReplicas } from './plan.ts';

const start = Date.parse('2026-01-01T00:00:00Z');
const time = (seconds: number) => new Date(start + seconds * 1000).toISOString();

interface Facts {
  phase?: string;
  /** Seconds after the start; false: not ready, true: ready, and no word since when. */
  ready?: number | boolean;
  deleted?: boolean;
  labels?: Record<string, string>;
}

function pod(name: string, { phase = 'Running', ready = 0, deleted = false, labels }: Facts = {}): Pod {
  const condition = {
    type: 'Ready',
    status: ready === false ? 'False' : 'True',
    ...(typeof ready === 'number' ? { lastTransitionTime: time(ready) } : {}),
  };
  return {
    metadata: { name, creationTimestamp: time(0), labels, ...(deleted ? { deletionTimestamp: time(0) } : {}) },
    spec: { containers: [], nodeName: name },
    status: { phase, conditions: [condition] },
  } as unknown as Pod;
}

const refused = (name: string, seconds: number): Pod =>
  ({
    metadata: { name, creationTimestamp: time(seconds) },
    spec: { containers: [] },
    status: { phase: 'Failed', reason: 'OutOfcpu', message: "Pod was rejected: Node didn't have enough resource: cpu" },
  }) as unknown as Pod;

const plan = (
  pods: readonly Pod[],
  seconds: number,
  more: { replicas?: number; minReadySeconds?: number; templateLabels?: Record<string, string> } = {},
) => planReplicas({ replicas: 2, minReadySeconds: 0, templateLabels: {}, ...more, pods, now: start + seconds * 1000 });
const names = (pods: readonly Pod[]) => pods.map(({ metadata }) => metadata.name);
const many = (count: number) => Array.from({ length: count }, (_, index) => pod(`p${index}`));

describe('an owner', () => {
  it.each<[string, Facts]>([
    ['has succeeded', { phase: 'Succeeded' }],
    ['has failed', { phase: 'Failed' }],
    ['is being deleted', { deleted: true }],
  ])('gets a new pod for one that %s, and does not count it', (_what, facts) => {
    const { create, counts, delete: victims } = plan([pod('a'), pod('b', facts)], 10);
    expect(create).toBe(1);
    expect(victims).toEqual([]);
    expect(counts).toEqual({ replicas: 1, fullyLabeledReplicas: 1, readyReplicas: 1, availableReplicas: 1 });
  });

  it('counts a pending pod, and one without a status', () => {
    const silent = { metadata: { name: 'a' }, spec: { containers: [] } } as unknown as Pod;
    expect(plan([silent, pod('b', { phase: 'Pending', ready: false })], 0)).toMatchObject({
      create: 0,
      delete: [],
      counts: { replicas: 2, readyReplicas: 0, availableReplicas: 0 },
    });
  });

  it('has the desired number of pods after a step, or is 500 closer to it', () => {
    const kinds = fc.constantFrom<Facts>({}, { ready: false }, { phase: 'Failed' }, { deleted: true });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 8 }), fc.array(kinds, { maxLength: 12 }), (replicas, all) => {
        const alive = all.filter(({ phase, deleted }) => phase !== 'Failed' && !deleted).length;
        const step = plan(
          all.map((facts, index) => pod(`p${index}`, facts)),
          0,
          { replicas },
        );
        expect(alive + step.create - step.delete.length).toBe(replicas);
        expect(Math.min(step.create, step.delete.length)).toBe(0);
        expect(
          step.delete.every(({ status, metadata }) => status?.phase === 'Running' && !metadata.deletionTimestamp),
        ).toBe(true);
      }),
      { numRuns: 60 },
    );
    expect(plan([], 0, { replicas: 501 }).create).toBe(500);
    expect(plan(many(501), 0, { replicas: 0 }).delete).toHaveLength(500);
  });

  it('deletes the least useful pods first', () => {
    const pods = [pod('a'), pod('b', { ready: false }), pod('c')];
    expect(names(plan(pods, 0).delete)).toEqual(['b']);
  });

  it('counts pods as fully labelled that have all labels of the template', () => {
    const templateLabels = { app: 'web', tier: 'front' };
    const pods = [
      pod('a', { labels: { ...templateLabels, more: 'yes' } }),
      pod('b', { labels: { app: 'web' } }),
      pod('c', { labels: { app: 'web', tier: 'back' } }),
      pod('d'),
      pod('e'),
    ];
    expect(plan(pods, 0, { templateLabels }).counts).toMatchObject({ replicas: 5, fullyLabeledReplicas: 1 });
  });
});

describe('a pod is available', () => {
  const available = (ready: number | boolean, seconds: number, minReadySeconds: number) =>
    plan([pod('a', { ready })], seconds, { replicas: 1, minReadySeconds });

  it('after it has been ready for minReadySeconds, and is checked again then', () => {
    expect(available(5, 14, 10)).toMatchObject({
      counts: { readyReplicas: 1, availableReplicas: 0 },
      requeueAfterMs: 1_000,
    });
    expect(available(5, 15, 10)).toEqual(
      expect.objectContaining({ counts: expect.objectContaining({ availableReplicas: 1 }) }),
    );
    expect(available(5, 15, 10).requeueAfterMs).toBeUndefined();
  });

  it('immediately when it is ready without minReadySeconds, whatever its clock shows', () => {
    expect(available(100, 0, 0).counts.availableReplicas).toBe(1);
    expect(available(true, 0, 0).counts.availableReplicas).toBe(1);
  });

  it('never while it is not ready, or has no ready transition time', () => {
    for (const ready of [false, true]) {
      const { counts, requeueAfterMs } = available(ready, 1_000, 10);
      expect(counts.availableReplicas).toBe(0);
      expect(requeueAfterMs).toBeUndefined();
    }
  });

  it('and the earliest of several sets the time of the next check', () => {
    const pods = [pod('a', { ready: 3 }), pod('b', { ready: 1 }), pod('c', { ready: 2 })];
    expect(plan(pods, 4, { replicas: 3, minReadySeconds: 10 }).requeueAfterMs).toBe(7_000);
  });
});

describe('pods that nodes reject', () => {
  it('are replaced after a second, then with a doubling delay of up to a minute', () => {
    const pods: Pod[] = [];
    const gaps: number[] = [];
    let at = 0;
    for (let round = 0; round < 9; round++) {
      expect(plan(pods, at).create).toBe(2);
      pods.push(refused(`a-${round}`, at), refused(`b-${round}`, at));
      const { create, requeueAfterMs = 0 } = plan(pods, at);
      expect(create).toBe(0);
      gaps.push(requeueAfterMs / 1000);
      at += requeueAfterMs / 1000;
    }
    expect(gaps).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60]);
  });

  it('from more than an hour ago cause no delay, nor do pods that failed after their start', () => {
    const early = Array.from({ length: 12 }, (_, index) => refused(`r${index}`, index));
    expect(plan([...early, refused('last', 3_599)], 3_600).requeueAfterMs).toBe(59_000);
    expect(plan([...early, refused('last', 3_611)], 3_611).requeueAfterMs).toBe(1_000);
    const failed = { ...refused('a', 0), status: { phase: 'Failed', reason: 'Evicted', message: 'x' } } as Pod;
    expect(plan([failed], 0).create).toBe(2);
  });

  it('cause no delay when no pod is missing', () => {
    const { create, requeueAfterMs } = plan([pod('a'), pod('b'), refused('r', 0)], 0);
    expect([create, requeueAfterMs]).toEqual([0, undefined]);
  });

  it('do not keep surplus or newly available pods from being handled', () => {
    expect(plan([pod('a'), pod('b'), pod('c'), refused('r', 0)], 0).delete).toHaveLength(1);
    const soon = plan([pod('a', { ready: 0 }), refused('r', 9)], 9, { minReadySeconds: 9.5 });
    expect([soon.create, soon.requeueAfterMs]).toEqual([0, 500]);
  });

  it('without a creation time cause no delay', () => {
    const undated = { ...refused('r', 0), metadata: { name: 'r' } } as unknown as Pod;
    expect(plan([undated], 0).create).toBe(2);
  });

  it('cause no delay when the clock was set back by more than a minute since', () => {
    const tries = Array.from({ length: 10 }, (_, index) => refused(`r${index}`, 7_200 + index));
    expect(plan(tries, 0).create).toBe(2);
    expect(plan([refused('r', 61)], 0).create).toBe(2);
    expect(plan([refused('r', 60)], 0)).toMatchObject({ create: 0, requeueAfterMs: 61_000 });
  });
});
