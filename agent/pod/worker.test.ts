import { describe, expect, it } from 'vitest';
import type { Pod, PodStatus } from '../../shared/generated/types.ts';
import { container, makePod } from '../../test/support/hollow-agent.ts';
import { containerState, sandboxState } from '../../test/support/pod-view.ts';
import { WorkerScene } from '../../test/support/worker-scene.ts';
import { hollowVolumes } from '../volumes/hollow-volumes.ts';

const app = (...command: string[]) => makePod('web', { containers: [container('app', { command })] });
const appStatus = (scene: WorkerScene) => scene.status?.containerStatuses?.[0];

/** The same pod as a newer version of the object. */
const changed = (pod: Pod, change: Partial<Pod['metadata']>): Pod => ({
  ...pod,
  metadata: { ...pod.metadata, resourceVersion: '2', ...change },
});

describe('a worker', () => {
  it('decides nothing before the first look at what the runtime has', async () => {
    const scene = new WorkerScene(app());
    scene.worker.wake();
    scene.worker.assign(app());
    await scene.clock.advance(60_000);
    expect([scene.reports, scene.engine.sandboxes.size]).toEqual([[], 0]);
    await scene.look();
    await scene.until(() => scene.running().includes('app'));
  });

  it('takes no look that was begun before its own last step', async () => {
    const scene = new WorkerScene(app());
    const stale = scene.worker.version;
    await scene.settle();
    expect(await scene.worker.observe([], [], stale)).toBe(false);
    await scene.clock.advance(1_000);
    expect(scene.running()).toEqual(['app']);
    expect([...scene.worker.containers].map(({ state }) => state)).toEqual(['running']);
    expect(await scene.look()).toBe(true);
  });

  it('has no timer while there is nothing to do', async () => {
    const scene = new WorkerScene(app());
    await scene.settle();
    expect(scene.timers).toBe(0);
  });

  it('plans once for a burst of news', async () => {
    const scene = new WorkerScene(app());
    await scene.settle();
    for (let i = 0; i < 10; i++) scene.worker.wake();
    expect(scene.timers).toBe(1);
  });

  it('does nothing any more once it is stopped, and leaves the pod as it is', async () => {
    const scene = new WorkerScene(app());
    await scene.settle();
    scene.worker.assign(undefined);
    scene.worker.stop();
    const reports = scene.reports.length;
    scene.worker.fail({ reason: 'Late', message: '' });
    scene.engine.exit(scene.eventOf('app', 'exited').containerId, 1);
    await scene.clock.advance(60_000);
    expect(scene.reports).toHaveLength(reports);
    expect(scene.engine.sandboxes.size).toBe(1);
    expect(scene.timers).toBe(0);
  });

  it('that stops while a step waits for its retry cancels the wait', async () => {
    const scene = new WorkerScene(app());
    scene.volumes = { ...hollowVolumes, prepare: () => Promise.reject(new Error('no disk')) };
    await scene.look();
    await scene.clock.advance(50);
    scene.worker.stop();
    expect(scene.timers).toBe(0);
  });
});

describe('reports', () => {
  it('carry each status once, and what is remembered with it', async () => {
    const scene = new WorkerScene(app());
    await scene.settle();
    const { length } = scene.reports;
    for (let i = 0; i < 5; i++) {
      scene.worker.wake();
      await scene.clock.advance(1_000);
    }
    expect(scene.reports).toHaveLength(length);
    const texts = scene.reports.map(({ update }) => JSON.stringify(update));
    expect(new Set(texts).size).toBe(length);
    expect(scene.remembered.at(-1)?.status).toEqual(scene.status);
    expect(scene.worker.currentReport()).toEqual(scene.reports.at(-1)?.update);
  });

  it('are none when the status is the one that the cluster has', async () => {
    const first = new WorkerScene(app());
    await first.settle();
    const again = new WorkerScene({ ...app(), ...(first.status ? { status: first.status } : {}) }, first.worker.memory);
    const list = await first.runtime.list();
    await again.worker.observe(list.sandboxes, list.containers, again.worker.version);
    await again.clock.advance(1_000);
    expect(again.reports).toEqual([]);
  });

  it('wait no longer than twenty milliseconds while steps are under way', async () => {
    const scene = new WorkerScene(app());
    scene.volumes = { ...hollowVolumes, prepare: () => new Promise(() => undefined) };
    await scene.look();
    await scene.clock.advance(19);
    expect(scene.reports).toEqual([]);
    await scene.clock.advance(1);
    expect(scene.reports).toHaveLength(1);
  });

  it('say at once that all runs, though a step is still under way', async () => {
    const scene = new WorkerScene(app());
    await scene.settle();
    let refreshed = 0;
    scene.volumes = {
      ...hollowVolumes,
      refresh: () => {
        refreshed++;
        return new Promise(() => undefined);
      },
    };
    scene.worker.inputsChanged();
    await scene.until(() => refreshed > 0);
    await scene.clock.advance(100);
    const { length } = scene.reports;
    const spec = scene.worker.pod.spec;
    const status: PodStatus = { conditions: [{ type: 'example.org/gate', status: 'True' }] };
    scene.worker.assign({
      ...changed(scene.worker.pod, {}),
      spec: { ...spec, readinessGates: [{ conditionType: 'x' }] },
      status,
    });
    await scene.clock.advance(1);
    expect(scene.reports).toHaveLength(length + 1);
  });
});

describe('a step that throws', () => {
  /** How long after the first each try came, milliseconds. */
  async function tries(count: number, scene: WorkerScene, disturb = (_: number): void => undefined): Promise<number[]> {
    const at: number[] = [];
    scene.runtime.removeSandbox = async () => {
      at.push(scene.clock.monotonic());
      disturb(at.length);
      if (at.length < count) throw new Error('busy');
    };
    scene.worker.assign(undefined);
    await scene.until(() => at.length === count, 300_000);
    return at.slice(1).map((time, i) => Math.round((time - (at[i] ?? 0)) / 10) * 10);
  }

  it('is tried again after half a second, doubling to thirty, and the runtime is looked at anew each time', async () => {
    const scene = new WorkerScene(app());
    await scene.settle();
    expect(await tries(9, scene)).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    expect(scene.resyncs).toBe(8);
  });

  it('begins with half a second again when what it reads has changed since', async () => {
    const scene = new WorkerScene(app());
    await scene.settle();
    const pauses = await tries(6, scene, (tried) => {
      if (tried === 4) scene.worker.assign(changed(scene.worker.pod, { labels: { a: 'b' } }));
    });
    expect(pauses).toEqual([500, 1_000, 2_000, 500, 1_000]);
  });

  it('is tried at once when a ConfigMap or Secret has changed while it waited', async () => {
    const scene = new WorkerScene(app());
    let tried = 0;
    scene.volumes = {
      ...hollowVolumes,
      prepare: () => {
        tried++;
        return Promise.reject(new Error('no disk'));
      },
    };
    await scene.look();
    await scene.clock.advance(10_000);
    const before = tried;
    await scene.clock.advance(1);
    scene.worker.inputsChanged();
    await scene.clock.advance(1);
    expect(tried).toBe(before + 1);
  });

  it('and then ends well begins anew the next time', async () => {
    const scene = new WorkerScene(app());
    let fails = 3;
    const start = scene.runtime.startContainer.bind(scene.runtime);
    const at: number[] = [];
    scene.runtime.startContainer = async (...args) => {
      at.push(scene.clock.monotonic());
      if (fails-- > 0) throw new Error('busy');
      return start(...args);
    };
    await scene.settle();
    expect(at).toHaveLength(4);
    fails = 1;
    at.length = 0;
    scene.engine.exit(scene.eventOf('app', 'exited').containerId, 1);
    await scene.until(() => at.length === 2);
    expect(Math.round((at[1] ?? 0) - (at[0] ?? 0))).toBe(500);
  });
});

describe('crashes', () => {
  it('are forgotten when a ConfigMap or Secret of the pod has changed: the container is started at once', async () => {
    const scene = new WorkerScene(app('fake.exit=1', 'after=1ms'));
    await scene.look();
    scene.follow();
    await scene.until(() => appStatus(scene)?.state?.waiting?.reason === 'CrashLoopBackOff');
    const before = appStatus(scene)?.restartCount ?? 0;
    scene.worker.inputsChanged();
    await scene.clock.advance(200);
    expect(appStatus(scene)?.restartCount).toBeGreaterThan(before);
  });

  it('are events, once a restart', async () => {
    const scene = new WorkerScene(app('fake.exit=1', 'after=1ms'));
    await scene.look();
    scene.follow();
    await scene.until(() => (appStatus(scene)?.restartCount ?? 0) >= 3);
    const backOffs = scene.events.filter((event) => event.startsWith('Warning BackOff'));
    expect(backOffs.length).toBeGreaterThanOrEqual(2);
    expect(new Set(backOffs)).toEqual(
      new Set(['Warning BackOff: Back-off restarting failed container app in pod web_default(uid-web)']),
    );
    expect(backOffs.length).toBeLessThanOrEqual(appStatus(scene)?.restartCount ?? 0);
  });

  it('change their words a second after a start was refused', async () => {
    const scene = new WorkerScene(app('fake.nostart'));
    await scene.look();
    scene.follow();
    const reason = () => appStatus(scene)?.state?.waiting?.reason;
    await scene.until(() => reason() === 'RunContainerError');
    const at = scene.clock.monotonic();
    await scene.until(() => reason() === 'CrashLoopBackOff');
    expect(scene.clock.monotonic() - at).toBeLessThan(1_100);
    expect(appStatus(scene)?.lastState?.terminated).toMatchObject({ exitCode: 128, reason: 'StartError' });
  });
});

describe('a newer object of the pod', () => {
  const refreshed = async (scene: WorkerScene, act: () => void): Promise<number> => {
    let count = 0;
    scene.volumes = {
      ...hollowVolumes,
      refresh: (...args) => {
        count++;
        return hollowVolumes.refresh(...args);
      },
    };
    act();
    await scene.clock.advance(1_000);
    return count;
  };

  it('is news for what labels, annotations and the spec are written to, and a status is none', async () => {
    const scene = new WorkerScene(app());
    await scene.settle();
    const { pod } = scene.worker;
    const remembered = scene.remembered.length;
    expect(await refreshed(scene, () => scene.worker.assign({ ...changed(pod, {}), status: { phase: 'x' } }))).toBe(0);
    expect(scene.remembered).toHaveLength(remembered);
    expect(scene.worker.pod.status).toEqual({ phase: 'x' });
    const labelled = changed(pod, { labels: { a: 'b' } });
    expect(await refreshed(scene, () => scene.worker.assign(labelled))).toBe(1);
    expect(scene.remembered).toHaveLength(remembered + 1);
    const noted = changed(labelled, { annotations: { a: 'b' } });
    expect(await refreshed(scene, () => scene.worker.assign(noted))).toBe(1);
    const spec = { ...noted.spec, terminationGracePeriodSeconds: 3 };
    expect(await refreshed(scene, () => scene.worker.assign({ ...noted, spec }))).toBe(1);
    expect(await refreshed(scene, () => scene.worker.assign({ ...noted, spec }))).toBe(0);
  });

  it('of an image that is being pulled is pulled as well, and the container is made of it', async () => {
    const scene = new WorkerScene(app());
    let pulled = (): void => undefined;
    const asked: string[] = [];
    const pull = scene.runtime.pullImage.bind(scene.runtime);
    scene.runtime.imageStatus = async () => undefined;
    scene.runtime.pullImage = async (image, auth) => {
      asked.push(image);
      await new Promise<void>((resolve) => {
        pulled = resolve;
      });
      return pull(image, auth);
    };
    await scene.look();
    await scene.until(() => asked.length > 0);
    scene.worker.assign({
      ...changed(app(), {}),
      spec: { containers: [container('app', { image: 'example/app:2' })] },
    });
    pulled();
    await scene.until(() => asked.length > 1);
    expect(asked).toEqual(['example/app:1', 'example/app:2']);
  });
});

describe('addresses', () => {
  it('that have changed let a sandbox be tried again at once that found none', async () => {
    const scene = new WorkerScene(app());
    const create = scene.runtime.createSandbox.bind(scene.runtime);
    let tried = 0;
    scene.runtime.createSandbox = async (...args) => {
      if (tried++ === 0) throw new Error('no address');
      return create(...args);
    };
    await scene.look();
    await scene.until(() => tried === 1);
    await scene.clock.advance(100);
    expect(tried).toBe(1);
    scene.worker.addressesChanged();
    await scene.clock.advance(1);
    expect(tried).toBe(2);
  });
});

it('a pod without a status yet says who it is', () => {
  expect(new WorkerScene(app()).worker.currentReport()).toEqual({
    namespace: 'default',
    name: 'web',
    uid: 'uid-web',
    terminated: false,
  });
});

it('the sandbox of a worker is the one that runs', async () => {
  const scene = new WorkerScene(app());
  expect(scene.worker.sandbox).toBeUndefined();
  const [dead, running] = [sandboxState({ id: 'dead', running: false, attempt: 1 }), sandboxState()];
  await scene.worker.observe([dead, running], [containerState('app')], scene.worker.version);
  expect(scene.worker.sandbox).toEqual(running);
});
