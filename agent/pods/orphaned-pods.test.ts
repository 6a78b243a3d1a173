import { afterEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../shared/log.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { containerState, sandboxState } from '../../test/support/pod-view.ts';
import { OrphanedPods } from './orphaned-pods.ts';

const stop: AbortController[] = [];
afterEach(() => {
  for (const each of stop.splice(0)) each.abort();
});

const pod = { sandboxes: [sandboxState({ id: 's' })], containers: [containerState('app', { id: 'c' })] };

class Scene {
  readonly clock = new VirtualClock();
  readonly calls: string[] = [];
  readonly workers = new Set<string>();
  volumes: string[] = [];
  /** How many of the next removals fail. */
  failures = 0;
  readonly signal: AbortSignal;
  readonly orphans = new OrphanedPods({
    runtime: {
      removeSandbox: async (id) => this.#call(`sandbox ${id}`),
      removeContainer: async (id) => this.#call(`container ${id}`),
    },
    volumes: { list: async () => this.volumes, remove: async (uid) => this.#call(`volumes ${uid}`) },
    clock: this.clock,
    log: silentLog,
    hasWorker: (uid) => this.workers.has(uid),
    removed: (uid) => this.calls.push(`removed ${uid}`),
  });

  constructor() {
    const controller = new AbortController();
    stop.push(controller);
    this.signal = controller.signal;
  }

  #call(call: string): void {
    if (this.failures-- > 0) throw new Error('busy');
    this.calls.push(call);
  }
}

describe('an orphaned pod', () => {
  it('is removed whole: sandboxes, containers, volumes', async () => {
    const scene = new Scene();
    scene.orphans.found(new Map([['a', pod]]));
    scene.orphans.removeAll(scene.signal);
    expect([scene.orphans.removing, scene.orphans.isRemoving('a')]).toEqual([true, true]);
    await scene.clock.advance(10);
    expect(scene.calls).toEqual(['sandbox s', 'container c', 'volumes a', 'removed a']);
    expect([scene.orphans.removing, scene.orphans.has('a')]).toEqual([false, false]);
  });

  it('is removed once, however often it is found', async () => {
    const scene = new Scene();
    for (let i = 0; i < 3; i++) {
      scene.orphans.found(new Map([['a', pod]]));
      scene.orphans.removeAll(scene.signal);
    }
    await scene.clock.advance(10);
    expect(scene.calls.filter((call) => call === 'removed a')).toHaveLength(1);
  });

  it('is tried again every second until it is gone', async () => {
    const scene = new Scene();
    scene.failures = 2;
    scene.orphans.found(new Map([['a', pod]]));
    scene.orphans.removeAll(scene.signal);
    await scene.clock.advance(1_500);
    expect(scene.calls).toEqual([]);
    await scene.clock.advance(1_000);
    expect(scene.calls).toContain('removed a');
  });

  it('is not removed when an assignment claims it, which gets what the runtime has', () => {
    const scene = new Scene();
    scene.orphans.found(new Map([['a', pod]]));
    expect(scene.orphans.claim('a')).toBe(pod);
    expect(scene.orphans.claim('a')).toEqual({ sandboxes: [], containers: [] });
    scene.orphans.removeAll(scene.signal);
    expect(scene.orphans.removing).toBe(false);
  });

  it('is none while it has a worker', () => {
    const scene = new Scene();
    scene.workers.add('a');
    scene.orphans.found(new Map([['a', pod]]));
    scene.orphans.removeAll(scene.signal);
    expect(scene.orphans.removing).toBe(false);
  });
});

it('volumes of pods that ended while no agent ran are removed, and those of pods with a worker stay', async () => {
  const scene = new Scene();
  scene.volumes = ['a', 'b'];
  scene.workers.add('b');
  await scene.orphans.removeVolumes();
  expect(scene.calls).toEqual(['volumes a', 'removed a']);
  scene.failures = 1;
  await scene.orphans.removeVolumes();
  expect(scene.orphans.removing).toBe(false);
});
