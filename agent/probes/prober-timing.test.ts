import { afterEach, describe, expect, it } from 'vitest';
import type { Container, Pod, Probe } from '../../shared/generated/types.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { makePod } from '../../test/support/hollow-agent.ts';
import type { ProbeVerdict } from '../pod/model.ts';
import type { Dialers } from './dialers.ts';
import { ContainerProber, hasProbes } from './prober.ts';

/** One probed container, what it answers, and when it was asked. */
class Scene {
  readonly clock = new VirtualClock();
  /** By port: the status of the answer, or an error. */
  readonly answers = new Map<number, number | Error>();
  answerMs = 0;
  readonly asked: Array<[port: number, atMs: number]> = [];
  readonly dialled: unknown[] = [];
  readonly events: string[] = [];
  changes = 0;
  output = 'said so';
  readonly begun = this.clock.now();
  prober: ContainerProber | undefined;

  start(
    container: Partial<Container>,
    {
      known,
      startedAt = this.begun,
      pod = {},
    }: { known?: ProbeVerdict; startedAt?: number; pod?: Partial<Pod['spec']> } = {},
  ) {
    const spec: Container = { name: 'app', ...container };
    const answer = async (port: number): Promise<number> => {
      this.asked.push([port, this.clock.now() - this.begun]);
      if (this.answerMs > 0) await this.clock.sleep(this.answerMs);
      const found = this.answers.get(port) ?? 200;
      if (found instanceof Error) throw found;
      return found;
    };
    const dialers: Dialers = {
      http: async (target, timeoutMs) => {
        this.dialled.push([target.host, target.port, target.path, timeoutMs]);
        return { status: await answer(target.port), body: 'body' };
      },
      tcp: async (host, port, timeoutMs) => {
        this.dialled.push([host, port, timeoutMs]);
        await answer(port);
      },
      grpc: async (host, port, service, timeoutMs) => {
        this.dialled.push([host, port, service, timeoutMs]);
        return (await answer(port)) === 200 ? 'SERVING' : 'NOT_SERVING';
      },
    };
    const exec = async (id: string, command: readonly string[], options: object) => {
      this.dialled.push([id, command, options]);
      return { exitCode: await answer(1), output: this.output };
    };
    this.prober = new ContainerProber(
      {
        runtime: { exec },
        dialers,
        clock: this.clock,
        event: (_pod, type, reason, message, name) => void this.events.push(`${type} ${reason} ${name}: ${message}`),
      },
      {
        pod: makePod('web', { containers: [spec], ...pod }),
        container: spec,
        containerId: 'c',
        startedAt,
        address: '10.0.0.2',
      },
      known,
      () => {
        this.changes++;
      },
    );
    return this.prober;
  }

  times(port: number): number[] {
    return this.asked.filter(([asked]) => asked === port).map(([, at]) => at);
  }
}

let scene = new Scene();
afterEach(() => {
  scene.prober?.stop();
  scene = new Scene();
});

const tcp = (port: number, more: Partial<Probe> = {}): Probe => ({ tcpSocket: { port }, periodSeconds: 1, ...more });
const refused = new Error('connection refused');

describe('the times of a probe', () => {
  // Kubernetes, "Configure Probes": every 10 seconds, 1 second long, at once.
  it('are Kubernetes’ where it says nothing', async () => {
    scene.start({ livenessProbe: { tcpSocket: { port: 80 } } });
    await scene.clock.advance(20_000);
    expect(scene.times(80)).toEqual([0, 10_000, 20_000]);
    expect(scene.dialled[0]).toEqual(['10.0.0.2', 80, 1_000]);
  });

  it('are from one beginning to the next, and none begins before the last has ended', async () => {
    scene.answerMs = 300;
    scene.start({ livenessProbe: tcp(80) });
    await scene.clock.advance(2_500);
    expect(scene.times(80)).toEqual([0, 1_000, 2_000]);
    scene.answerMs = 1_700;
    await scene.clock.advance(6_000);
    const times = scene.times(80).slice(3);
    expect(times.slice(1).map((at, i) => at - (times[i] ?? 0))).toEqual(times.slice(1).map(() => 1_700));
  });

  it('count the initial delay from the start of the container, not of the agent', async () => {
    scene.start({ readinessProbe: tcp(80, { initialDelaySeconds: 5 }) }, { startedAt: scene.begun - 3_000 });
    await scene.clock.advance(10_000);
    expect(scene.times(80)[0]).toBe(2_000);
    scene.prober?.stop();
    const late = new Scene();
    late.start({ readinessProbe: tcp(80, { initialDelaySeconds: 5 }) }, { startedAt: late.begun - 60_000 });
    await late.clock.advance(0);
    expect(late.times(80)).toEqual([0]);
    late.prober?.stop();
    // A clock that was set back: no longer than the whole delay.
    const early = new Scene();
    early.start({ readinessProbe: tcp(80, { initialDelaySeconds: 5 }) }, { startedAt: early.begun + 3_600_000 });
    await early.clock.advance(6_000);
    expect(early.times(80)[0]).toBe(5_000);
    early.prober?.stop();
  });
});

describe('a prober', () => {
  it('has nothing to do without probes, and then no verdict', async () => {
    expect(scene.start({}).verdict).toEqual({});
    await scene.clock.advance(60_000);
    expect([scene.asked, scene.changes]).toEqual([[], 0]);
    const some = (container: Partial<Container>) => hasProbes({ name: 'app', ...container });
    expect(some({})).toBe(false);
    expect([some({ startupProbe: {} }), some({ livenessProbe: {} }), some({ readinessProbe: {} })]).toEqual([
      true,
      true,
      true,
    ]);
  });

  it('asks no more and says no more once it is stopped, also of a probe that is under way', async () => {
    scene.answerMs = 500;
    scene.answers.set(80, refused);
    const prober = scene.start(
      { readinessProbe: tcp(80, { failureThreshold: 1 }), livenessProbe: tcp(81) },
      { known: { ready: true } },
    );
    await scene.clock.advance(400);
    prober.stop();
    await scene.clock.advance(60_000);
    expect(scene.asked).toHaveLength(2);
    expect([prober.verdict, scene.events, scene.changes]).toEqual([{ ready: true }, [], 0]);
  });

  it('of a container that is about to end asks for its readiness only', async () => {
    scene.answerMs = 500;
    scene.answers.set(81, refused);
    const prober = scene.start({ readinessProbe: tcp(80), livenessProbe: tcp(81, { failureThreshold: 1 }) });
    await scene.clock.advance(300);
    prober.stopAllButReadiness();
    await scene.clock.advance(300);
    expect([prober.verdict, scene.events]).toEqual([{ ready: true }, []]);
    scene.answers.set(80, refused);
    await scene.clock.advance(5_000);
    expect(prober.verdict).toEqual({ ready: false });
    expect(scene.times(81)).toEqual([0]);
    expect(scene.times(80).length).toBeGreaterThan(4);
  });

  it('of a container that is about to end begins no startup or liveness probe, and waits for none', async () => {
    const waiting = scene.start({ startupProbe: tcp(80, { initialDelaySeconds: 5 }), readinessProbe: tcp(81) });
    waiting.stopAllButReadiness();
    await scene.clock.advance(60_000);
    expect([scene.asked, waiting.verdict]).toEqual([[], { started: false, ready: false }]);
  });

  it('tells of each change once', async () => {
    const prober = scene.start({ readinessProbe: tcp(80, { failureThreshold: 1 }) });
    await scene.clock.advance(5_500);
    expect([prober.verdict, scene.changes]).toEqual([{ ready: true }, 1]);
    scene.answers.set(80, refused);
    await scene.clock.advance(3_000);
    expect([prober.verdict, scene.changes]).toEqual([{ ready: false }, 2]);
    scene.answers.delete(80);
    await scene.clock.advance(1_000);
    expect([prober.verdict, scene.changes]).toEqual([{ ready: true }, 3]);
  });

  it('keeps what was known of a startup, so that a started container is not held back by a new agent', async () => {
    const probes = { startupProbe: tcp(79), livenessProbe: tcp(80), readinessProbe: tcp(81) };
    scene.answers.set(81, refused);
    const prober = scene.start(probes, { known: { started: true, ready: true } });
    await scene.clock.advance(1_500);
    expect(prober.verdict).toEqual({ started: true, ready: true });
    expect(scene.times(79)).toEqual([]);
    expect(scene.times(80)).toEqual([0, 1_000]);
    scene.prober?.stop();
    const unstarted = new Scene();
    expect(unstarted.start(probes, { known: { started: false, ready: false } }).verdict).toEqual({
      started: false,
      ready: false,
    });
    await unstarted.clock.advance(100);
    expect(unstarted.times(79)).toEqual([0]);
    unstarted.prober?.stop();
  });

  it('goes on with a liveness probe that succeeds or fails too seldom', async () => {
    const prober = scene.start({ livenessProbe: tcp(80, { failureThreshold: 2 }) });
    await scene.clock.advance(500);
    for (const answer of [refused, 200, refused, 200]) {
      scene.answers.set(80, answer);
      await scene.clock.advance(1_000);
    }
    expect(prober.verdict).toEqual({});
    expect(scene.times(80)).toHaveLength(5);
    scene.answers.set(80, refused);
    await scene.clock.advance(2_500);
    expect(prober.verdict).toEqual({ unhealthy: { probe: 'liveness' } });
    expect(scene.changes).toBe(1);
  });

  it('stops a startup probe that has failed for good, and begins no other', async () => {
    scene.answers.set(79, refused);
    const prober = scene.start({
      startupProbe: tcp(79, { failureThreshold: 2, terminationGracePeriodSeconds: 0 }),
      livenessProbe: tcp(80),
    });
    await scene.clock.advance(10_000);
    expect(prober.verdict).toEqual({ started: false, unhealthy: { probe: 'startup', graceSeconds: 0 } });
    expect([scene.times(79), scene.times(80)]).toEqual([[0, 1_000], []]);
  });
});

describe('what is asked', () => {
  const one = async (readinessProbe: Probe, pod: Partial<Pod['spec']> = {}): Promise<boolean | undefined> => {
    scene.dialled.length = 0;
    const prober = scene.start(
      { readinessProbe: { periodSeconds: 1, failureThreshold: 1, ...readinessProbe } },
      { pod },
    );
    await scene.clock.advance(100);
    prober.stop();
    return prober.verdict.ready;
  };

  it('by HTTP succeeds from 200 up to 399', async () => {
    for (const [status, ready] of [
      [199, false],
      [200, true],
      [299, true],
      [300, true],
      [399, true],
      [400, false],
      [500, false],
    ] as const) {
      scene.answers.set(80, status);
      expect(await one({ httpGet: { port: 80, path: '/x' } })).toBe(ready);
    }
    expect(scene.dialled).toEqual([['10.0.0.2', 80, '/x', 1_000]]);
    expect(scene.events.filter((event) => event.includes('Unhealthy'))).toEqual(
      [199, 400, 500].map(
        (status) => `Warning Unhealthy app: Readiness probe failed: HTTP probe failed with statuscode: ${status}`,
      ),
    );
    expect(scene.events.filter((event) => event.includes('ProbeWarning'))).toEqual(
      [300, 399].map(
        () => 'Warning ProbeWarning app: Readiness probe warning: Probe terminated redirects, Response body: body',
      ),
    );
  });

  it('by TCP goes to the pod, or to the host that is named', async () => {
    expect(await one({ tcpSocket: { port: 80 }, timeoutSeconds: 7 })).toBe(true);
    expect(scene.dialled).toEqual([['10.0.0.2', 80, 7_000]]);
    expect(await one({ tcpSocket: { port: 80, host: 'db.example' } })).toBe(true);
    expect(scene.dialled).toEqual([['db.example', 80, 1_000]]);
    scene.answers.set(80, refused);
    expect(await one({ tcpSocket: { port: 80 } })).toBe(false);
    expect(scene.events).toEqual(['Warning Unhealthy app: Readiness probe failed: connection refused']);
  });

  it('by gRPC is the health of the service', async () => {
    expect(await one({ grpc: { port: 80, service: 'db' }, timeoutSeconds: 2 })).toBe(true);
    expect(scene.dialled).toEqual([['10.0.0.2', 80, 'db', 2_000]]);
    scene.answers.set(80, 500);
    expect(await one({ grpc: { port: 80 } })).toBe(false);
    expect(scene.dialled).toEqual([['10.0.0.2', 80, '', 1_000]]);
    expect(scene.events).toEqual([
      'Warning Unhealthy app: Readiness probe failed: service unhealthy (responded with "NOT_SERVING")',
    ]);
  });

  it('by a command is its exit code, within its time and 10 KiB of output', async () => {
    scene.answers.set(1, 0);
    expect(await one({ exec: { command: ['check', '-a'] }, timeoutSeconds: 3 })).toBe(true);
    expect(scene.dialled).toEqual([['c', ['check', '-a'], { timeoutMs: 3_000, maxBytes: 10_240 }]]);
    expect(await one({ exec: {} })).toBe(true);
    expect(scene.dialled).toEqual([['c', [], { timeoutMs: 1_000, maxBytes: 10_240 }]]);
    for (const code of [1, 255, -1]) {
      scene.answers.set(1, code);
      expect(await one({ exec: { command: ['check'] } })).toBe(false);
    }
    scene.answers.set(1, new Error('timed out'));
    expect(await one({ exec: { command: ['check'] } })).toBe(false);
    expect(scene.events.at(-1)).toBe('Warning Unhealthy app: Readiness probe failed: timed out');
  });

  it('of nothing is always well', async () => {
    expect(await one({})).toBe(true);
    expect([scene.events, scene.dialled]).toEqual([[], []]);
  });
});
