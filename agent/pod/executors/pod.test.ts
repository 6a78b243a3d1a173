import { describe, expect, it } from 'vitest';
import { container, makePod } from '../../../test/support/hollow-agent.ts';
import { StepScene } from '../../../test/support/pod-step.ts';
import { RuntimeError } from '../../runtime/runtime.ts';
import { hollowVolumes } from '../../volumes/hollow-volumes.ts';
import type { PodVolumes, VolumeFailure } from '../../volumes/pod-volumes.ts';
import type { InputVersions } from '../model.ts';
import { resourcesText } from '../resources.ts';

const second = (ms: number | undefined) => (ms ?? Number.NaN) / 1000;

describe('the volumes of a pod', () => {
  const failing = (...failures: VolumeFailure[]): PodVolumes => ({ ...hollowVolumes, prepare: async () => failures });
  const [lost, stale] = [
    { message: 'lost', mounted: false },
    { message: 'stale', mounted: true },
  ];
  const prepare = (scene: StepScene) => scene.run('prepareVolumes', {});

  it('show what was wanted before they were read, not what has come meanwhile', async () => {
    const scene = new StepScene();
    const before = scene.inputs;
    const prepare = async () => {
      scene.inputs = { objects: 2, pod: 2 };
      return [];
    };
    scene.volumes = { ...hollowVolumes, prepare };
    await scene.run('prepareVolumes', {});
    expect(scene.progress).toMatchObject({ mounted: true, volumes: before, volumesFailure: undefined });
  });

  it('that fail are reported one by one, and tried again after 0.5 s, 1 s and up to 30 s', async () => {
    const scene = new StepScene();
    scene.volumes = failing(lost, { message: 'second', mounted: false });
    const waits: number[] = [];
    for (let i = 0; i < 8; i++) {
      await prepare(scene);
      const failure = scene.progress.volumesFailure;
      waits.push(second((failure?.retryAt ?? 0) - (failure?.at ?? 0)));
    }
    expect(waits).toEqual([0.5, 1, 2, 4, 8, 16, 30, 30]);
    expect(scene.events.slice(0, 2)).toEqual(['Warning FailedMount: lost', 'Warning FailedMount: second']);
    expect(scene.progress).toMatchObject({
      mounted: false,
      volumesFailure: { reason: 'ContainerCreating', message: 'lost', inputs: scene.inputs, count: 8 },
    });
    expect(scene.progress.volumes).toBeUndefined();
    scene.inputs = { objects: 2, pod: 1 };
    await prepare(scene);
    expect(scene.progress.volumesFailure?.count).toBe(1);
    scene.volumes = hollowVolumes;
    await prepare(scene);
    expect(scene.progress.volumesFailure).toBeUndefined();
  });

  it('hold up the containers until each has content, of whatever version, and never again', async () => {
    const scene = new StepScene();
    scene.volumes = failing(stale, lost);
    await prepare(scene);
    expect(scene.progress.mounted).toBe(false);
    scene.volumes = failing(stale);
    await prepare(scene);
    expect(scene.progress.mounted).toBe(true);
    scene.volumes = failing(lost);
    await prepare(scene);
    expect(scene.progress.mounted).toBe(true);
  });

  it('that cannot be looked at are a failure too', async () => {
    const scene = new StepScene();
    scene.volumes = { ...hollowVolumes, prepare: () => Promise.reject(new Error('disk full')) };
    await prepare(scene);
    expect(scene.events).toEqual(['Warning FailedMount: disk full']);
    expect(scene.progress).toMatchObject({ mounted: false, volumesFailure: { message: 'disk full' } });
  });
});

describe('the sandbox of a pod', () => {
  it('has the address that the pod had before, or gets one that is remembered', async () => {
    const scene = new StepScene();
    const wanted: unknown[] = [];
    scene.allocate = (uid, address) => {
      wanted.push([uid, address]);
      return address ?? '10.64.0.9';
    };
    await scene.run('createSandbox', { attempt: 0 });
    expect(scene.memory.address).toBe('10.64.0.9');
    const before = scene.memory;
    await scene.run('createSandbox', { attempt: 1 });
    expect(scene.memory).toBe(before);
    expect(wanted).toEqual([
      ['uid-web', undefined],
      ['uid-web', '10.64.0.9'],
    ]);
    expect([...scene.sandboxes.values()]).toMatchObject([
      { running: true, attempt: 0, address: '10.64.0.9' },
      { running: true, attempt: 1, address: '10.64.0.9' },
    ]);
    expect(scene.events).toEqual(['Normal SandboxChanged: Pod sandbox changed, it will be killed and re-created.']);
  });

  it('takes no address on the node’s network', async () => {
    const scene = new StepScene();
    scene.pod = makePod('web', { hostNetwork: true });
    scene.allocate = () => expect.unreachable();
    await scene.run('createSandbox', { attempt: 0 });
    expect(scene.memory.address).toBeUndefined();
    expect([...scene.sandboxes.values()]).toMatchObject([{ running: true, address: undefined }]);
  });

  it('reports each limit that cut its resolver settings', async () => {
    const scene = new StepScene();
    scene.warnings = ['too many', 'too long'];
    await scene.run('createSandbox', { attempt: 0 });
    expect(scene.events).toEqual(['Warning DNSConfigForming: too many', 'Warning DNSConfigForming: too long']);
  });

  it('is known while it is made, so that containers can be created in it', async () => {
    const scene = new StepScene({ images: 'all', sandboxMs: 1_000 });
    const done = scene.run('createSandbox', { attempt: 3 });
    await scene.clock.advance(500);
    const [id] = scene.engine.sandboxes.keys();
    expect(scene.progress.making).toEqual({ id, attempt: 3 });
    await scene.clock.advance(500);
    await done;
    expect(scene.progress.making).toBeUndefined();
  });

  it('that cannot be made is tried again after 1 s, 2 s and up to 30 s, and is not reported as changed', async () => {
    const scene = new StepScene();
    const error = new RuntimeError('Unavailable', 'no network');
    scene.overrides = {
      createSandbox: async (_spec, _signal, made) => {
        made?.('half');
        throw error;
      },
    };
    const waits: number[] = [];
    for (let attempt = 0; attempt < 7; attempt++) {
      await scene.run('createSandbox', { attempt });
      const failure = scene.progress.sandboxFailure;
      waits.push(second((failure?.retryAt ?? 0) - (failure?.at ?? 0)));
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 30, 30]);
    expect(new Set(scene.events)).toEqual(
      new Set(['Warning FailedCreatePodSandBox: Failed to create pod sandbox: no network']),
    );
    expect(scene.progress).toMatchObject({
      making: undefined,
      sandboxFailure: { reason: 'ContainerCreating', count: 7 },
    });
    expect(scene.calls).toEqual(Array.from({ length: 7 }, () => 'resync'));
    scene.overrides = {};
    await scene.run('createSandbox', { attempt: 7 });
    expect(scene.progress.sandboxFailure).toBeUndefined();
    scene.allocate = () => {
      throw new Error('no address is left');
    };
    await scene.run('createSandbox', { attempt: 8 });
    expect(scene.progress.sandboxFailure).toMatchObject({ message: 'no address is left', count: 1 });
  });

  it('that was given up is no failure', async () => {
    const scene = new StepScene({ images: 'all', sandboxMs: 1_000 });
    const done = scene.run('createSandbox', { attempt: 0 });
    await scene.clock.advance(500);
    scene.abort.abort();
    await done;
    expect([scene.events, scene.calls, scene.progress.sandboxFailure]).toEqual([[], [], undefined]);
  });

  it('is forgotten when it has been removed, not before', async () => {
    const scene = new StepScene();
    const { sandboxId, id } = await scene.running();
    scene.overrides = { removeSandbox: () => Promise.reject(new RuntimeError('Unavailable', 'busy')) };
    await expect(scene.run('removeSandbox', { id: sandboxId })).rejects.toThrow('busy');
    expect(scene.sandboxes.has(sandboxId)).toBe(true);
    scene.overrides = { removeContainer: () => Promise.reject(new RuntimeError('Unavailable', 'busy')) };
    await expect(scene.run('removeContainer', { container: 'app', id })).rejects.toThrow('busy');
    expect(scene.containers.has(id)).toBe(true);
    scene.overrides = {};
    await scene.run('removeContainer', { container: 'app', id });
    await scene.run('removeSandbox', { id: sandboxId });
    expect([scene.sandboxes.size, scene.containers.size]).toEqual([0, 0]);
    expect([scene.engine.sandboxes.size, scene.engine.containers.size]).toEqual([0, 0]);
  });
});

describe('a resize', () => {
  const resources = { limits: { cpu: '500m', memory: '64Mi' } };
  const text = resourcesText({ resources });
  const args = (id: string) => ({ container: 'app', id, from: 'before', resources: text });

  it('is written down as under way before the engine is asked, and as done afterwards', async () => {
    const scene = new StepScene();
    const { id } = await scene.running();
    scene.pod = makePod('web', { containers: [container('app', { resources })] });
    scene.memory = {
      ...scene.memory,
      containers: { app: { nextAttempt: 1, crashes: 0, exits: [] }, other: { nextAttempt: 2, crashes: 0, exits: [] } },
    };
    const steps: unknown[] = [];
    scene.overrides = {
      updateContainer: async (updated, given) => {
        steps.push(updated, scene.calls.slice(), scene.memory.containers.app?.resized);
        await scene.runtime.updateContainer(updated, given);
      },
    };
    await scene.run('updateContainer', args(id));
    expect(steps).toEqual([id, ['saved'], { id, resources: 'before', changing: true }]);
    expect(scene.memory.containers.app).toEqual({
      nextAttempt: 1,
      crashes: 0,
      exits: [],
      resized: { id, resources: text },
    });
    expect(scene.memory.containers.other).toEqual({ nextAttempt: 2, crashes: 0, exits: [] });
    expect(scene.engine.containers.get(id)?.resources).toMatchObject({
      cpuLimitMillis: 500,
      memoryLimitBytes: 64 * 2 ** 20,
    });
  });

  it('that fails stays under way', async () => {
    const scene = new StepScene();
    const { id } = await scene.running();
    scene.pod = makePod('web', { containers: [container('app', { resources })] });
    scene.memory = { ...scene.memory, containers: { app: { nextAttempt: 1, crashes: 0, exits: [] } } };
    scene.overrides = { updateContainer: () => Promise.reject(new RuntimeError('Unavailable', 'no answer')) };
    await expect(scene.run('updateContainer', args(id))).rejects.toThrow('no answer');
    expect(scene.memory.containers.app?.resized).toEqual({ id, resources: 'before', changing: true });
  });

  it('is left to the next plan when the spec has moved on', async () => {
    const scene = new StepScene();
    const { id } = await scene.running();
    scene.overrides = { updateContainer: () => expect.unreachable() };
    const before = scene.memory;
    await scene.run('updateContainer', args(id));
    expect([scene.memory, scene.calls]).toEqual([before, []]);
  });

  it('of a container that is not remembered is given all the same', async () => {
    const scene = new StepScene();
    const { id } = await scene.running();
    scene.pod = makePod('web', { containers: [container('app', { resources })] });
    await scene.run('updateContainer', args(id));
    expect(scene.memory.containers).toEqual({});
    expect(scene.engine.containers.get(id)?.resources.cpuLimitMillis).toBe(500);
  });
});

describe('the end of a pod', () => {
  it('is remembered with its time and message, and reported', async () => {
    const scene = new StepScene();
    await scene.run('finish', { phase: 'Failed', reason: 'Evicted', message: 'too much' });
    expect(scene.memory.terminal).toEqual({
      phase: 'Failed',
      since: scene.clock.now(),
      reason: 'Evicted',
      message: 'too much',
    });
    await scene.run('finish', { phase: 'Succeeded', reason: 'Done' });
    expect(scene.memory.terminal).toEqual({ phase: 'Succeeded', since: scene.clock.now(), reason: 'Done' });
    await scene.run('finish', { phase: 'Succeeded' });
    expect(scene.memory.terminal).toEqual({ phase: 'Succeeded', since: scene.clock.now() });
    expect(scene.events).toEqual(['Warning Evicted: too much', 'Normal Done: ']);
  });

  it('of one that the node refuses says so in Kubernetes’ words', async () => {
    const scene = new StepScene();
    await scene.run('finish', { phase: 'Failed', reason: 'OutOfcpu', message: 'no room', refused: true });
    expect(scene.memory.terminal).toMatchObject({ message: 'Pod was rejected: no room', refused: true });
    expect(scene.events).toEqual(['Warning OutOfcpu: no room']);
    await scene.run('finish', { phase: 'Failed', refused: true });
    expect(scene.memory.terminal).toEqual({ phase: 'Failed', since: scene.clock.now(), refused: true });
  });

  it('gives back the address and the records only when its files are gone', async () => {
    const scene = new StepScene();
    const removed: string[] = [];
    scene.volumes = { ...hollowVolumes, remove: () => Promise.reject(new Error('busy')) };
    await expect(scene.run('releaseVolumes', {})).rejects.toThrow('busy');
    await expect(scene.run('cleanup', {})).rejects.toThrow('busy');
    expect([scene.calls, scene.progress.volumesReleased]).toEqual([[], undefined]);
    scene.volumes = { ...hollowVolumes, remove: async (uid) => void removed.push(uid) };
    await scene.run('releaseVolumes', {});
    expect(scene.progress.volumesReleased).toBe(true);
    await scene.run('cleanup', {});
    expect(scene.calls).toEqual(['release uid-web', 'finished']);
    expect(removed).toEqual(['uid-web', 'uid-web']);
  });

  it('is never waited for by a step', async () => {
    await expect(new StepScene().run('wait', { until: 0 })).rejects.toThrow('only the worker waits');
  });
});

it('the versions that a step was tried with are those of its beginning', async () => {
  const scene = new StepScene();
  const { sandboxId } = await scene.created();
  const begun: InputVersions = scene.inputs;
  const mounts = async () => {
    scene.inputs = { objects: 9, pod: 9 };
    throw new Error('late');
  };
  scene.volumes = { ...hollowVolumes, mounts };
  await scene.run('createContainer', { container: 'app', attempt: 1, sandboxId });
  expect(scene.progress.containers.get('app')?.failure?.inputs).toEqual(begun);
});
