import { describe, expect, it } from 'vitest';
import type { ContainerStatus, PodStatus } from '../../shared/generated/types.ts';
import { container } from '../../test/support/hollow-agent.ts';
import {
  containerExit,
  containerState,
  exitedState,
  type GivenView,
  sandboxState,
  viewOf,
  viewStart,
} from '../../test/support/pod-view.ts';
import type { ContainerExit, ContainerMemory, Failure } from './model.ts';
import { resourcesLabel } from './resources.ts';
import { failedAt, podStatus } from './status.ts';

const context = { hostIP: '192.0.2.1', runtimeName: 'docker' };

function statusOf(given: GivenView & { readonly previous?: PodStatus }): PodStatus {
  return podStatus(viewOf(given), given.previous, context, viewStart + (given.at ?? 5_000));
}

/** Of the container `app`. */
function appOf(given: GivenView): ContainerStatus {
  const found = statusOf(given).containerStatuses?.find(({ name }) => name === 'app');
  if (!found) throw new Error('no status of app');
  return found;
}

const crashed = (crashes: number, last: Partial<ContainerExit> = {}, ...older: ContainerExit[]): ContainerMemory => ({
  nextAttempt: crashes,
  crashes,
  exits: [containerExit('app', 1, { id: 'last', attempt: crashes - 1, ...last }), ...older],
});

const failure = (reason: string, more: Partial<Failure> = {}): Failure => ({
  reason,
  message: 'it broke',
  at: viewStart + 5_000,
  retryAt: viewStart + 15_000,
  count: 1,
  inputs: {},
  ...more,
});

describe('a container that has ended', () => {
  it('and is not started again shows its end, and the one before as the last', () => {
    const older = containerExit('app', 3, { id: 'older', signal: 9, message: 'said before' });
    const memory = { containers: { app: crashed(2, { reason: 'OOMKilled', message: 'said last' }, older) } };
    const status = appOf({ spec: { restartPolicy: 'Never' }, memory });
    const times = { startedAt: '2026-01-01T12:00:01Z', finishedAt: '2026-01-01T12:00:02Z' };
    expect(status.state).toEqual({
      terminated: { exitCode: 1, reason: 'OOMKilled', message: 'said last', ...times, containerID: 'docker://last' },
    });
    expect(status.lastState).toEqual({
      terminated: {
        exitCode: 3,
        signal: 9,
        reason: 'Error',
        message: 'said before',
        ...times,
        containerID: 'docker://older',
      },
    });
    expect(status).toMatchObject({ ready: false, started: false, restartCount: 1, containerID: 'docker://last' });
  });

  it('and never ran has begun when it ended', () => {
    const { startedAt: _, ...never } = containerExit('app', 128, { id: 'last' });
    const memory = { containers: { app: { nextAttempt: 1, crashes: 1, exits: [never] } } };
    const { terminated } = appOf({ spec: { restartPolicy: 'Never' }, memory }).state ?? {};
    expect(terminated?.startedAt).toBe('2026-01-01T12:00:02Z');
  });

  /** Kubernetes' words; the pauses are those of this node: 10 s, 20 s, 40 s, then a minute. */
  it.each([
    [2, '10s'],
    [3, '20s'],
    [4, '40s'],
    [5, '1m0s'],
    [9, '1m0s'],
  ])('for the %i. time in a row waits %s for its restart', (crashes, pause) => {
    const status = appOf({ memory: { containers: { app: crashed(crashes) } } });
    expect(status.state).toEqual({
      waiting: {
        reason: 'CrashLoopBackOff',
        message: `back-off ${pause} restarting failed container=app pod=web_default(uid-web)`,
      },
    });
    expect(status.lastState?.terminated?.containerID).toBe('docker://last');
    expect(status.restartCount).toBe(crashes - 1);
  });

  it('shows its end until it is started again, once its pause is over or when it has none', () => {
    const state = (crashes: number, at: number) =>
      appOf({ memory: { containers: { app: crashed(crashes) } }, at }).state;
    expect(state(1, 2_000)?.terminated?.exitCode).toBe(1);
    expect(state(2, 11_999)?.waiting?.reason).toBe('CrashLoopBackOff');
    expect(state(2, 12_000)?.terminated?.exitCode).toBe(1);
  });

  it('shows its end, and no pause, when the pod ends or is deleted', () => {
    for (const over of [
      { deletion: { since: viewStart, graceSeconds: 30 } },
      { terminal: { phase: 'Failed' as const } },
    ]) {
      const containers = { app: crashed(3) };
      expect(appOf({ memory: { containers, ...over } }).state?.terminated?.exitCode).toBe(1);
      const progress = { containers: new Map([['app', { attempt: 3, failure: failure('ErrImagePull') }]]) };
      expect(appOf({ memory: { containers, ...over }, progress }).state?.terminated?.exitCode).toBe(1);
    }
  });

  it('because it could not be started shows that for a second, then the back-off', () => {
    const memory = { containers: { app: crashed(2, { reason: 'StartError', message: 'no such command' }) } };
    const waiting = (at: number) => appOf({ memory, at }).state?.waiting;
    expect(waiting(2_999)).toEqual({ reason: 'RunContainerError', message: 'no such command' });
    expect(waiting(3_000)?.reason).toBe('CrashLoopBackOff');
    const other = { containers: { app: crashed(2) } };
    expect(appOf({ memory: other, at: 2_500 }).state?.waiting?.reason).toBe('CrashLoopBackOff');
  });

  it('and runs again has the end of the one before as its last state', () => {
    const status = appOf({
      containers: [containerState('app', { id: 'new', attempt: 1, image: 'example/app:2', imageId: 'sha256:2' })],
      memory: { containers: { app: crashed(1) } },
    });
    expect(status).toMatchObject({
      state: { running: { startedAt: '2026-01-01T12:00:01Z' } },
      ready: true,
      started: true,
      restartCount: 1,
      image: 'example/app:2',
      imageID: 'docker://sha256:2',
      containerID: 'docker://new',
      lastState: { terminated: { exitCode: 1, containerID: 'docker://last' } },
    });
  });

  it('keeps its image when the spec has another, and has that of the spec before it ever ran', () => {
    const spec = { containers: [container('app', { image: 'example/app:2' })], restartPolicy: 'Never' as const };
    expect(appOf({ spec, memory: { containers: { app: crashed(1) } } })).toMatchObject({
      image: 'example/app:1',
      imageID: 'docker://sha256:1',
    });
    expect(appOf({ spec })).toMatchObject({ image: 'example/app:2', imageID: '', restartCount: 0 });
    expect(appOf({ spec })).not.toHaveProperty('containerID');
    expect(appOf({ spec, containers: [containerState('app', { image: '' })] }).image).toBe('example/app:2');
  });

  it('whose image has a scheme of its own keeps that', () => {
    const imageId = 'docker-pullable://example/app@sha256:1';
    expect(appOf({ containers: [containerState('app', { imageId })] }).imageID).toBe(imageId);
  });
});

describe('a container that waits', () => {
  const tried = (attempt: number, what: Failure) => ({ containers: new Map([['app', { attempt, failure: what }]]) });

  it('shows why it does not start, and who it is once it was made', () => {
    const created = containerState('app', { id: 'made', state: 'created', imageId: 'sha256:9', attempt: 1 });
    const progress = tried(1, failure('CreateContainerConfigError'));
    expect(appOf({ containers: [created], progress })).toMatchObject({
      state: { waiting: { reason: 'CreateContainerConfigError', message: 'it broke' } },
      containerID: 'docker://made',
      imageID: 'docker://sha256:9',
      ready: false,
      started: false,
    });
  });

  it('shows a failure for as long as it is news: of the newest attempt, and of the image that the spec has', () => {
    const reason = (attempt: number, what: Failure) =>
      appOf({ progress: tried(attempt, what), memory: { containers: { app: crashed(2) } } }).state?.waiting?.reason;
    expect(reason(2, failure('CreateContainerError'))).toBe('CreateContainerError');
    expect(reason(1, failure('CreateContainerError'))).toBe('CreateContainerError');
    expect(reason(0, failure('CreateContainerError'))).toBe('CrashLoopBackOff');
    expect(reason(2, failure('ErrImagePull', { inputs: { image: 'example/app:1' } }))).toBe('ErrImagePull');
    expect(reason(2, failure('ErrImagePull', { inputs: { image: 'example/app:0' } }))).toBe('CrashLoopBackOff');
  });

  it('compares the image that failed with its own, not with that of another', () => {
    const spec = { containers: [container('other', { image: 'example/other:1' }), container('app')] };
    const progress = tried(0, failure('ErrImagePull', { inputs: { image: 'example/app:1' } }));
    expect(appOf({ spec, progress, at: 6_000 }).state?.waiting).toEqual({
      reason: 'ImagePullBackOff',
      message: 'Back-off pulling image "example/app:1": ErrImagePull: it broke',
    });
  });

  it('turns to a back-off after a second only for an image that was not pulled', () => {
    const reason = (what: string, at: number) =>
      appOf({ progress: tried(0, failure(what)), at }).state?.waiting?.reason;
    expect(reason('ErrImagePull', 5_999)).toBe('ErrImagePull');
    expect(reason('ErrImagePull', 6_000)).toBe('ImagePullBackOff');
    expect(reason('InvalidImageName', 60_000)).toBe('InvalidImageName');
  });

  it('has failures whose words change: of pulls and starts, and of nothing else', () => {
    const view = viewOf({
      progress: {
        containers: new Map([
          ['app', { attempt: 0, failure: failure('ErrImagePull', { at: 7 }) }],
          ['other', { attempt: 0 }],
        ]),
      },
      memory: {
        containers: {
          app: crashed(1, { reason: 'Error', finishedAt: 8 }),
          other: crashed(1, { reason: 'StartError', finishedAt: 9 }),
          third: { nextAttempt: 1, crashes: 0, exits: [] },
        },
      },
    });
    expect(failedAt(view)).toEqual([7, 9]);
  });

  it('is being created, or waits for the initialisation of its pod as long as that is not over', () => {
    const spec = { initContainers: [container('one'), container('proxy', { restartPolicy: 'Always' })] };
    const reasons = (given: GivenView) => {
      const { initContainerStatuses = [], containerStatuses = [] } = statusOf(given);
      return [...initContainerStatuses, ...containerStatuses].map(({ state }) => state?.waiting?.reason);
    };
    expect(reasons({ spec })).toEqual(['PodInitializing', 'PodInitializing', 'PodInitializing']);
    expect(reasons({ spec, sandboxes: [] })).toEqual(['PodInitializing', 'PodInitializing', 'PodInitializing']);
    expect(reasons({ spec, containers: [exitedState('one', 0)] })).toEqual([
      ...[undefined, 'PodInitializing', 'ContainerCreating'],
    ]);
    expect(reasons({})).toEqual(['ContainerCreating']);
  });
});

describe('an init container', () => {
  const spec = { initContainers: [container('one'), container('proxy', { restartPolicy: 'Always' })] };
  const initsOf = (given: GivenView) => statusOf({ spec, ...given }).initContainerStatuses ?? [];

  it('is ready when it has ended well, never while it runs; a sidecar as an app container', () => {
    expect(initsOf({ containers: [containerState('one')] })[0]).toMatchObject({ ready: false, started: true });
    expect(initsOf({ containers: [exitedState('one', 0)] })[0]).toMatchObject({ ready: true, started: false });
    expect(initsOf({ containers: [exitedState('one', 0)] })[0]?.state?.terminated?.reason).toBe('Completed');
    expect(initsOf({ containers: [exitedState('one', 1)] })[0]?.ready).toBe(false);
    expect(initsOf({ containers: [exitedState('one', 0), containerState('proxy')] })[1]?.ready).toBe(true);
    expect(initsOf({ containers: [exitedState('proxy', 0)] })[1]?.ready).toBe(false);
  });
});

describe('an ephemeral container', () => {
  it('is never ready and says nothing of having started', () => {
    const spec = { ephemeralContainers: [container('debug')] };
    const [debug] = statusOf({ spec, containers: [containerState('debug')] }).ephemeralContainerStatuses ?? [];
    expect(debug).toMatchObject({ ready: false, state: { running: {} } });
    expect(debug).not.toHaveProperty('started');
  });
});

describe('the resources of a container', () => {
  const given = (text: string): GivenView => ({
    containers: [containerState('app', { labels: { [resourcesLabel]: text } })],
  });

  it('are what it has, while it runs', () => {
    expect(appOf(given('cpu=100m/,memory=/64Mi'))).toMatchObject({
      allocatedResources: { cpu: '100m' },
      resources: { requests: { cpu: '100m' }, limits: { memory: '64Mi' } },
    });
    const limited = appOf(given('cpu=/,memory=/64Mi'));
    expect(limited.resources).toEqual({ limits: { memory: '64Mi' } });
    expect(limited).not.toHaveProperty('allocatedResources');
  });

  it('are left out where it has none, or where they are not known', () => {
    for (const status of [appOf(given('cpu=/,memory=/')), appOf({ containers: [containerState('app')] })]) {
      expect(status).not.toHaveProperty('resources');
      expect(status).not.toHaveProperty('allocatedResources');
    }
  });
});

it('a container whose probes have said nothing yet is neither started nor ready', () => {
  const spec = { containers: [container('app', { startupProbe: {}, readinessProbe: {} })] };
  expect(appOf({ spec, containers: [containerState('app')] })).toMatchObject({ started: false, ready: false });
  const ready = { containers: [container('app', { readinessProbe: {} })] };
  expect(appOf({ spec: ready, containers: [containerState('app')] })).toMatchObject({ started: true, ready: false });
});

it('a container that runs in a sandbox that has died is still reported as running, until it is stopped', () => {
  const spec = { containers: [container('other'), container('app')] };
  const containers = [
    containerState('other'),
    exitedState('app', 1, { id: 'old' }),
    containerState('app', { attempt: 1 }),
  ];
  const status = appOf({ spec, sandboxes: [sandboxState({ running: false })], containers });
  expect(status).toMatchObject({ state: { running: {} }, containerID: 'docker://id-app', restartCount: 1 });
});
