import { describe, expect, it } from 'vitest';
import { container, makePod } from '../../test/support/hollow-agent.ts';
import {
  containerExit,
  containerState,
  exitedState,
  type GivenView,
  sandboxState,
  viewOf,
  viewStart,
} from '../../test/support/pod-view.ts';
import { containerHash, hashLabel } from './containers.ts';
import type { ContainerProgress, Failure, PodProgress, PodView } from './model.ts';
import { planPod } from './plan.ts';
import { resourcesLabel } from './resources.ts';
import type { Step } from './steps.ts';

const now = viewStart + 100_000;
const later = now + 5_000;
const inputs = { objects: 3, pod: 2 };

/** A pod whose volumes show the newest of its inputs. */
function planOf(given: GivenView, more: Partial<PodView> = {}): Step[] {
  const view = viewOf({ ...given, progress: { mounted: true, volumes: inputs, ...given.progress } });
  return planPod({ ...view, inputs, ...more }, now);
}

const failure = (more: Partial<Failure> = {}): Failure => ({
  reason: 'Broken',
  message: '',
  at: now - 1_000,
  retryAt: later,
  count: 1,
  inputs,
  ...more,
});

const wait: Step = { action: 'wait', until: later };
const prepare: Step = { action: 'prepareVolumes' };
const pull: Step = { action: 'pullImage', container: 'app', attempt: 0 };
const create: Step = { action: 'createContainer', container: 'app', attempt: 0, sandboxId: 's' };
const createSandbox: Step = { action: 'createSandbox', attempt: 0 };

const progressOf = (app: ContainerProgress): Partial<PodProgress> => ({ containers: new Map([['app', app]]) });
const hashed = (image = 'example/app:1') => ({ [hashLabel]: containerHash({ name: 'app', image }) });
const running = containerState('app', { labels: hashed() });

describe('volumes', () => {
  it.each([
    ['never written', { mounted: false, volumes: undefined }],
    ['of older objects', { volumes: { ...inputs, objects: 2 } }],
    ['of an older pod', { volumes: { ...inputs, pod: 1 } }],
  ] as const)('%s are written before a container is started', (_, progress) => {
    expect(planOf({ progress } as GivenView)).toEqual([prepare]);
  });

  it('and before a sandbox is made', () => {
    const unwritten = { ...viewOf({ sandboxes: [] }), inputs };
    expect(planPod(unwritten, now)).toEqual([prepare]);
  });

  it('that show the newest hold up nothing', () => {
    expect(planOf({})).toEqual([pull]);
    expect(planOf({ sandboxes: [] })).toEqual([createSandbox, pull]);
  });

  it('that could not be written wait for their time, and hold up only a pod that has never had any', () => {
    const volumes = { ...inputs, objects: 2 };
    const failed = { volumes, volumesFailure: failure() };
    expect(planOf({ progress: failed })).toEqual([wait, pull]);
    expect(planOf({ sandboxes: [], progress: failed })).toEqual([createSandbox, pull, wait]);
    expect(planOf({ progress: { ...failed, mounted: false } })).toEqual([wait]);
    expect(planOf({ sandboxes: [], progress: { ...failed, mounted: false } })).toEqual([wait]);
  });

  it('are tried again when their time has come, or when what failed has changed', () => {
    const volumes = { ...inputs, objects: 1, pod: 1 };
    for (const volumesFailure of [
      failure({ retryAt: now }),
      failure({ inputs: { ...inputs, objects: 2 } }),
      failure({ inputs: { ...inputs, pod: 1 } }),
    ]) {
      expect(planOf({ progress: { volumes, volumesFailure } })[0]).toEqual(prepare);
    }
  });

  it('that are not written yet keep no container from being stopped', () => {
    const unhealthy = { unhealthy: { probe: 'liveness' as const, graceSeconds: 2 } };
    const spec = { containers: [container('app'), container('other')] };
    const view = {
      ...viewOf({ spec, containers: [running, containerState('other')], probes: [['id-other', unhealthy]] }),
      inputs,
    };
    expect(planPod(view, now)).toMatchObject([
      { action: 'prepareVolumes' },
      { action: 'stopContainer', container: 'other' },
    ]);
  });
});

describe('tokens', () => {
  const projected = { sources: [{ serviceAccountToken: { path: 'token', expirationSeconds: 3600 } }] };
  const spec = { volumes: [{ name: 'access', projected }] };
  const given = (renewAt: number, progress: Partial<PodProgress> = {}): GivenView => ({
    spec,
    containers: [running],
    memory: { tokens: { '|3600': { token: 't', expires: now + 3_600_000, renewAt } } },
    progress,
  });

  it('are renewed when it is time, not before', () => {
    expect(planOf(given(later))).toEqual([wait]);
    expect(planOf(given(now))).toEqual([prepare]);
  });

  it('that could not be had are asked for again after a pause, and at once when the clock was set back', () => {
    expect(planOf(given(now, { tokensFailure: { at: now - 1, retryAt: later } }))).toEqual([wait]);
    expect(planOf(given(now, { tokensFailure: { at: now - 1, retryAt: now } }))).toEqual([prepare]);
    expect(planOf(given(now + 1e9, { tokensFailure: { at: now + 1, retryAt: later } }))).toEqual([prepare]);
  });
});

describe('a sandbox', () => {
  it('that could not be made is tried again at its time', () => {
    expect(planOf({ sandboxes: [], progress: { sandboxFailure: failure() } })).toEqual([wait]);
    const due = failure({ retryAt: now });
    expect(planOf({ sandboxes: [], progress: { sandboxFailure: due } })).toEqual([createSandbox, pull]);
  });

  it('that was made gets containers before it is whole, but only of its own attempt', () => {
    const progress = { ...progressOf({ attempt: 0, image: 'example/app:1' }) };
    const made = (attempt: number) =>
      planOf({ sandboxes: [], progress: { ...progress, making: { id: 'new', attempt } } });
    expect(made(0)).toEqual([createSandbox, { ...create, sandboxId: 'new' }]);
    expect(made(7)).toEqual([createSandbox]);
  });

  it('that is made while an image cannot be pulled waits for that at its side', () => {
    const progress = progressOf({ attempt: 0, failure: failure() });
    expect(planOf({ sandboxes: [], progress })).toEqual([createSandbox, wait]);
  });
});

describe('a container', () => {
  it('is made of the image that was pulled for it, and not of that of another attempt or spec', () => {
    expect(planOf({ progress: progressOf({ attempt: 0, image: 'example/app:1' }) })).toEqual([create]);
    expect(planOf({ progress: progressOf({ attempt: 0, image: 'example/app:0' }) })).toEqual([pull]);
    expect(planOf({ progress: progressOf({ attempt: 1, image: 'example/app:1' }) })).toEqual([pull]);
  });

  it('that has failed waits for its time, unless the failure is of another attempt, image, pod or object', () => {
    const tried = (change: Partial<Failure>, attempt = 0) =>
      planOf({ progress: progressOf({ attempt, failure: failure(change) }) });
    expect(tried({})).toEqual([wait]);
    expect(tried({ at: now })).toEqual([wait]);
    expect(tried({ inputs: {} })).toEqual([wait]);
    expect(tried({ inputs: { image: 'example/app:1' } })).toEqual([wait]);
    expect(tried({ inputs: { image: 'example/app:0' } })).toEqual([pull]);
    expect(tried({ inputs: { ...inputs, objects: 2 } })).toEqual([pull]);
    expect(tried({ inputs: { ...inputs, pod: 1 } })).toEqual([pull]);
    expect(tried({ retryAt: now })).toEqual([pull]);
    expect(tried({}, 1)).toEqual([pull]);
  });

  it('that was made and not started is started, but for one that is older than the last that ended', () => {
    const created = containerState('app', { state: 'created', labels: hashed() });
    const start: Step = { action: 'startContainer', container: 'app', id: 'id-app' };
    expect(planOf({ containers: [created] })).toEqual([start]);
    const failed = progressOf({ attempt: 0, failure: failure() });
    expect(planOf({ containers: [created], progress: failed })).toEqual([wait]);
    const exits = [containerExit('app', 1, { id: 'c0' })];
    const memory = { containers: { app: { nextAttempt: 1, crashes: 1, exits } } };
    expect(planOf({ containers: [created], memory })).toEqual([{ ...pull, attempt: 1 }]);
  });

  it('whose failure is of the attempt that waits to be started does not wait for that of the next', () => {
    const created = containerState('app', { state: 'created', attempt: 4, labels: hashed() });
    const tried = (attempt: number) =>
      planOf({ containers: [created], progress: progressOf({ attempt, failure: failure() }) });
    expect(tried(4)).toEqual([wait]);
    expect(tried(5)).toMatchObject([{ action: 'startContainer' }]);
  });

  it('that was made by an agent that named no definition is left alone when that changes', () => {
    const spec = { containers: [container('app', { image: 'example/app:2' })] };
    expect(planOf({ spec, containers: [containerState('app')] })).toEqual([]);
    expect(planOf({ spec, containers: [running] })).toMatchObject([{ action: 'stopContainer', replaces: true }]);
  });

  it('that changes has the pod’s own grace', () => {
    const spec = { terminationGracePeriodSeconds: 9, containers: [container('app', { image: 'example/app:2' })] };
    expect(planOf({ spec, containers: [running] })).toMatchObject([{ deadline: now + 9_000 }]);
  });
});

describe('other resources', () => {
  const made = containerState('app', { labels: { ...hashed(), [resourcesLabel]: 'cpu=/,memory=/' } });
  const resized = (restartPolicy: 'Always' | 'Never', resourceName: string) => ({
    restartPolicy,
    containers: [
      container('app', {
        resources: { requests: { memory: '64Mi' } },
        resizePolicy: [
          { resourceName: 'ephemeral-storage', restartPolicy: 'NotRequired' },
          { resourceName, restartPolicy: 'RestartContainer' },
        ],
      }),
    ],
  });
  const update = { action: 'updateContainer', container: 'app', id: 'id-app', resources: 'cpu=/,memory=64Mi/' };

  it('are given to a container as it runs, unless what changes wants a restart', () => {
    expect(planOf({ spec: resized('Always', 'cpu'), containers: [made] })).toMatchObject([update]);
    expect(planOf({ spec: resized('Always', 'memory'), containers: [made] })).toMatchObject([
      { action: 'stopContainer', why: 'Container app resize requires restart' },
    ]);
  });

  it('are given as it runs to one that would not be started again', () => {
    expect(planOf({ spec: resized('Never', 'memory'), containers: [made] })).toMatchObject([update]);
  });

  it('are nothing to do for a container that does not say what it was made with', () => {
    expect(planOf({ spec: resized('Always', 'cpu'), containers: [running] })).toEqual([]);
  });
});

describe('of two containers of one name', () => {
  const two = (a: Parameters<typeof containerState>[1], b: Parameters<typeof containerState>[1]) =>
    planOf({ containers: [containerState('app', { id: 'a', ...a }), containerState('app', { id: 'b', ...b })] });

  it('the newest that runs goes on, and the other is stopped with the pod’s grace', () => {
    const stop = { action: 'stopContainer', container: 'app', deadline: now + 30_000, why: 'Stopping container' };
    expect(two({ attempt: 0 }, { attempt: 1 })).toEqual([{ ...stop, id: 'a' }]);
    expect(two({ attempt: 1 }, { attempt: 0 })).toEqual([{ ...stop, id: 'b' }]);
  });

  it('one that runs counts, though the other is newer: that is removed', () => {
    const steps = two({ attempt: 0 }, { attempt: 1, state: 'created' });
    expect(steps).toEqual([{ action: 'removeContainer', container: 'app', id: 'b' }]);
  });

  it('the last that ended stays for its logs, whatever the order of the list', () => {
    const ends = [1, 3, 2].map((attempt) => exitedState('app', 1, { id: `c${attempt}`, attempt }));
    const steps = planOf({ containers: [...ends, containerState('app', { id: 'c4', attempt: 4 })] });
    expect(steps).toEqual(['c1', 'c2'].map((id) => ({ action: 'removeContainer', container: 'app', id })));
  });

  it('those of another sandbox are left to the removal of that', () => {
    const sandboxes = [sandboxState(), sandboxState({ id: 'old', attempt: -1, running: false })];
    const old = [0, 1, 2].map((attempt) => exitedState('app', 1, { id: `c${attempt}`, attempt, sandboxId: 'old' }));
    const containers = [...old, containerState('app', { attempt: 3 })];
    expect(planOf({ sandboxes, containers })).toEqual([{ action: 'removeSandbox', id: 'old' }]);
  });

  it('those of another sandbox are not counted', () => {
    const sandboxes = [sandboxState(), sandboxState({ id: 'old', attempt: -1, running: false })];
    const old = exitedState('app', 1, { id: 'gone', sandboxId: 'old' });
    expect(planOf({ sandboxes, containers: [old, containerState('app', { attempt: 1 })] })).toEqual([
      { action: 'removeSandbox', id: 'old' },
    ]);
  });
});

it('an ephemeral container is planned once, at any time', () => {
  const spec = { ephemeralContainers: [container('debug')] };
  expect(planOf({ spec, containers: [running] })).toEqual([{ action: 'pullImage', container: 'debug', attempt: 0 }]);
});

describe('initialisation', () => {
  const spec = {
    initContainers: [container('one'), container('proxy', { restartPolicy: 'Always' }), container('two')],
    containers: [container('app'), container('other')],
  };
  const done = (name: string) => exitedState(name, 0);
  const named = (steps: Step[]) => steps.map((step) => ('container' in step ? step.container : step.action));
  const proxyOf = (more: object) => ({
    spec: { ...spec, initContainers: [container('proxy', { restartPolicy: 'Always', ...more }), container('two')] },
    containers: [containerState('proxy')],
  });

  it('has one container at a time, and sidecars once they have started', () => {
    expect(named(planOf({ spec }))).toEqual(['one']);
    expect(named(planOf({ spec, containers: [done('one')] }))).toEqual(['proxy']);
    expect(named(planOf({ spec, containers: [done('one'), containerState('proxy')] }))).toEqual(['two']);
    const all = [done('one'), containerState('proxy'), done('two')];
    expect(named(planOf({ spec, containers: all }))).toEqual(['app', 'other']);
  });

  it('waits for the startup probe of a sidecar', () => {
    const given = proxyOf({ startupProbe: {} });
    expect(planOf(given)).toEqual([]);
    expect(planOf({ ...given, probes: [['id-proxy', { started: false }]] })).toEqual([]);
    expect(named(planOf({ ...given, probes: [['id-proxy', { started: true }]] }))).toEqual(['two']);
  });

  it('waits for the postStart hook of a sidecar, but not for that of an earlier one', () => {
    const hookOf = (attempt: number, hookPending: boolean) =>
      planOf({ ...proxyOf({}), progress: { containers: new Map([['proxy', { attempt, hookPending }]]) } });
    expect(hookOf(0, true)).toEqual([]);
    expect(named(hookOf(0, false))).toEqual(['two']);
    expect(named(hookOf(1, true))).toEqual(['two']);
  });

  it('is over once any app container has been there, whatever became of the init containers', () => {
    for (const app of [
      containerState('other'),
      exitedState('other', 1),
      containerState('other', { state: 'created' }),
    ]) {
      const steps = named(planOf({ spec, containers: [app] }));
      expect(steps).toContain('app');
      expect(steps).not.toContain('one');
      expect(steps).not.toContain('two');
    }
    const exits = [containerExit('other', 1)];
    const memory = { containers: { other: { nextAttempt: 1, crashes: 1, exits } } };
    expect(named(planOf({ spec, memory }))).toEqual(['proxy', 'app', 'other']);
  });

  it('starts a sidecar that ended again while it goes on, and after', () => {
    const ended = exitedState('proxy', 0);
    expect(named(planOf({ spec, containers: [done('one'), ended] }))).toEqual(['proxy']);
    expect(named(planOf({ spec, containers: [done('one'), ended, done('two'), running] }))).toContain('proxy');
  });
});

it('a pod of a spec without init containers has the default grace of Kubernetes, 30 seconds', () => {
  const view = viewOf({
    containers: [containerState('app', { sandboxId: 'gone' })],
    sandboxes: [sandboxState({ id: 'gone', running: false })],
  });
  expect(planPod({ ...view, pod: makePod('web') }, now)).toMatchObject([{ deadline: now + 30_000 }]);
});
