import { describe, expect, test } from 'vitest';
import type { DaemonSet, Deployment, Pod, StatefulSet } from '../../shared/generated/types.ts';
import { parseDuration } from '../duration.ts';
import { drainDecision } from './evictable.ts';
import { rolloutStatusOf } from './rollout-status.ts';

describe('the status of a rollout', () => {
  const deployment = (status: Deployment['status'], generation = 2) =>
    ({ kind: 'Deployment', metadata: { name: 'web', generation }, spec: { replicas: 3 }, status }) as Deployment;

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

  const updateStrategy = { type: 'RollingUpdate' };
  const metadata = { name: 'db', generation: 2 };
  const observed = { observedGeneration: 2 };

  test.each([
    [{ observedGeneration: 1 }, 'Waiting for daemon set spec update to be observed...'],
    [
      { ...observed, desiredNumberScheduled: 3, updatedNumberScheduled: 1 },
      'Waiting for daemon set "db" rollout to finish: 1 out of 3 new pods have been updated...',
    ],
    [
      { ...observed, desiredNumberScheduled: 3, updatedNumberScheduled: 3, numberAvailable: 2 },
      'Waiting for daemon set "db" rollout to finish: 2 of 3 updated pods are available...',
    ],
    [
      { ...observed, desiredNumberScheduled: 3, updatedNumberScheduled: 3, numberAvailable: 3 },
      'daemon set "db" successfully rolled out',
    ],
  ])('of a DaemonSet with %j: %s', (status, message) => {
    const object = { kind: 'DaemonSet', metadata, spec: { updateStrategy }, status } as unknown as DaemonSet;
    expect(rolloutStatusOf(object)).toEqual({ message, done: message.startsWith('daemon set') });
  });

  test.each([
    [{}, {}, 'Waiting for statefulset spec update to be observed...'],
    [{ ...observed, readyReplicas: 1 }, {}, 'Waiting for 2 pods to be ready...'],
    [
      { ...observed, readyReplicas: 3, updatedReplicas: 1 },
      { rollingUpdate: { partition: 1 } },
      'Waiting for partitioned roll out to finish: 1 out of 2 new pods have been updated...',
    ],
    [
      { ...observed, readyReplicas: 3, updatedReplicas: 2 },
      { rollingUpdate: { partition: 1 } },
      'partitioned roll out complete: 2 new pods have been updated...',
    ],
    [
      { ...observed, readyReplicas: 3, updatedReplicas: 2, updateRevision: 'b', currentRevision: 'a' },
      {},
      'waiting for statefulset rolling update to complete 2 pods at revision b...',
    ],
    [
      { ...observed, readyReplicas: 3, currentReplicas: 3, updateRevision: 'b', currentRevision: 'b' },
      {},
      'statefulset rolling update complete 3 pods at revision b...',
    ],
  ])('of a StatefulSet with %j and %j: %s', (status, strategy, message) => {
    const spec = { replicas: 3, updateStrategy: { ...updateStrategy, ...strategy } };
    const object = { kind: 'StatefulSet', metadata, spec, status } as unknown as StatefulSet;
    expect(rolloutStatusOf(object)).toEqual({ message, done: / complete[: ].*updated|update complete/.test(message) });
  });

  test('of a set that replaces pods on deletion is not there', () => {
    const spec = { updateStrategy: { type: 'OnDelete' } };
    const object = { kind: 'StatefulSet', metadata, spec, status: observed } as unknown as StatefulSet;
    expect(rolloutStatusOf(object)).toEqual({
      failed: 'rollout status is only available for RollingUpdate strategy type',
    });
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
