import { describe, expect, it } from 'vitest';
import { container, makePod } from '../../test/support/hollow-agent.ts';
import { ModelPod, podOf } from '../../test/support/model-pod.ts';
import { containersOf } from './containers.ts';
import { crashDelayMs } from './plan.ts';

const seconds = 1_000;
const minutes = 60 * seconds;

type Policy = 'Always' | 'OnFailure' | 'Never';

/** A pod of one kind of container under test beside `other`, which runs on. */
function modelOf(role: 'app' | 'init' | 'sidecar', policy: Policy): ModelPod {
  const inits = role === 'app' ? [] : [container('one', role === 'sidecar' ? { restartPolicy: 'Always' } : {})];
  const apps = role === 'app' ? [container('one'), container('other')] : [container('other')];
  return new ModelPod(makePod('web', { restartPolicy: policy, initContainers: inits, containers: apps }));
}

const startsOf = (model: ModelPod, name: string) => model.started.filter((each) => each === name).length;

/** Ends the container when it has run for so long, and says how long it waits for its restart. */
function pauseAfter(model: ModelPod, ranMs: number): number {
  const starts = startsOf(model, 'a0');
  model.now += ranMs;
  model.endOf('a0', 1);
  const ended = model.now;
  for (let i = 0; i < 20 && startsOf(model, 'a0') === starts; i++) model.settle(1);
  expect(startsOf(model, 'a0')).toBe(starts + 1);
  return model.now - ended;
}

describe('a container that has ended', () => {
  /** Kubernetes, "Pod lifecycle" and "Sidecar containers". */
  it.each([
    ['app', 'Always', 0, true],
    ['app', 'Always', 1, true],
    ['app', 'OnFailure', 0, false],
    ['app', 'OnFailure', 1, true],
    ['app', 'Never', 0, false],
    ['app', 'Never', 1, false],
    ['init', 'Always', 0, false],
    ['init', 'Always', 1, true],
    ['init', 'OnFailure', 0, false],
    ['init', 'OnFailure', 1, true],
    ['init', 'Never', 0, false],
    ['init', 'Never', 1, false],
    ['sidecar', 'Always', 0, true],
    ['sidecar', 'OnFailure', 0, true],
    ['sidecar', 'Never', 0, true],
    ['sidecar', 'Never', 1, true],
  ] as const)('as %s under the policy %s with code %i is started again: %s', (role, policy, code, again) => {
    const model = modelOf(role, policy);
    model.settle();
    expect(startsOf(model, 'one')).toBe(1);
    model.endOf('one', code);
    model.settle();
    expect(startsOf(model, 'one')).toBe(again ? 2 : 1);
  });

  it('is started again at once, then after 10, 20, 40 and 60 seconds, and no later than that', () => {
    const model = new ModelPod(podOf({ inits: [], apps: 1, policy: 'Always' }));
    model.settle();
    const pauses = Array.from({ length: 7 }, () => pauseAfter(model, 0) / seconds);
    expect(pauses).toEqual([0, 10, 20, 40, 60, 60, 60]);
  });

  it('is started again at once when it has run for ten minutes, and not after less', () => {
    const model = new ModelPod(podOf({ inits: [], apps: 1, policy: 'Always' }));
    model.settle();
    const pauses = [1, 1, 1, 10 * minutes - 1, 10 * minutes, 1].map((ran) => pauseAfter(model, ran) / seconds);
    expect(pauses).toEqual([0, 10, 20, 40, 0, 10]);
  });

  it('waits no longer for the crashes of another', () => {
    const model = new ModelPod(podOf({ inits: [], apps: 2, policy: 'Always' }));
    model.settle();
    for (let i = 0; i < 4; i++) pauseAfter(model, 0);
    const ended = model.now;
    model.endOf('a1', 1);
    model.settle(6);
    expect(model.running()).toEqual(['a0', 'a1']);
    expect(model.now).toBe(ended);
  });

  it('as init container is tried again with a growing pause, and the next waits for its success', () => {
    const model = new ModelPod(podOf({ inits: ['init', 'init'], apps: 1, policy: 'OnFailure' }));
    const at: number[] = [];
    for (let i = 0; i < 4; i++) {
      const starts = startsOf(model, 'i0');
      for (let round = 0; round < 20 && startsOf(model, 'i0') === starts; round++) model.settle(1);
      at.push(model.now);
      model.endOf('i0', 1);
    }
    expect(at.slice(1).map((time, i) => (time - (at[i] ?? 0)) / seconds)).toEqual([0, 10, 20]);
    expect(model.started).not.toContain('i1');
    model.settle();
    model.endOf('i0', 0);
    model.settle();
    expect(model.started.slice(-1)).toEqual(['i1']);
    model.endOf('i1', 0);
    model.settle();
    expect(model.running()).toEqual(['a0']);
  });

  it('as init container does not run again when it ends after the pod was initialised', () => {
    const model = new ModelPod(podOf({ inits: ['init'], apps: 1, policy: 'Always' }), { i0: { exitCode: 0 } });
    model.settle();
    model.endOf('a0', 1);
    model.settle();
    expect(model.started).toEqual(['i0', 'a0', 'a0']);
  });
});

describe('an image that was changed', () => {
  it('is not kept waiting by the crashes of the one before', () => {
    const model = new ModelPod(podOf({ inits: [], apps: 1, policy: 'Always' }));
    model.settle();
    for (let i = 0; i < 4; i++) pauseAfter(model, 0);
    model.endOf('a0', 1);
    const ended = model.now;
    model.plan();
    model.pod = makePod('web', { containers: [container('a0', { image: 'example/app:2' })] });
    model.settle(5);
    expect(model.running()).toEqual(['a0']);
    expect(model.now).toBe(ended);
  });

  it('is what an unstarted container is made of anew', () => {
    const model = new ModelPod(podOf({ inits: [], apps: 1, policy: 'Always' }));
    const sandbox = model.addSandbox(0);
    model.addContainer('a0', sandbox.id, 'created', 0);
    model.progress = { ...model.progress, mounted: true, volumes: { objects: 0, pod: 0 } };
    expect(model.plan()).toMatchObject([{ action: 'startContainer' }]);
    model.pod = makePod('web', { containers: [container('a0', { image: 'example/app:2' })] });
    expect(model.plan()).toEqual([{ action: 'removeContainer', container: 'a0', id: model.containers[0]?.id }]);
    model.settle();
    expect(model.containers).toMatchObject([{ attempt: 1, image: 'example/app:2', state: 'running' }]);
  });
});

describe('a probe that has failed for good', () => {
  it.each([
    ['liveness', 7, 7],
    ['startup', undefined, 30],
    ['liveness', 0, 0],
  ] as const)('stops its container: %s, with a grace of its own of %s seconds', (probe, graceSeconds, grace) => {
    const model = new ModelPod(podOf({ inits: [], apps: 2, policy: 'Always' }));
    model.settle();
    const id = model.containers.find(({ name }) => name === 'a1')?.id ?? '';
    model.probes.set(id, { unhealthy: { probe, ...(graceSeconds === undefined ? {} : { graceSeconds }) } });
    expect(model.plan()).toEqual([
      {
        action: 'stopContainer',
        container: 'a1',
        id,
        deadline: model.now + grace * seconds,
        why: `Container a1 failed ${probe} probe, will be restarted`,
      },
    ]);
  });

  it('says of a sidecar that it will be restarted even where the pod never restarts', () => {
    const model = new ModelPod(podOf({ inits: ['sidecar'], apps: 1, policy: 'Never' }));
    model.settle();
    const id = model.containers.find(({ name }) => name === 'i0')?.id ?? '';
    model.probes.set(id, { unhealthy: { probe: 'liveness' } });
    expect(model.plan()).toMatchObject([{ why: 'Container i0 failed liveness probe, will be restarted' }]);
  });
});

it('the wait for the next try never passes the longest number of doublings', () => {
  expect([0, 1, 2, 3, 4, 5, 6, 1000].map(crashDelayMs)).toEqual([0, 0, 10, 20, 40, 60, 60, 60].map((s) => s * 1000));
});

it('containers are listed as init, app and ephemeral ones, each in their order', () => {
  const pod = makePod('web', {
    initContainers: [container('init'), container('proxy', { restartPolicy: 'Always' })],
    containers: [container('app'), container('other')],
    ephemeralContainers: [container('debug')],
  });
  expect(containersOf(pod).map(({ spec: { name }, role }) => [name, role])).toEqual([
    ['init', 'init'],
    ['proxy', 'sidecar'],
    ['app', 'app'],
    ['other', 'app'],
    ['debug', 'ephemeral'],
  ]);
});
