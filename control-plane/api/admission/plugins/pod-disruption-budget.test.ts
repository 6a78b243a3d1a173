import { describe, expect, test } from 'vitest';
import type { Pod, PodDisruptionBudget } from '../../../../shared/generated/types.ts';
import type { KubeObject } from '../../../../shared/object.ts';
import { podOf, readerOf, requestOf, statesOf, stored } from '../../../../test/support/admission.ts';
import { podDisruptionBudget } from './pod-disruption-budget.ts';

const now = Date.parse('2026-05-05T05:05:05Z');
const request = requestOf('Pod', { subresource: 'eviction', now });
const ready = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
const unready = { phase: 'Running', conditions: [{ type: 'Ready', status: 'False' }] };
const web = { labels: { app: 'web' } };
const runs = podOf({}, web, ready);
const sick = podOf({}, web, unready);

function budget(status: object | undefined, more: object = {}, metadata: object = {}): PodDisruptionBudget {
  const spec = { selector: { matchLabels: { app: 'web' } }, ...more };
  return stored(
    'PodDisruptionBudget',
    'b',
    { spec, ...(status ? { status } : {}) },
    { generation: 2, resourceVersion: '7', ...metadata },
  );
}

const open = { observedGeneration: 2, disruptionsAllowed: 2, currentHealthy: 3, desiredHealthy: 1, expectedPods: 3 };
const closed = { ...open, disruptionsAllowed: 0, currentHealthy: 1 };

const contribute = (pod: Pod, ...objects: KubeObject[]) =>
  podDisruptionBudget.contribute?.(request, pod, pod, statesOf(objects), readerOf(objects));

/** The budget that the contribution writes; 'guarded' when it only guards it. */
function written(pod: Pod, ...objects: KubeObject[]): PodDisruptionBudget | 'guarded' | undefined {
  const contribution = contribute(pod, ...objects);
  if (!contribution) return undefined;
  expect(contribution.guards).toEqual([{ key: '/coracle/registry/policy/poddisruptionbudgets/a/b', revision: 7 }]);
  const [write] = contribution.writes;
  if (!write) return 'guarded';
  expect(write).toMatchObject({ type: 'put', key: '/coracle/registry/policy/poddisruptionbudgets/a/b' });
  return write.type === 'put' ? JSON.parse(write.value) : undefined;
}

function refusal(pod: Pod, ...objects: KubeObject[]): unknown {
  try {
    contribute(pod, ...objects);
  } catch (error) {
    return error;
  }
  return undefined;
}

const cause = (text: string) =>
  expect.objectContaining({
    reason: 'TooManyRequests',
    details: expect.objectContaining({
      causes: [{ reason: 'DisruptionBudget', message: expect.stringContaining(text) }],
    }),
  });

describe('an eviction', () => {
  test('uses one disruption of its pod’s budget, and records the pod', () => {
    const had = { ...open, disruptedPods: { other: '2026-01-01T00:00:00Z' }, conditions: [] };
    expect(written(runs, budget(had))).toMatchObject({
      spec: { selector: { matchLabels: { app: 'web' } } },
      status: {
        ...open,
        disruptionsAllowed: 1,
        disruptedPods: { other: '2026-01-01T00:00:00Z', x: '2026-05-05T05:05:05Z' },
        conditions: [],
      },
    });
  });

  test('that uses the last disruption sets the condition to no more disruptions allowed', () => {
    const allowed = {
      type: 'DisruptionAllowed',
      status: 'True',
      reason: 'SufficientPods',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    };
    const last = written(runs, budget({ ...open, disruptionsAllowed: 1, conditions: [allowed] }));
    expect(last).toMatchObject({
      status: {
        disruptionsAllowed: 0,
        conditions: [{ type: 'DisruptionAllowed', status: 'False', observedGeneration: 2 }],
      },
    });
    const more = written(runs, budget({ ...open, conditions: [allowed] }));
    expect(more).toMatchObject({ status: { conditions: [allowed] } });
    const { generation: _none, ...metadata } = budget(open).metadata;
    const old = { ...budget({ ...open, disruptionsAllowed: 1, observedGeneration: undefined }), metadata };
    expect(written(runs, old as PodDisruptionBudget)).toMatchObject({ status: { disruptionsAllowed: 0 } });
  });

  test('of a pod that does not count as healthy uses no disruption', () => {
    const done = ['Succeeded', 'Failed', 'Pending'].map((phase) => podOf({}, web, { ...ready, phase }));
    const leaving = podOf({}, { ...web, deletionTimestamp: '2026-01-01T00:00:00Z' }, ready);
    for (const pod of [...done, leaving]) expect(contribute(pod, budget(closed))).toBeUndefined();
  });

  test('of a pod without a budget uses no disruption', () => {
    expect(contribute(runs)).toBeUndefined();
    expect(contribute(podOf({}, { labels: { app: 'db' } }, ready), budget(closed))).toBeUndefined();
    expect(contribute(podOf({}, {}, ready), budget(closed))).toBeUndefined();
    const elsewhere = budget(closed, {}, { namespace: 'b' });
    expect(contribute(runs, elsewhere)).toBeUndefined();
  });

  test('of a pod with two budgets is refused', () => {
    const second = { ...budget(open), metadata: { ...budget(open).metadata, name: 'second' } };
    expect(refusal(runs, budget(open), second)).toMatchObject({ reason: 'InternalError' });
    const other = budget(open, { selector: { matchLabels: { app: 'db' } } }, { name: 'second' });
    expect(written(runs, other, budget(open))).toMatchObject({ status: { disruptionsAllowed: 1 } });
  });

  test('is refused when the budget allows none, with how many it needs', () => {
    expect(refusal(runs, budget(closed))).toEqual(
      cause('The disruption budget b needs 1 healthy pods and has 1 currently'),
    );
    expect(refusal(runs, budget({ ...closed, currentHealthy: 5 }))).toEqual(
      cause('does not allow evicting pods currently'),
    );
    const failed = { type: 'DisruptionAllowed', status: 'False', reason: 'SyncFailed', message: 'no scale' };
    const other = { type: 'Other', status: 'False', reason: 'SyncFailed', message: 'not this' };
    const sufficient = { ...failed, reason: 'InsufficientPods' };
    expect(refusal(runs, budget({ ...closed, conditions: [other, failed] }))).toEqual(
      cause('it failed sync: no scale'),
    );
    expect(refusal(runs, budget({ ...closed, conditions: [other, sufficient] }))).toEqual(
      cause('needs 1 healthy pods'),
    );
    expect(refusal(runs, budget({ observedGeneration: 2 }))).toEqual(cause('needs 0 healthy pods and has 0 currently'));
  });

  test('is to be tried again in ten seconds when the budget has changed since it was counted', () => {
    const again = (error: unknown) => (error as { details: { retryAfterSeconds?: number } }).details.retryAfterSeconds;
    for (const status of [undefined, { ...open, observedGeneration: 1 }, { ...open, observedGeneration: undefined }]) {
      expect(refusal(runs, budget(status))).toEqual(cause('is still being processed by the server'));
      expect(again(refusal(runs, budget(status)))).toBe(10);
    }
    expect(again(refusal(runs, budget(closed)))).toBeUndefined();
  });

  test('is refused while more than 2,000 evictions wait for the controller', () => {
    const waiting = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`p${i}`, '2026-01-01T00:00:00Z']));
    expect(refusal(runs, budget({ ...open, disruptedPods: waiting(2_001) }))).toMatchObject({ reason: 'Forbidden' });
    expect(written(runs, budget({ ...open, disruptedPods: waiting(2_000) }))).toBeDefined();
    expect(refusal(runs, budget({ ...open, disruptionsAllowed: -1 }))).toMatchObject({ reason: 'Forbidden' });
  });
});

describe('a pod that runs but is not ready', () => {
  test('is allowed while enough others are healthy, if the budget is unchanged since', () => {
    expect(written(sick, budget({ ...closed, currentHealthy: 1, desiredHealthy: 1 }))).toBe('guarded');
    expect(written(sick, budget({ ...closed, currentHealthy: 2, desiredHealthy: 1 }))).toBe('guarded');
    expect(refusal(sick, budget({ ...closed, currentHealthy: 0, desiredHealthy: 1 }))).toEqual(
      cause('needs 1 healthy'),
    );
    expect(refusal(sick, budget({ ...closed, currentHealthy: 0, desiredHealthy: 0 }))).toEqual(
      cause('needs 0 healthy'),
    );
    expect(refusal(sick, budget(undefined))).toEqual(cause('still being processed'));
  });

  test('is always allowed when the budget’s policy is AlwaysAllow', () => {
    const always = { unhealthyPodEvictionPolicy: 'AlwaysAllow' };
    expect(written(sick, budget({ ...closed, currentHealthy: 0 }, always))).toBe('guarded');
    expect(refusal(runs, budget(closed, always))).toEqual(cause('needs 1 healthy'));
    expect(
      refusal(sick, budget({ ...closed, currentHealthy: 0 }, { unhealthyPodEvictionPolicy: 'IfHealthyBudget' })),
    ).toEqual(cause('needs 1 healthy'));
  });
});

test('evictions of a namespace with a budget go one after another, others do not wait', () => {
  const queueOf = (...objects: KubeObject[]) => podDisruptionBudget.queue?.(request, readerOf(objects));
  expect(queueOf(budget(open))).toBe('a');
  expect(queueOf()).toBeUndefined();
  expect(queueOf(budget(open, {}, { namespace: 'b' }))).toBeUndefined();
});
