import { describe, expect, it } from 'vitest';
import type { PodStatus } from '../../shared/generated/types.ts';
import { container } from '../../test/support/hollow-agent.ts';
import { type GivenView, viewStart as start, containerState as state, viewOf } from '../../test/support/pod-view.ts';
import type { ProbeVerdict } from './model.ts';
import { podStatus } from './status.ts';

const context = { hostIP: '192.0.2.1', runtimeName: 'docker' };

function statusOf(given: GivenView & { readonly previous?: PodStatus }): PodStatus {
  return podStatus(viewOf(given), given.previous, context, start + (given.at ?? 5_000));
}

const condition = (status: PodStatus, type: string) => status.conditions?.find((each) => each.type === type);

describe('the status of a pod', () => {
  it('is, while it runs, what the kubelet would write', () => {
    expect(statusOf({ containers: [state('app')] })).toMatchInlineSnapshot(`
      {
        "conditions": [
          {
            "lastTransitionTime": "2026-01-01T12:00:05Z",
            "status": "True",
            "type": "PodReadyToStartContainers",
          },
          {
            "lastTransitionTime": "2026-01-01T12:00:05Z",
            "status": "True",
            "type": "Initialized",
          },
          {
            "lastTransitionTime": "2026-01-01T12:00:05Z",
            "status": "True",
            "type": "Ready",
          },
          {
            "lastTransitionTime": "2026-01-01T12:00:05Z",
            "status": "True",
            "type": "ContainersReady",
          },
          {
            "lastTransitionTime": "2026-01-01T00:00:00Z",
            "status": "True",
            "type": "PodScheduled",
          },
        ],
        "containerStatuses": [
          {
            "containerID": "docker://id-app",
            "image": "example/app:1",
            "imageID": "docker://sha256:1",
            "lastState": {},
            "name": "app",
            "ready": true,
            "restartCount": 0,
            "started": true,
            "state": {
              "running": {
                "startedAt": "2026-01-01T12:00:01Z",
              },
            },
          },
        ],
        "hostIP": "192.0.2.1",
        "hostIPs": [
          {
            "ip": "192.0.2.1",
          },
        ],
        "phase": "Running",
        "podIP": "10.64.3.2",
        "podIPs": [
          {
            "ip": "10.64.3.2",
          },
        ],
        "qosClass": "BestEffort",
        "startTime": "2026-01-01T12:00:00Z",
      }
    `);
  });

  it('tells of ephemeral containers apart from the others, and its phase and readiness do not depend on them', () => {
    const spec = { containers: [container('app')], ephemeralContainers: [{ name: 'debug', image: 'busybox' }] };
    const app = state('app');
    const waiting = statusOf({ spec, containers: [app] });
    expect(waiting.ephemeralContainerStatuses).toMatchObject([
      { name: 'debug', ready: false, restartCount: 0, state: { waiting: { reason: 'ContainerCreating' } } },
    ]);
    const ended = state('debug', { state: 'exited', exitCode: 1, finishedAt: start + 2_000, reason: 'Error' });
    const { phase, conditions, containerStatuses, ephemeralContainerStatuses } = statusOf({
      spec,
      containers: [app, ended],
    });
    expect(phase).toBe('Running');
    expect(conditions).toContainEqual(expect.objectContaining({ type: 'Ready', status: 'True' }));
    expect(containerStatuses).toHaveLength(1);
    expect(ephemeralContainerStatuses).toMatchObject([{ name: 'debug', state: { terminated: { exitCode: 1 } } }]);
  });

  it('is Pending, and not initialized, while init containers run', () => {
    const spec = { initContainers: [container('one'), container('two')] };
    const status = statusOf({ spec, containers: [state('one')] });
    expect(status.phase).toBe('Pending');
    expect(condition(status, 'Initialized')).toMatchObject({
      status: 'False',
      reason: 'ContainersNotInitialized',
      message: 'containers with incomplete status: [one two]',
    });
    expect(condition(status, 'Ready')).toMatchObject({
      status: 'False',
      reason: 'ContainersNotReady',
      message: 'containers with unready status: [app]',
    });
    expect(status.containerStatuses?.[0]?.state?.waiting?.reason).toBe('PodInitializing');
  });

  it('has no address and is creating its containers before it has a sandbox', () => {
    const status = statusOf({ sandboxes: [] });
    expect(status.podIP).toBeUndefined();
    expect(condition(status, 'PodReadyToStartContainers')?.status).toBe('False');
    expect(status.containerStatuses?.[0]?.state?.waiting?.reason).toBe('ContainerCreating');
  });

  it('has the node’s address on the host’s network', () => {
    const status = statusOf({ spec: { hostNetwork: true }, containers: [state('app')] });
    expect(status.podIP).toBe('192.0.2.1');
  });

  it('keeps transition times and other writers’ conditions', () => {
    const before = '2026-01-01T11:00:00Z';
    const gate = { type: 'example.org/gate', status: 'True', lastTransitionTime: before };
    const previous: PodStatus = { conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: before }, gate] };
    const status = statusOf({ containers: [state('app')], previous });
    expect(condition(status, 'Ready')?.lastTransitionTime).toBe(before);
    expect(condition(status, 'example.org/gate')).toEqual(gate);
  });

  it('is ready only when its readiness gates are', () => {
    const status = statusOf({
      spec: { readinessGates: [{ conditionType: 'example.org/gate' }] },
      containers: [state('app')],
    });
    expect(condition(status, 'ContainersReady')?.status).toBe('True');
    expect(condition(status, 'Ready')).toMatchObject({ status: 'False', reason: 'ReadinessGatesNotReady' });
  });

  it('tells a container that started from one that is ready', () => {
    const spec = { containers: [container('app', { startupProbe: {}, readinessProbe: {} })] };
    const of = (verdict: ProbeVerdict) =>
      statusOf({ spec, containers: [state('app')], probes: [['id-app', verdict]] }).containerStatuses?.[0];
    expect(of({ started: false, ready: false })).toMatchObject({ started: false, ready: false });
    expect(of({ started: true, ready: false })).toMatchObject({ started: true, ready: false });
    expect(of({ started: true, ready: true })).toMatchObject({ started: true, ready: true });
  });

  it('shows the failed image, then that it is waiting to try again', () => {
    const failure = {
      reason: 'ErrImagePull',
      message: 'not found',
      at: start + 5_000,
      retryAt: start + 15_000,
      count: 1,
      inputs: {},
    };
    const progress = { containers: new Map([['app', { attempt: 0, failure }]]) };
    const waiting = (at: number) => statusOf({ progress, at }).containerStatuses?.[0]?.state?.waiting;
    expect(waiting(5_000)).toEqual({ reason: 'ErrImagePull', message: 'not found' });
    expect(waiting(6_500)).toEqual({
      reason: 'ImagePullBackOff',
      message: 'Back-off pulling image "example/app:1": ErrImagePull: not found',
    });
  });

  it('is terminal only when nothing runs any more, and stays so', () => {
    const terminal = { phase: 'Failed' as const, reason: 'DeadlineExceeded', message: 'too long' };
    expect(statusOf({ containers: [state('app')], memory: { terminal } }).phase).toBe('Running');
    const exited = state('app', { state: 'exited', exitCode: 143, finishedAt: start + 2_000 });
    const ended = statusOf({ containers: [exited], memory: { terminal } });
    expect(ended).toMatchObject({ phase: 'Failed', reason: 'DeadlineExceeded', message: 'too long' });
    expect(condition(ended, 'Ready')).toMatchObject({ status: 'False', reason: 'PodFailed' });
    expect(ended.containerStatuses?.[0]?.state?.terminated).toMatchObject({ exitCode: 143, reason: 'Error' });
    expect(statusOf({ containers: [], previous: ended, sandboxes: [] })).toMatchObject({
      phase: 'Failed',
      podIP: '10.64.3.2',
    });
  });

  it('of a completed pod has the reason PodCompleted in its conditions', () => {
    const exited = state('app', { state: 'exited', exitCode: 0, finishedAt: start + 2_000 });
    const status = statusOf({
      spec: { restartPolicy: 'Never' },
      containers: [exited],
      memory: { terminal: { phase: 'Succeeded' } },
    });
    expect(status.phase).toBe('Succeeded');
    for (const type of ['Ready', 'ContainersReady', 'Initialized']) {
      expect(condition(status, type)?.reason).toBe('PodCompleted');
    }
  });
});
