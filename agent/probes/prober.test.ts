import { afterEach, describe, expect, it } from 'vitest';
import type { Container, Probe } from '../../shared/generated/types.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { makePod } from '../../test/support/hollow-agent.ts';
import type { ProbeVerdict } from '../pod/model.ts';
import type { Dialers } from './dialers.ts';
import { countResult } from './probe.ts';
import { ContainerProber } from './prober.ts';

const clock = new VirtualClock();
/** What the container answers with from now on; undefined: nothing at all. */
let status: number | undefined;
let body = '';
let probes: number[] = [];
let prober: ContainerProber | undefined;
const events: string[] = [];
afterEach(() => {
  prober?.stop();
  probes = [];
  events.length = 0;
  status = undefined;
});

const dialers: Dialers = {
  http: async ({ port }) => {
    probes.push(port);
    if (status === undefined) throw new Error('connection refused');
    return { status, body };
  },
  tcp: async () => undefined,
  grpc: async (_host, _port, service) => (service === 'sick' ? 'NOT_SERVING' : 'SERVING'),
};

function probe(container: Partial<Container>, known?: ProbeVerdict): ContainerProber {
  const spec: Container = { name: 'app', ...container };
  const pod = makePod('web', { containers: [spec] });
  const subject = { pod, container: spec, containerId: 'c', startedAt: clock.now(), address: '10.0.0.2' };
  const runtime = {
    exec: async (_id: string, command: readonly string[]) => ({
      exitCode: command[0] === 'fail' ? 1 : 0,
      output: 'said so',
    }),
  };
  const event = (_pod: unknown, _type: string, _reason: string, message: string): void => void events.push(message);
  prober = new ContainerProber({ runtime, dialers, clock, event }, subject, known, () => undefined);
  return prober;
}

const http = (port: number, more: Partial<Probe> = {}): Probe => ({ httpGet: { port }, periodSeconds: 1, ...more });

describe('a readiness probe', () => {
  it('waits for its initial delay, then asks every period', async () => {
    status = 200;
    const readiness = probe({ readinessProbe: http(80, { initialDelaySeconds: 5, periodSeconds: 2 }) });
    await clock.advance(4_900);
    expect(probes).toHaveLength(0);
    expect(readiness.verdict.ready).toBe(false);
    await clock.advance(200);
    expect(readiness.verdict.ready).toBe(true);
    await clock.advance(10_000);
    expect(probes).toHaveLength(6);
  });

  it('needs as many results in a row as its thresholds say', async () => {
    status = 200;
    const readiness = probe({ readinessProbe: http(80, { successThreshold: 2, failureThreshold: 3 }) });
    await clock.advance(500);
    expect(readiness.verdict.ready).toBe(false);
    await clock.advance(1_000);
    expect(readiness.verdict.ready).toBe(true);
    status = 500;
    await clock.advance(2_000);
    expect(readiness.verdict.ready).toBe(true);
    await clock.advance(1_000);
    expect(readiness.verdict.ready).toBe(false);
    expect(readiness.verdict.unhealthy).toBeUndefined();
  });

  it('begins with what was known before a restart of the agent', () => {
    expect(probe({ readinessProbe: http(80) }, { ready: true }).verdict.ready).toBe(true);
  });
});

it('a redirect to another host is a success with a warning', async () => {
  status = 302;
  body = '<a href="http://elsewhere.example/">Found</a>';
  const readiness = probe({ readinessProbe: http(80) });
  await clock.advance(500);
  expect(readiness.verdict.ready).toBe(true);
  expect(events[0]).toBe(`Readiness probe warning: Probe terminated redirects, Response body: ${body}`);
});

describe('a liveness probe', () => {
  it('asks for a restart after three failures, with its own grace period, and says why', async () => {
    const liveness = probe({ livenessProbe: http(80, { terminationGracePeriodSeconds: 3 }) });
    await clock.advance(1_500);
    expect(liveness.verdict.unhealthy).toBeUndefined();
    await clock.advance(1_000);
    expect(liveness.verdict.unhealthy).toEqual({ probe: 'liveness', graceSeconds: 3 });
    expect(events[0]).toBe('Liveness probe failed: connection refused');
    const asked = probes.length;
    await clock.advance(10_000);
    expect(probes).toHaveLength(asked);
  });
});

describe('a startup probe', () => {
  it('holds the others back until it has succeeded, and then stops', async () => {
    const all = probe({
      startupProbe: http(1, { failureThreshold: 30 }),
      livenessProbe: http(2),
      readinessProbe: http(3),
    });
    await clock.advance(5_000);
    expect(new Set(probes)).toEqual(new Set([1]));
    expect(all.verdict).toEqual({ started: false, ready: false });
    status = 200;
    await clock.advance(2_000);
    expect(all.verdict).toEqual({ started: true, ready: true });
    probes = [];
    await clock.advance(3_000);
    expect(new Set(probes)).toEqual(new Set([2, 3]));
  });

  it('asks for a restart when it never succeeds', async () => {
    const startup = probe({ startupProbe: http(1, { failureThreshold: 4 }) });
    await clock.advance(5_000);
    expect(startup.verdict.unhealthy).toEqual({ probe: 'startup' });
  });
});

it('commands and gRPC services are probed too', async () => {
  const ready = async (readinessProbe: Probe): Promise<boolean | undefined> => {
    const one = probe({ readinessProbe: { periodSeconds: 1, ...readinessProbe } });
    await clock.advance(100);
    one.stop();
    return one.verdict.ready;
  };
  expect(await ready({ exec: { command: ['true'] } })).toBe(true);
  expect(await ready({ exec: { command: ['fail'] } })).toBe(false);
  expect(events.at(-1)).toBe('Readiness probe failed: said so');
  expect(await ready({ tcpSocket: { port: 80 } })).toBe(true);
  expect(await ready({ grpc: { port: 80 } })).toBe(true);
  expect(await ready({ grpc: { port: 80, service: 'sick' } })).toBe(false);
  expect(await ready({ httpGet: { port: 'web' } })).toBe(false);
  expect(events.at(-1)).toBe("Readiness probe failed: couldn't find port: web");
});

it('a result of the other kind starts the count anew', () => {
  const thresholds = { successThreshold: 2, failureThreshold: 2 };
  const first = countResult(undefined, false, thresholds);
  const second = countResult(first.count, true, thresholds);
  expect(second).toEqual({ count: { success: true, inARow: 1 }, verdict: undefined });
  expect(countResult(second.count, true, thresholds).verdict).toBe(true);
});
