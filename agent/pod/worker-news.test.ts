import { describe, expect, it } from 'vitest';
import { container, makePod } from '../../test/support/hollow-agent.ts';
import { containerState, exitedState, sandboxState } from '../../test/support/pod-view.ts';
import { WorkerScene } from '../../test/support/worker-scene.ts';
import { RuntimeError, type RuntimeEvent } from '../runtime/runtime.ts';

const app = (...command: string[]) => makePod('web', { containers: [container('app', { command })] });
const appStatus = (scene: WorkerScene) => scene.status?.containerStatuses?.[0];
const event = (containerId: string, type: RuntimeEvent['type']): RuntimeEvent => ({
  type,
  containerId,
  podUid: 'uid-web',
});

/** A worker that has seen its container run, and the questions that it asks the engine from then on. */
async function running(): Promise<{ scene: WorkerScene; inspected: string[]; sandboxId: string; id: string }> {
  const scene = new WorkerScene(app());
  await scene.settle();
  const inspected: string[] = [];
  const inspect = scene.runtime.inspectContainer.bind(scene.runtime);
  scene.runtime.inspectContainer = (id) => {
    inspected.push(id);
    return inspect(id);
  };
  const [sandboxId = ''] = scene.engine.sandboxes.keys();
  return { scene, inspected, sandboxId, id: scene.eventOf('app', 'exited').containerId };
}

describe('news of a sandbox', () => {
  it.each(['exited', 'removed'] as const)(
    'that has %s let the pod be made anew in another, and outdate older lists',
    async (type) => {
      const { scene, sandboxId } = await running();
      const { version } = scene.worker;
      await scene.worker.onEvent(event(sandboxId, type));
      expect(scene.worker.version).toBeGreaterThan(version);
      expect(scene.worker.sandbox).toBeUndefined();
      await scene.until(() => (scene.worker.sandbox?.attempt ?? 0) === 1, 120_000);
      await scene.until(() => scene.running().includes('app'));
    },
  );

  it('that is known already changes nothing', async () => {
    const { scene, sandboxId, inspected } = await running();
    const { version } = scene.worker;
    await scene.worker.onEvent(event(sandboxId, 'started'));
    expect(scene.worker.version).toBe(version);
    const dead = sandboxState({ id: 'dead', running: false });
    const other = new WorkerScene(app());
    await other.worker.observe([dead], [], 0);
    await other.worker.onEvent(event('dead', 'exited'));
    expect(other.worker.version).toBe(0);
    expect(inspected).toEqual([]);
  });
});

describe('news of a container', () => {
  it('that runs as it is known to, or of one that is not known, ask the engine nothing', async () => {
    const { scene, inspected, id } = await running();
    const { version } = scene.worker;
    await scene.worker.onEvent(event(id, 'started'));
    await scene.worker.onEvent(event('unknown', 'exited'));
    expect(inspected).toEqual([]);
    expect(scene.worker.version).toBe(version);
  });

  it('that has started after all let the engine be asked, and outdate older lists', async () => {
    const scene = new WorkerScene(app());
    scene.mayStart = false;
    const made = scene.engine.putSandbox({
      pod: { namespace: 'default', name: 'web', uid: 'uid-web' },
      attempt: 0,
    } as never);
    const state = containerState('app', { state: 'created', sandboxId: made.id });
    await scene.worker.observe([sandboxState({ id: made.id })], [state], 0);
    scene.runtime.inspectContainer = async () => ({ ...state, state: 'running' });
    await scene.worker.onEvent(event('id-app', 'started'));
    expect([...scene.worker.containers].map((each) => each.state)).toEqual(['running']);
    expect(scene.worker.version).toBeGreaterThan(0);
  });

  it('that was removed ask the engine nothing: it has ended unknown, and another is started', async () => {
    const { scene, inspected, id } = await running();
    scene.engine.containers.delete(id);
    await scene.worker.onEvent(event(id, 'removed'));
    expect(inspected).toEqual([]);
    await scene.until(() => appStatus(scene)?.restartCount === 1);
    expect(appStatus(scene)?.lastState?.terminated?.reason).toBe('ContainerStatusUnknown');
  });

  it('that has ended, but that the engine has no more by then, is an end all the same', async () => {
    const { scene, id } = await running();
    scene.engine.containers.delete(id);
    await scene.worker.onEvent(event(id, 'exited'));
    await scene.until(() => appStatus(scene)?.restartCount === 1);
  });

  it('that come late do not bring back a container that has ended', async () => {
    const { scene, id } = await running();
    const state = [...scene.worker.containers][0];
    if (!state) throw new Error('there is one');
    scene.engine.exit(id, 3);
    await scene.until(() => [...scene.worker.containers].some((each) => each.state === 'exited'));
    const inspect = scene.runtime.inspectContainer.bind(scene.runtime);
    scene.runtime.inspectContainer = async (asked) => (asked === id ? state : inspect(asked));
    await scene.worker.onEvent(event(id, 'exited'));
    await scene.clock.advance(1);
    expect(scene.worker.memory.containers.app?.exits[0]?.exitCode).toBe(3);
    const known = [...scene.worker.containers].find((each) => each.id === id);
    expect(known?.state ?? 'gone').not.toBe('running');
  });
});

describe('a look at the runtime', () => {
  it('does not bring back a container whose end was seen', async () => {
    const scene = new WorkerScene(makePod('web', { restartPolicy: 'Never' }));
    await scene.worker.observe([sandboxState()], [exitedState('app', 3)], 0);
    await scene.worker.observe([sandboxState()], [containerState('app')], scene.worker.version);
    expect([...scene.worker.containers].map(({ state, exitCode }) => [state, exitCode])).toEqual([['exited', 3]]);
  });

  it('keeps a start that was refused as the end it was taken for, until the container is seen to run', async () => {
    const scene = new WorkerScene(makePod('web', { restartPolicy: 'Never' }));
    const refused = exitedState('app', 128, { reason: 'StartError' });
    await scene.worker.observe([sandboxState()], [refused], 0);
    const look = async (state: 'created' | 'running') => {
      await scene.worker.observe([sandboxState()], [containerState('app', { state })], scene.worker.version);
      return [...scene.worker.containers].map((each) => each.state);
    };
    expect(await look('created')).toEqual(['exited']);
    expect(await look('running')).toEqual(['running']);
  });
});

describe('what is removed', () => {
  it('is forgotten at once: a container is removed once, and so is a sandbox with all that was in it', async () => {
    const scene = new WorkerScene(app());
    const removed: string[] = [];
    scene.runtime.removeContainer = async (id) => void removed.push(id);
    scene.runtime.removeSandbox = async (id) => void removed.push(id);
    const ends = [0, 1].map((attempt) => exitedState('app', 1, { id: `c${attempt}`, attempt }));
    const lost = exitedState('app', 1, { id: 'lost', sandboxId: 'old', attempt: 0 });
    const live = containerState('app', { id: 'live', attempt: 2 });
    await scene.worker.observe(
      [sandboxState(), sandboxState({ id: 'old', attempt: -1, running: false })],
      [lost, ...ends, live],
      0,
    );
    await scene.clock.advance(5_000);
    expect(removed.sort()).toEqual(['c0', 'old']);
    expect([...scene.worker.containers].map(({ id }) => id).sort()).toEqual(['c1', 'live']);
    expect(scene.worker.memory.containers.app?.exits[0]?.id).toBe('c1');
  });
});

describe('a container that cannot be made', () => {
  it('is tried again with the image that was pulled, and the runtime is looked at anew', async () => {
    const scene = new WorkerScene(app());
    const create = scene.runtime.createContainer.bind(scene.runtime);
    let tried = 0;
    scene.runtime.createContainer = async (...args) => {
      if (tried++ === 0) throw new RuntimeError('Conflict', 'the name is in use');
      return create(...args);
    };
    await scene.settle();
    expect(tried).toBe(2);
    expect(scene.resyncs).toBe(1);
    expect(scene.events.filter((each) => each.includes('Pulled') || each.includes('already present'))).toHaveLength(1);
  });
});

describe('a worker that waits', () => {
  it('wakes seldom, and has one timer', async () => {
    const scene = new WorkerScene({
      ...app('fake.nostart'),
      spec: { ...app('fake.nostart').spec, activeDeadlineSeconds: 3_600 },
    });
    await scene.look();
    scene.follow();
    await scene.until(() => (appStatus(scene)?.restartCount ?? 0) >= 3);
    await scene.until(() => appStatus(scene)?.state?.waiting?.reason === 'CrashLoopBackOff');
    const { views } = scene;
    await scene.clock.advance(5_000);
    expect(scene.views - views).toBeLessThan(5);
    expect(scene.timers).toBe(1);
  });

  it('wakes for what comes sooner than what it waited for', async () => {
    const scene = new WorkerScene({ ...app(), spec: { ...app().spec, activeDeadlineSeconds: 3_600 } });
    await scene.settle();
    for (let i = 0; i < 3; i++) {
      scene.engine.exit(scene.eventOf('app', 'exited').containerId, 1);
      await scene.clock.advance(1);
      for (const [id, { state }] of scene.engine.containers) if (state === 'exited') scene.engine.containers.delete(id);
      await scene.until(() => scene.running().includes('app'), 21_000);
      await scene.clock.advance(100);
    }
  });

  it('reports an end at once', async () => {
    const scene = new WorkerScene(app('fake.exit=1', 'after=1s'));
    await scene.look();
    scene.follow();
    await scene.until(() => appStatus(scene)?.restartCount === 1);
    await scene.until(() => appStatus(scene)?.state?.waiting !== undefined, 2_000);
    const at = scene.reports.at(-1)?.at ?? 0;
    const ended = scene.worker.memory.containers.app?.exits[0]?.finishedAt ?? 0;
    expect(at - (ended - scene.clock.now() + scene.clock.monotonic())).toBeLessThan(20);
  });
});

it('an ephemeral container looks into the running container that it names', async () => {
  const scene = new WorkerScene(app());
  await scene.settle();
  const ephemeralContainers = [{ name: 'debug', image: 'busybox', targetContainerName: 'app' }];
  scene.worker.assign({ ...scene.worker.pod, spec: { ...scene.worker.pod.spec, ephemeralContainers } });
  await scene.until(() => scene.running().includes('debug'));
  const made = [...scene.engine.containers.values()];
  const target = made.find(({ spec }) => spec.name === 'app')?.id;
  expect(made.find(({ spec }) => spec.name === 'debug')?.spec.processesOf).toBe(target);
});
