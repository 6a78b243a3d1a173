import { describe, expect, it } from 'vitest';
import { formatTime } from '../../../shared/clock.ts';
import type { Deployment, DeploymentCondition, ReplicaSet } from '../../../shared/generated/types.ts';
import { deployment, replicaSet } from '../../../test/support/deployments.ts';
import { deploymentStatus, isComplete } from './status.ts';

const now = Date.UTC(2026, 0, 2);
const ago = (seconds: number) => formatTime(now - seconds * 1000);

const condition = (type: string, status: string, reason: string, seconds: number, message = ''): DeploymentCondition =>
  ({ type, status, reason, message, lastUpdateTime: ago(seconds), lastTransitionTime: ago(seconds) }) as never;
const progressing = (reason: string, seconds: number, message = '') =>
  condition('Progressing', reason === 'ProgressDeadlineExceeded' ? 'False' : 'True', reason, seconds, message);

function of(
  subject: Deployment,
  old: Deployment['status'],
  next: ReplicaSet | undefined,
  others: readonly ReplicaSet[] = [],
  created?: string,
) {
  const sets = next ? [next, ...others] : others;
  const input = { deployment: { ...subject, status: old } as Deployment, next, sets, now };
  const { status, requeueAfterMs } = deploymentStatus({ ...input, ...(created ? { created } : {}) });
  const find = (type: string) => status.conditions?.find((one) => one.type === type);
  return {
    status,
    requeueAfterMs,
    progress: find('Progressing'),
    available: find('Available'),
    failure: find('ReplicaFailure'),
    find,
  };
}

describe('the counts of a Deployment', () => {
  it('are the sums over its ReplicaSets, without those that are 0', () => {
    const next = {
      ...replicaSet('new', 3),
      status: { replicas: 3, readyReplicas: 2, availableReplicas: 1 },
    } as ReplicaSet;
    const old = {
      ...replicaSet('old', 2),
      status: { replicas: 4, readyReplicas: 3, availableReplicas: 3 },
    } as ReplicaSet;
    const { status } = of(deployment(4), undefined, next, [old]);
    expect(status).toMatchObject({
      replicas: 7,
      updatedReplicas: 3,
      readyReplicas: 5,
      availableReplicas: 4,
      unavailableReplicas: 3,
    });
    expect(status.observedGeneration).toBe(1);
    const { conditions, ...counts } = of(deployment(0), undefined, replicaSet('new', 0)).status;
    expect(counts).toEqual({ observedGeneration: 1 });
    expect(conditions).toHaveLength(2);
  });

  it('of unavailable pods are relative to the desired number if fewer exist, and never below 0', () => {
    const silent = { ...replicaSet('new', 3), status: undefined } as unknown as ReplicaSet;
    expect(of(deployment(3), undefined, silent).status).toMatchObject({ unavailableReplicas: 3 });
    const previous = { ...silent, spec: { ...silent.spec, replicas: undefined } } as unknown as ReplicaSet;
    expect(of(deployment(1), undefined, previous).status.unavailableReplicas).toBe(1);
    expect(of(deployment(1), undefined, replicaSet('new', 1, 2)).status.unavailableReplicas).toBeUndefined();
    expect(of(deployment(1), undefined, undefined).status.updatedReplicas).toBeUndefined();
  });

  it('keep the collision count', () => {
    expect(of(deployment(1), { collisionCount: 2 }, replicaSet('new', 1)).status.collisionCount).toBe(2);
    expect(of(deployment(1), {}, replicaSet('new', 1)).status).not.toHaveProperty('collisionCount');
  });
});

it('a rollout is complete when all pods are new, as many as desired, and available', () => {
  const counts = { replicas: 3, updatedReplicas: 3, readyReplicas: 3, availableReplicas: 3 };
  expect(isComplete(deployment(3), counts)).toBe(true);
  for (const name of ['replicas', 'updatedReplicas', 'availableReplicas'])
    for (const count of [2, 4]) expect(isComplete(deployment(3), { ...counts, [name]: count })).toBe(false);
});

describe('a Deployment is available', () => {
  const rolling = deployment(4, { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } });

  it('while at most maxUnavailable pods are unavailable', () => {
    expect(of(rolling, undefined, replicaSet('new', 4, 3)).available).toMatchObject({
      status: 'True',
      reason: 'MinimumReplicasAvailable',
    });
    expect(of(rolling, undefined, replicaSet('new', 4, 2)).available).toMatchObject({
      status: 'False',
      reason: 'MinimumReplicasUnavailable',
    });
  });

  it('with Recreate only with all pods', () => {
    const recreate = deployment(2, { type: 'Recreate' });
    expect(of(recreate, undefined, replicaSet('new', 2, 1)).available?.status).toBe('False');
    expect(of(recreate, undefined, replicaSet('new', 2, 2)).available?.status).toBe('True');
  });

  it('with the time of its first transition', () => {
    const first = of(rolling, undefined, replicaSet('new', 4, 3)).available as DeploymentCondition;
    expect([first.lastUpdateTime, first.lastTransitionTime]).toEqual([ago(0), ago(0)]);
    const before = { ...first, lastUpdateTime: ago(60), lastTransitionTime: ago(60) };
    expect(of(rolling, { conditions: [before] }, replicaSet('new', 4, 3)).available).toEqual(before);
    expect(of(rolling, { conditions: [before] }, replicaSet('new', 4, 0)).available).toMatchObject({
      status: 'False',
      lastTransitionTime: ago(0),
    });
    const reworded = { ...before, message: 'other' };
    expect(of(rolling, { conditions: [reworded] }, replicaSet('new', 4, 3)).available).toMatchObject({
      message: before.message,
      lastUpdateTime: ago(0),
      lastTransitionTime: ago(60),
    });
    const renamed = { ...before, reason: 'Other' };
    expect(of(rolling, { conditions: [renamed] }, replicaSet('new', 4, 3)).available?.reason).toBe(
      'MinimumReplicasAvailable',
    );
  });
});

it('a Deployment has a ReplicaFailure condition while its newest ReplicaSet has one', () => {
  const failing = {
    type: 'ReplicaFailure',
    status: 'True',
    reason: 'FailedCreate',
    message: 'full',
    lastTransitionTime: ago(50),
  } as const;
  const next = replicaSet('new', 2);
  const failed = {
    ...next,
    status: { ...next.status, conditions: [{ type: 'Odd', status: 'True' }, failing] },
  } as ReplicaSet;
  expect(of(deployment(2), undefined, failed).failure).toEqual({ ...failing, lastUpdateTime: ago(0) });
  const before = { ...failing, lastUpdateTime: ago(50) };
  expect(of(deployment(2), { conditions: [before] }, next).failure).toBeUndefined();
  expect(of(deployment(2), { conditions: [before] }, undefined, [failed]).failure).toBeUndefined();
});

it('conditions of others are kept', () => {
  const odd = condition('Odd', 'True', 'Some', 9);
  const { status } = of(
    deployment(1),
    { conditions: [odd, progressing('ReplicaSetUpdated', 3)] },
    replicaSet('new', 1),
  );
  expect(status.conditions?.map(({ type }) => type)).toEqual(['Odd', 'Available', 'Progressing']);
  expect(status.conditions?.[0]).toEqual(odd);
});

describe('the progress of a rollout', () => {
  const counts = (
    replicas: number,
    updatedReplicas: number,
    availableReplicas: number,
    readyReplicas = availableReplicas,
  ) => ({
    replicas,
    updatedReplicas,
    availableReplicas,
    readyReplicas,
  });
  const subject = deployment(4, undefined, { progressDeadlineSeconds: 100 });
  /** One new pod of four, which is not available, and three old ones. */
  const [next, old] = [replicaSet('new', 1, 0), replicaSet('old', 3)];
  const same = counts(4, 1, 3);
  const since = (seconds: number, reason = 'ReplicaSetUpdated') => ({
    ...same,
    conditions: [progressing(reason, seconds)],
  });

  it('begins with its ReplicaSet', () => {
    const { progress, requeueAfterMs } = of(subject, since(9), next, [old], 'new');
    expect(progress).toMatchObject({
      status: 'True',
      reason: 'NewReplicaSetCreated',
      message: 'Created new replica set "new"',
    });
    expect(requeueAfterMs).toBeUndefined();
  });

  it.each<[string, object]>([
    ['there are more new pods', counts(3, 0, 3)],
    ['there are fewer old pods', counts(5, 1, 3)],
    ['more pods are ready', counts(4, 1, 3, 2)],
    ['more pods are available', counts(4, 1, 2, 3)],
    ['there was no status before', {}],
  ])('is reported when %s, and is checked again at its deadline', (_what, before) => {
    const { progress, requeueAfterMs } = of(
      subject,
      { ...before, conditions: [condition('Odd', 'True', 'Odd', 5), progressing('ReplicaSetUpdated', 99)] },
      next,
      [old],
    );
    expect(progress).toMatchObject({
      status: 'True',
      reason: 'ReplicaSetUpdated',
      lastUpdateTime: ago(0),
      lastTransitionTime: ago(99),
    });
    expect(progress?.message).toBe('ReplicaSet "new" is progressing.');
    expect(requeueAfterMs).toBe(100_000);
  });

  it.each<[string, object]>([
    ['fewer new pods', counts(4, 2, 3)],
    ['more old pods', counts(3, 1, 3)],
    ['fewer ready pods', counts(4, 1, 3, 4)],
    ['fewer available pods', counts(4, 1, 4, 3)],
  ])('is not reported with %s', (_what, before) => {
    const conditions = [progressing('ReplicaSetUpdated', 40)];
    const { progress, requeueAfterMs } = of(subject, { ...before, conditions }, next, [old]);
    expect(progress).toEqual(conditions[0]);
    expect(requeueAfterMs).toBe(60_000);
  });

  it('is reported when it starts and when no condition reports it yet', () => {
    expect(of(subject, same, next, [old]).progress).toMatchObject({
      reason: 'ReplicaSetUpdated',
      lastTransitionTime: ago(0),
    });
    expect(of(subject, undefined, replicaSet('new', 0), [replicaSet('old', 4, 0)]).progress?.reason).toBe(
      'ReplicaSetUpdated',
    );
    expect(of(subject, since(999, 'DeploymentPaused'), next, [old]).progress?.reason).toBe('ReplicaSetUpdated');
  });

  it('fails after its deadline, counted from the last progress, and this is reported once', () => {
    expect(of(subject, since(99), next, [old])).toMatchObject({
      requeueAfterMs: 1_000,
      progress: { reason: 'ReplicaSetUpdated' },
    });
    const { progress, requeueAfterMs } = of(subject, since(100), next, [old]);
    expect(progress).toMatchObject({
      status: 'False',
      reason: 'ProgressDeadlineExceeded',
      lastTransitionTime: ago(0),
      message: 'ReplicaSet "new" has timed out progressing.',
    });
    expect(requeueAfterMs).toBeUndefined();
    const previous = [progressing('ProgressDeadlineExceeded', 500, 'x')];
    const again = of(subject, { ...same, conditions: previous }, next, [old]);
    expect([again.progress, again.requeueAfterMs]).toEqual([previous[0], undefined]);
  });

  it('has a deadline of ten minutes by default', () => {
    expect(of(deployment(4), since(590), next, [old]).requeueAfterMs).toBe(10_000);
    expect(of(deployment(4), since(600), next, [old]).progress?.reason).toBe('ProgressDeadlineExceeded');
  });

  it('counts its deadline from the last transition when there is no update time', () => {
    const { lastUpdateTime: _, ...bare } = progressing('ReplicaSetUpdated', 100);
    expect(of(subject, { ...same, conditions: [bare] }, next, [old]).progress?.reason).toBe('ProgressDeadlineExceeded');
    const { lastTransitionTime: _t, ...undated } = bare;
    expect(of(subject, { ...same, conditions: [undated as never] }, next, [old]).requeueAfterMs).toBe(100_000);
  });

  it('continues after its deadline when pods change', () => {
    const { progress } = of(
      subject,
      { ...counts(4, 0, 3), conditions: [progressing('ProgressDeadlineExceeded', 500)] },
      next,
      [old],
    );
    expect(progress).toMatchObject({ status: 'True', reason: 'ReplicaSetUpdated', lastTransitionTime: ago(0) });
  });

  it('completes once, whatever its deadline, and does not fail when pods are lost later', () => {
    const done = of(subject, since(500), replicaSet('new', 4), [replicaSet('old', 0)]);
    expect(done.progress).toMatchObject({
      status: 'True',
      reason: 'NewReplicaSetAvailable',
      lastTransitionTime: ago(500),
      lastUpdateTime: ago(0),
      message: 'ReplicaSet "new" has successfully progressed.',
    });
    expect(done.requeueAfterMs).toBeUndefined();
    const previous = [progressing('NewReplicaSetAvailable', 900, 'ReplicaSet "new" has successfully progressed.')];
    expect(of(subject, { conditions: previous }, replicaSet('new', 4)).progress).toEqual(previous[0]);
    const lost = of(subject, { ...counts(4, 4, 4), conditions: previous }, replicaSet('new', 4, 3));
    expect([lost.progress, lost.requeueAfterMs]).toEqual([previous[0], undefined]);
    const older = [progressing('NewReplicaSetAvailable', 900, 'ReplicaSet "old" has successfully progressed.')];
    expect(of(subject, { conditions: older }, replicaSet('new', 4)).progress?.message).toContain('"new"');
  });

  it('of a paused Deployment is Unknown since it was paused', () => {
    const paused = deployment(4, undefined, { paused: true });
    const first = of(paused, since(500), next, [old]);
    expect(first).toMatchObject({
      progress: { status: 'Unknown', reason: 'DeploymentPaused', lastTransitionTime: ago(0) },
    });
    expect(first.requeueAfterMs).toBeUndefined();
    const previous = [condition('Progressing', 'Unknown', 'DeploymentPaused', 60, 'Deployment is paused')];
    expect(of(paused, { conditions: previous }, next, [old]).progress).toEqual(previous[0]);
    expect(of(paused, since(5), replicaSet('new', 4)).progress?.reason).toBe('DeploymentPaused');
  });

  it('names the Deployment while there is no ReplicaSet', () => {
    expect(of(subject, undefined, undefined, [old]).progress?.message).toBe('ReplicaSet "web" is progressing.');
  });
});
