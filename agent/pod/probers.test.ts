import { afterEach, describe, expect, it } from 'vitest';
import type { Container, PodStatus } from '../../shared/generated/types.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { container, makePod } from '../../test/support/hollow-agent.ts';
import { containerState, exitedState } from '../../test/support/pod-view.ts';
import type { ContainerState } from '../runtime/runtime.ts';
import { emptyProgress } from './model.ts';
import { PodProbers, type ProbedPod } from './probers.ts';

const every = (port: number) => ({ tcpSocket: { port }, periodSeconds: 1, failureThreshold: 1 });

/** Probers of one pod; each container is asked on ports of its own. */
class Scene {
  readonly clock = new VirtualClock();
  /** The ports that were asked, and where. */
  readonly asked: string[] = [];
  readonly refusing = new Set<number>();
  changes = 0;
  readonly probers = new PodProbers(
    {
      clock: this.clock,
      dialers: {
        tcp: async (host, port) => {
          this.asked.push(`${host}:${port}`);
          if (this.refusing.has(port)) throw new Error('refused');
        },
        http: () => Promise.reject(new Error('not asked')),
        grpc: () => Promise.reject(new Error('not asked')),
      },
      runtime: { exec: () => Promise.reject(new Error('not asked')) },
      event: () => undefined,
    } as ConstructorParameters<typeof PodProbers>[0],
    () => {
      this.changes++;
    },
  );

  sync(specs: Container[], containers: ContainerState[], more: Partial<ProbedPod> = {}): void {
    this.probers.sync({
      pod: makePod('web', { containers: specs }),
      containers,
      progress: emptyProgress,
      address: '10.64.3.2',
      terminating: false,
      reported: undefined,
      ...more,
    });
  }

  /** What was asked in this time. */
  async within(ms: number): Promise<string[]> {
    this.asked.length = 0;
    await this.clock.advance(ms);
    return [...new Set(this.asked)].sort();
  }
}

let scene: Scene;
afterEach(() => scene.probers.stop());

const app = container('app', { readinessProbe: every(1), livenessProbe: every(2) });
const other = container('other', { readinessProbe: every(3) });

describe('what is probed', () => {
  it('is each running container by its own probes, at the pod’s address', async () => {
    scene = new Scene();
    scene.sync(
      [app, other, container('free')],
      ['app', 'other', 'free'].map((name) => containerState(name)),
    );
    expect(await scene.within(3_000)).toEqual(['10.64.3.2:1', '10.64.3.2:2', '10.64.3.2:3']);
    expect([...scene.probers.verdicts().keys()].sort()).toEqual(['id-app', 'id-other']);
    expect(scene.probers.verdicts().get('id-app')).toMatchObject({ ready: true });
  });

  it('is nothing that does not run, that the spec has not, or of a pod that cannot be reached', async () => {
    scene = new Scene();
    const created = containerState('app', { state: 'created' });
    scene.sync([app, other], [created, exitedState('other', 1), containerState('unknown')]);
    scene.sync([app], [containerState('app')], { address: undefined });
    expect(await scene.within(5_000)).toEqual([]);
    expect(scene.probers.verdicts().size).toBe(0);
  });

  it('is a container whose postStart hook has ended', async () => {
    scene = new Scene();
    const hooked = (hookPending: boolean) => ({
      progress: { ...emptyProgress, containers: new Map([['app', { attempt: 0, hookPending }]]) },
    });
    scene.sync([app], [containerState('app')], hooked(true));
    expect(await scene.within(3_000)).toEqual([]);
    scene.sync([app], [containerState('app')], hooked(false));
    expect(await scene.within(3_000)).not.toEqual([]);
  });

  it('is asked by one prober, however often the pod is looked at', async () => {
    scene = new Scene();
    for (let i = 0; i < 5; i++) scene.sync([other], [containerState('other')]);
    await scene.within(2_500);
    expect(scene.asked.length).toBeLessThanOrEqual(3);
  });

  it('is asked no more when it has ended, and its verdict is gone; the others are asked on', async () => {
    scene = new Scene();
    scene.sync([app, other], [containerState('app'), containerState('other')]);
    await scene.within(2_000);
    scene.sync([app, other], [exitedState('app', 1), containerState('other')]);
    expect(await scene.within(3_000)).toEqual(['10.64.3.2:3']);
    expect([...scene.probers.verdicts().keys()]).toEqual(['id-other']);
  });

  it('is asked no more once the probers are stopped', async () => {
    scene = new Scene();
    scene.sync([app, other], [containerState('app'), containerState('other')]);
    scene.probers.stop();
    expect(await scene.within(5_000)).toEqual([]);
  });
});

describe('a container that has just been seen', () => {
  it('has run since now when the engine does not say since when', async () => {
    scene = new Scene();
    const slow = container('app', { readinessProbe: { ...every(1), initialDelaySeconds: 10 } });
    const { startedAt: _, ...untimed } = containerState('app');
    scene.sync([slow], [untimed]);
    expect(await scene.within(9_000)).toEqual([]);
    expect(await scene.within(2_000)).toEqual(['10.64.3.2:1']);
  });

  it('that has run for longer than its first delay is asked at once', async () => {
    scene = new Scene();
    const slow = container('app', { readinessProbe: { ...every(1), initialDelaySeconds: 10 } });
    scene.sync([slow], [containerState('app', { startedAt: scene.clock.now() - 60_000 })]);
    expect(await scene.within(500)).toEqual(['10.64.3.2:1']);
  });
});

describe('a pod that is terminating', () => {
  it('is asked for its readiness and no longer for its liveness', async () => {
    scene = new Scene();
    const states = [containerState('app')];
    scene.sync([app], states);
    await scene.within(2_000);
    scene.sync([app], states, { terminating: true });
    expect(await scene.within(3_000)).toEqual(['10.64.3.2:1']);
  });

  it('is asked so from the beginning, when the agent finds it like that', async () => {
    scene = new Scene();
    scene.sync([app], [containerState('app')], { terminating: true });
    expect(await scene.within(3_000)).toEqual(['10.64.3.2:1']);
  });
});

describe('what was reported of a container', () => {
  const reported = (containerID: string | undefined, more: object = {}): PodStatus['containerStatuses'] => [
    {
      name: 'app',
      image: '',
      imageID: '',
      restartCount: 0,
      ready: true,
      ...(containerID ? { containerID } : {}),
      ...more,
    },
  ];
  const verdict = (status: PodStatus) => {
    scene = new Scene();
    scene.sync([container('app', { readinessProbe: every(1), startupProbe: every(2) })], [containerState('app')], {
      reported: status,
    });
    return scene.probers.verdicts().get('id-app');
  };

  it('holds until its probes say otherwise: an app container’s and an init container’s', () => {
    const known = { ready: true, started: true };
    expect(verdict({ containerStatuses: reported('docker://id-app', { started: true }) })).toMatchObject(known);
    expect(verdict({ initContainerStatuses: reported('docker://id-app', { started: true }) })).toMatchObject(known);
    expect(verdict({ containerStatuses: reported('docker://id-app') })?.started).toBe(false);
  });

  it('is nothing to another container of its name', () => {
    for (const status of [
      {},
      { containerStatuses: reported('docker://before') },
      { containerStatuses: reported(undefined) },
    ]) {
      expect(verdict(status)?.ready).not.toBe(true);
    }
  });
});
