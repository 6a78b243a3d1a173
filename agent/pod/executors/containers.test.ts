import { describe, expect, it } from 'vitest';
import { container, makePod } from '../../../test/support/hollow-agent.ts';
import { StepScene } from '../../../test/support/pod-step.ts';
import { RuntimeError } from '../../runtime/runtime.ts';
import { hollowVolumes } from '../../volumes/hollow-volumes.ts';
import { HookError } from '../hooks.ts';
import { ConfigError } from '../inputs.ts';

const progress = (scene: StepScene) => scene.progress.containers.get('app');
const sandboxOf = async (scene: StepScene): Promise<string> => {
  await scene.run('createSandbox', { attempt: 0 });
  scene.events.length = 0;
  return [...scene.sandboxes.keys()][0] ?? '';
};

describe('a container that is created', () => {
  it('is known at once, of its attempt and sandbox, and its failures are over', async () => {
    const scene = new StepScene();
    const sandboxId = await sandboxOf(scene);
    scene.volumes = { ...hollowVolumes, mounts: () => Promise.reject(new ConfigError('not yet')) };
    await scene.run('createContainer', { container: 'app', attempt: 2, sandboxId });
    expect(progress(scene)?.failure).toBeDefined();
    scene.volumes = { ...hollowVolumes, mounts: async () => [{ source: '/a', target: '/b', readOnly: true }] };
    scene.events.length = 0;
    await scene.run('createContainer', { container: 'app', attempt: 2, sandboxId });
    const [state] = scene.containers.values();
    expect(state).toMatchObject({
      sandboxId,
      name: 'app',
      attempt: 2,
      state: 'created',
      createdAt: scene.clock.now(),
      image: 'example/app:1',
      pod: { namespace: 'default', name: 'web', uid: 'uid-web' },
    });
    expect(progress(scene)).toEqual({ attempt: 2, failure: undefined });
    expect(scene.events).toEqual(['Normal Created app: Created container: app']);
    const made = scene.engine.containers.get(state?.id ?? '');
    expect(made?.spec).toMatchObject({ mounts: [{ source: '/a', target: '/b', readOnly: true }], confinement: {} });
    expect(state?.labels).toEqual(made?.spec.labels);
  });

  it('waits 2 s, 4 s and up to 20 s when its configuration is wrong, and asks the runtime nothing', async () => {
    const scene = new StepScene();
    const sandboxId = await sandboxOf(scene);
    const env = [{ name: 'A', valueFrom: { secretKeyRef: { name: 'none', key: 'a' } } }];
    scene.pod = makePod('web', { containers: [container('app', { env })] });
    scene.overrides = { createContainer: () => expect.unreachable() };
    const waits: number[] = [];
    for (let i = 0; i < 5; i++) {
      await scene.run('createContainer', { container: 'app', attempt: 0, sandboxId });
      const failure = progress(scene)?.failure;
      waits.push(((failure?.retryAt ?? 0) - (failure?.at ?? 0)) / 1000);
    }
    expect(waits).toEqual([2, 4, 8, 16, 20]);
    expect(progress(scene)?.failure).toMatchObject({
      reason: 'CreateContainerConfigError',
      message: 'secret "none" not found',
      inputs: scene.inputs,
      count: 5,
    });
    expect(scene.events.at(-1)).toBe('Warning Failed app: Error: secret "none" not found');
    expect(scene.calls).toEqual([]);
    scene.inputs = { objects: 1, pod: 2 };
    await scene.run('createContainer', { container: 'app', attempt: 0, sandboxId });
    expect(progress(scene)?.failure?.count).toBe(1);
  });

  it('is looked at afresh when the runtime refuses it, and its image too when that is gone', async () => {
    const scene = new StepScene({ images: ['example/app:1'] });
    const sandboxId = await sandboxOf(scene);
    scene.progress = { ...scene.progress, containers: new Map([['app', { attempt: 0, image: 'example/app:1' }]]) };
    scene.overrides = { createContainer: () => Promise.reject(new RuntimeError('Unavailable', 'no answer')) };
    await scene.run('createContainer', { container: 'app', attempt: 0, sandboxId });
    expect(progress(scene)).toMatchObject({ image: 'example/app:1', failure: { reason: 'CreateContainerError' } });
    expect(scene.calls).toEqual(['resync']);
    scene.overrides = {};
    scene.engine.removeImage('example/app:1');
    await scene.run('createContainer', { container: 'app', attempt: 0, sandboxId });
    expect(progress(scene)?.image).toBeUndefined();
    expect(progress(scene)?.failure).toMatchObject({ message: 'no such image: example/app:1', count: 2 });
    expect(scene.calls).toEqual(['resync', 'resync']);
  });

  it('has no failure when its creation was given up', async () => {
    const scene = new StepScene();
    const sandboxId = await sandboxOf(scene);
    scene.abort.abort();
    scene.overrides = { createContainer: () => Promise.reject(new RuntimeError('Unavailable', 'aborted')) };
    await scene.run('createContainer', { container: 'app', attempt: 0, sandboxId });
    expect([scene.events, scene.calls, progress(scene)]).toEqual([[], [], undefined]);
  });

  it('sees the processes of the container that it is to look into, which has to run', async () => {
    const scene = new StepScene();
    const debug = { ...container('debug'), targetContainerName: 'app' };
    scene.pod = makePod('web', { ephemeralContainers: [debug] });
    const { id, sandboxId } = await scene.created();
    await scene.run('createContainer', { container: 'debug', attempt: 0, sandboxId });
    expect(scene.progress.containers.get('debug')?.failure).toMatchObject({
      reason: 'CreateContainerConfigError',
      message: 'unable to find target container "app"',
    });
    await scene.run('startContainer', { container: 'app', id });
    await scene.run('createContainer', { container: 'debug', attempt: 0, sandboxId });
    const made = [...scene.engine.containers.values()].find(({ spec }) => spec.name === 'debug');
    expect(made?.spec.processesOf).toBe(id);
    expect(scene.engine.containers.get(id)?.spec).not.toHaveProperty('processesOf');
  });

  it('knows the node’s address for its own on the node’s network, and else the pod’s', async () => {
    const env = [{ name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }];
    const addressOf = async (spec: object) => {
      const scene = new StepScene();
      scene.pod = makePod('web', { containers: [container('app', { env })], ...spec });
      const { id } = await scene.created();
      return scene.engine.containers.get(id)?.spec.env[0]?.value;
    };
    expect(await addressOf({})).toBe('10.64.0.9');
    expect(await addressOf({ hostNetwork: true })).toBe('192.0.2.1');
  });
});

describe('a container that is started', () => {
  it('runs, and is reported once', async () => {
    const scene = new StepScene();
    const { id } = await scene.created();
    await scene.run('startContainer', { container: 'app', id });
    expect(scene.containers.get(id)).toMatchObject({ state: 'running', startedAt: scene.clock.now() });
    expect(scene.events).toEqual(['Normal Started app: Started container app']);
    expect(progress(scene)?.hookPending).toBeUndefined();
    await scene.run('startContainer', { container: 'app', id: 'gone' });
    expect(scene.events).toHaveLength(1);
  });

  it('is not reported as running when its end is known before the answer to its start', async () => {
    const scene = new StepScene();
    const { id } = await scene.created();
    const ended = { ...(await scene.runtime.inspectContainer(id)), state: 'exited', exitCode: 3 };
    scene.overrides = { startContainer: async () => void scene.containers.set(id, ended as never) };
    await scene.run('startContainer', { container: 'app', id });
    expect(scene.containers.get(id)).toBe(ended);
    expect(scene.events).toEqual(['Normal Started app: Started container app']);
  });

  it('is what the runtime has seen of it: one that ended at once keeps its code and its last words', async () => {
    const scene = new StepScene();
    scene.pod = makePod('web', { containers: [container('app', { args: ['fake.exit=3'] })] });
    scene.volumes = { ...hollowVolumes, terminationMessage: async () => 'it broke' };
    const { id } = await scene.created();
    const inspectContainer = async () => {
      scene.engine.exit(id, 3);
      return scene.runtime.inspectContainer(id);
    };
    scene.overrides = { inspectContainer };
    await scene.run('startContainer', { container: 'app', id });
    expect(scene.containers.get(id)).toMatchObject({ state: 'exited', exitCode: 3, message: 'it broke' });
    const blind = new StepScene();
    const other = await blind.created();
    blind.overrides = { inspectContainer: () => Promise.reject(new RuntimeError('Unavailable', 'no answer')) };
    await blind.run('startContainer', { container: 'app', id: other.id });
    expect(blind.containers.get(other.id)).toMatchObject({ state: 'running', startedAt: blind.clock.now() });
  });

  it('has ended with code 128 when the engine refuses to start it', async () => {
    const scene = new StepScene();
    scene.pod = makePod('web', { containers: [container('app', { args: ['fake.nostart=no-such-file'] })] });
    const { id } = await scene.created();
    await scene.clock.advance(10);
    await scene.run('startContainer', { container: 'app', id });
    const now = scene.clock.now();
    expect(scene.containers.get(id)).toMatchObject({
      state: 'exited',
      exitCode: 128,
      reason: 'StartError',
      message: 'no-such-file',
      startedAt: now,
      finishedAt: now,
    });
    expect(scene.events).toEqual(['Warning Failed app: Error: no-such-file']);
    expect(scene.calls).toEqual([]);
  });

  it.each([
    new RuntimeError('Unavailable', 'the engine does not answer'),
    new RuntimeError('NotFound', 'no such container'),
    new TypeError('a fault of the agent'),
  ])('is looked at afresh, and has not ended, when it is not known whether it was: %s', async (error) => {
    const scene = new StepScene();
    const { id } = await scene.created();
    scene.overrides = { startContainer: () => Promise.reject(error) };
    await expect(scene.run('startContainer', { container: 'app', id })).rejects.toBe(error);
    expect(scene.containers.get(id)?.state).toBe('created');
    expect([scene.calls, scene.events]).toEqual([['resync'], []]);
  });
});

describe('the postStart hook of a container', () => {
  const lifecycle = { postStart: { exec: { command: ['init'] } } };
  const withHook = () => {
    const scene = new StepScene();
    scene.pod = makePod('web', { containers: [container('app', { lifecycle })] });
    return scene;
  };

  it('is pending from before the start until it has ended', async () => {
    const scene = withHook();
    const { id } = await scene.created();
    const pending: unknown[] = [];
    scene.overrides = {
      startContainer: async (started) => {
        pending.push(progress(scene)?.hookPending);
        await scene.runtime.startContainer(started);
      },
    };
    const ran: unknown[] = [];
    scene.hooks = {
      run: async (_pod, hooked, handler, address) => {
        ran.push(hooked, handler, address);
        pending.push(progress(scene)?.hookPending);
      },
    };
    await scene.run('startContainer', { container: 'app', id });
    expect(pending).toEqual([true, true]);
    expect(ran).toEqual([{ id, name: 'app' }, lifecycle.postStart, '10.64.0.9']);
    expect(progress(scene)).toMatchObject({ attempt: 0, hookPending: false });
  });

  it('that fails ends the container, with the two seconds that every container has', async () => {
    const scene = withHook();
    const { id } = await scene.created();
    const graces: number[] = [];
    scene.overrides = {
      stopContainer: async (stopped, grace) => {
        graces.push(grace);
        await scene.runtime.stopContainer(stopped, grace);
      },
    };
    scene.hooks = { run: () => Promise.reject(new HookError('exited with 1')) };
    await scene.run('startContainer', { container: 'app', id });
    expect(scene.containers.get(id)?.state).toBe('exited');
    expect(graces).toEqual([2]);
    expect(scene.events).toEqual([
      'Normal Started app: Started container app',
      'Warning FailedPostStartHook app: PostStartHook failed',
      'Normal Killing app: FailedPostStartHook',
    ]);
    expect(progress(scene)?.hookPending).toBe(true);
  });

  it('ends nothing when it was given up, or is a fault of the agent', async () => {
    for (const [error, aborted] of [
      [new HookError('aborted'), true],
      [new TypeError('a fault'), false],
    ] as const) {
      const scene = withHook();
      const { id } = await scene.created();
      scene.hooks = {
        run: () => {
          if (aborted) scene.abort.abort();
          return Promise.reject(error);
        },
      };
      await expect(scene.run('startContainer', { container: 'app', id })).rejects.toBe(error);
      expect(scene.containers.get(id)?.state).toBe('running');
      expect(scene.events).toHaveLength(1);
    }
  });
});
