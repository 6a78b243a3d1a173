import { afterEach, describe, expect, it } from 'vitest';
import type { Pod } from '../../shared/generated/types.ts';
import { silentLog } from '../../shared/log.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { container, makePod } from '../../test/support/hollow-agent.ts';
import { containerState } from '../../test/support/pod-view.ts';
import type { ContainerState } from '../runtime/runtime.ts';
import { StorageEvictor } from './storage-evictor.ts';

const mib = 2 ** 20;

function limited(name: string, more: Partial<Pod['spec']> = {}): Pod {
  const resources = { limits: { 'ephemeral-storage': '10Mi' } };
  return makePod(name, { containers: [container('app', { resources })], ...more });
}

/** A disk and pods that the test sets. */
class Scene {
  readonly clock = new VirtualClock();
  readonly stop = new AbortController();
  pods: Array<{ pod: Pod; containers: readonly ContainerState[] }> = [];
  /** Bytes by container id; what is absent is not known. */
  readonly written = new Map<string, number>();
  readonly volumes = new Map<string, number>();
  readonly looks: Array<{ readonly at: number; readonly uid: string }> = [];
  readonly evicted: string[] = [];
  /** How long a look takes, milliseconds. */
  takesMs = 0;
  failing = false;
  over = false;

  constructor() {
    const evictor = new StorageEvictor({
      clock: this.clock,
      log: silentLog,
      runtime: { storage: async (id) => this.written.get(id) },
      volumes: {
        usage: async (uid, names, signal) => {
          this.looks.push({ at: this.clock.monotonic(), uid });
          if (this.takesMs > 0) await this.clock.sleep(this.takesMs, signal);
          if (this.failing) throw new Error('no disk');
          return new Map([...this.volumes].filter(([name]) => names.includes(name)));
        },
      },
      pods: () => this.pods,
      evict: (uid, message) => this.evicted.push(`${uid}: ${message}`),
    });
    void evictor.run(this.stop.signal).then(() => {
      this.over = true;
    });
  }

  /** Seconds of the looks at a pod. */
  looksAt(uid: string): number[] {
    return this.looks.flatMap((look) => (look.uid === uid ? [look.at / 1_000] : []));
  }
}

let scene: Scene;
afterEach(() => scene.stop.abort());

describe('a pod with limits on what it writes', () => {
  it('is looked at every five seconds, and is left alone within them', async () => {
    scene = new Scene();
    scene.pods = [{ pod: limited('a'), containers: [containerState('app')] }];
    scene.written.set('id-app', 10 * mib);
    await scene.clock.advance(21_000);
    expect(scene.looksAt('uid-a')).toEqual([5, 10, 15, 20]);
    expect(scene.evicted).toEqual([]);
  });

  it('is ended when it takes more, with the words that say so', async () => {
    scene = new Scene();
    scene.pods = [{ pod: limited('a'), containers: [containerState('app')] }];
    scene.written.set('id-app', 10 * mib + 1);
    await scene.clock.advance(5_000);
    expect(scene.evicted).toEqual([
      'uid-a: Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. ',
    ]);
  });

  it('is ended for a volume, where only that has a limit: what containers write is not measured then', async () => {
    scene = new Scene();
    const volumes = [{ name: 'data', emptyDir: { sizeLimit: '1Mi' } }];
    scene.pods = [{ pod: makePod('a', { volumes }), containers: [containerState('app')] }];
    scene.written.set('id-app', 1e12);
    scene.volumes.set('data', mib);
    await scene.clock.advance(5_000);
    expect(scene.evicted).toEqual([]);
    scene.volumes.set('data', mib + 1);
    await scene.clock.advance(5_000);
    expect(scene.evicted).toEqual(['uid-a: Usage of EmptyDir volume "data" exceeds the limit "1Mi". ']);
  });

  it('counts a container that cannot be measured as one that was not', async () => {
    scene = new Scene();
    const containers = [containerState('app'), containerState('other')];
    scene.pods = [{ pod: limited('a'), containers }];
    scene.written.set('id-other', 11 * mib);
    await scene.clock.advance(5_000);
    expect(scene.evicted).toHaveLength(1);
  });
});

it('a pod without such limits costs nothing', async () => {
  scene = new Scene();
  scene.pods = [{ pod: makePod('free'), containers: [containerState('app')] }];
  await scene.clock.advance(60_000);
  expect(scene.looks).toEqual([]);
});

it('a pod whose disk cannot be read is looked at again, and so are those after it', async () => {
  scene = new Scene();
  scene.failing = true;
  scene.pods = ['a', 'b'].map((name) => ({ pod: limited(name), containers: [containerState('app')] }));
  scene.written.set('id-app', 11 * mib);
  await scene.clock.advance(5_000);
  expect(scene.looks.map(({ uid }) => uid)).toEqual(['uid-a', 'uid-b']);
  scene.failing = false;
  await scene.clock.advance(5_000);
  expect(scene.evicted).toHaveLength(2);
});

describe('a look that takes long', () => {
  it('is followed by a rest of five times that, and holds up no rest of another', async () => {
    scene = new Scene();
    scene.takesMs = 4_000;
    scene.pods = [{ pod: limited('a'), containers: [] }];
    await scene.clock.advance(80_000);
    const looks = scene.looksAt('uid-a');
    expect(looks[0]).toBe(5);
    for (const [i, at] of looks.slice(1).entries()) {
      const pause = at - (looks[i] ?? 0);
      expect(pause).toBeGreaterThanOrEqual(20);
      expect(pause).toBeLessThan(30);
    }
    expect(looks.length).toBeGreaterThan(2);
  });

  it('is one at a time', async () => {
    scene = new Scene();
    scene.takesMs = 2_000;
    scene.pods = ['a', 'b'].map((name) => ({ pod: limited(name), containers: [] }));
    await scene.clock.advance(10_000);
    expect(scene.looks.map(({ at, uid }) => [uid, at / 1_000])).toEqual([
      ['uid-a', 5],
      ['uid-b', 7],
    ]);
  });

  it('is given up when the agent stops, and no other is begun', async () => {
    scene = new Scene();
    scene.takesMs = 60_000;
    scene.pods = ['a', 'b'].map((name) => ({ pod: limited(name), containers: [] }));
    await scene.clock.advance(6_000);
    scene.stop.abort();
    await scene.clock.advance(1);
    expect(scene.over).toBe(true);
    expect(scene.looks).toHaveLength(1);
  });
});
