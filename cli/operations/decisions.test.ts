import { describe, expect, test } from 'vitest';
import type { Deployment, Pod } from '../../shared/generated/types.ts';
import { parseDuration } from '../duration.ts';
import { drainDecision } from './evictable.ts';
import { rolloutStatusOf } from './rollout-status.ts';

describe('the status of a rollout', () => {
  const deployment = (status: Deployment['status'], generation = 2) =>
    ({ metadata: { name: 'web', generation }, spec: { replicas: 3 }, status }) as Deployment;

  test.each([
    [{ observedGeneration: 1 }, 'spec update to be observed'],
    [{ observedGeneration: 2, updatedReplicas: 1 }, '1 out of 3 new replicas have been updated'],
    [{ observedGeneration: 2, updatedReplicas: 3, replicas: 5 }, '2 old replicas are pending termination'],
    [
      { observedGeneration: 2, updatedReplicas: 3, replicas: 3, availableReplicas: 2 },
      '2 of 3 updated replicas are available',
    ],
    [{ observedGeneration: 2, updatedReplicas: 3, replicas: 3, availableReplicas: 3 }, 'successfully rolled out'],
  ])('%j: %s', (status, expected) => {
    expect(rolloutStatusOf(deployment(status))).toMatchObject({
      message: expect.stringContaining(expected),
      done: expected === 'successfully rolled out',
    });
  });

  test('a stale failure of an older generation is not taken for the new one', () => {
    const conditions = [{ type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded' }];
    expect(rolloutStatusOf(deployment({ observedGeneration: 1, conditions } as Deployment['status']))).toMatchObject({
      done: false,
    });
    expect(rolloutStatusOf(deployment({ observedGeneration: 2, conditions } as Deployment['status']))).toHaveProperty(
      'failed',
    );
  });
});

describe('draining', () => {
  const pod = (owner: string | undefined, more: object = {}, spec: object = {}) =>
    ({
      metadata: {
        name: 'p',
        ...(owner ? { ownerReferences: [{ kind: owner, name: 'o', controller: true }] } : {}),
        ...more,
      },
      spec: { containers: [], ...spec },
    }) as unknown as Pod;
  const none = { force: false, ignoreDaemonsets: false, deleteEmptydirData: false };
  const scratch = { volumes: [{ name: 'v', emptyDir: {} }] };

  test('evicts pods of a controller', () => {
    expect(drainDecision(pod('ReplicaSet'), none)).toEqual({ evict: true });
  });
  test('refuses what would be lost', () => {
    expect(drainDecision(pod(undefined), none)).toHaveProperty('refuse');
    expect(drainDecision(pod('ReplicaSet', {}, scratch), none)).toHaveProperty('refuse');
    expect(drainDecision(pod('DaemonSet'), none)).toHaveProperty('refuse');
  });
  test('does what the options allow', () => {
    expect(drainDecision(pod(undefined), { ...none, force: true })).toEqual({ evict: true });
    expect(drainDecision(pod('ReplicaSet', {}, scratch), { ...none, deleteEmptydirData: true })).toEqual({
      evict: true,
    });
    expect(drainDecision(pod('DaemonSet'), { ...none, ignoreDaemonsets: true })).toEqual({ evict: false });
  });
  test('leaves mirror pods', () => {
    expect(drainDecision(pod(undefined, { annotations: { 'kubernetes.io/config.mirror': 'x' } }), none)).toEqual({
      evict: false,
    });
  });
});

test.each([
  ['90', 90_000],
  ['90s', 90_000],
  ['1h30m', 5_400_000],
  ['1.5h', 5_400_000],
  ['7d', 604_800_000],
  ['250ms', 250],
])('%s is %d milliseconds', (text, expected) => {
  expect(parseDuration(text)).toBe(expected);
});

test.each(['', 'soon', '5 s', '-1s', '1x'])('"%s" is no duration', (text) => {
  expect(() => parseDuration(text)).toThrow('is not a duration');
});
