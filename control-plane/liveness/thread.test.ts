import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { processMonotonic, systemClock } from '../../shared/clock.ts';
import { isApiError } from '../../shared/errors.ts';
import { silentLog } from '../../shared/log.ts';
import { systemRandom } from '../../shared/random.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { eventually } from '../../test/support/eventually.ts';
import { connectionPair } from '../../test/support/node-session.ts';
import { MemoryStore } from '../store/memory.ts';
import { LivenessCore } from './core.ts';
import type { HeartbeatListener } from './heartbeat-listener.ts';
import { leaseKey } from './lease-store.ts';
import { ThreadClient } from './thread-client.ts';
import { hostLiveness } from './thread-host.ts';
import { SharedTimes } from './thread-messages.ts';

const clock = systemClock;
const leaderKey = leaseKey('kube-system', 'coracle-controllers');
const nodeKey = leaseKey('kube-node-lease', 'n');

let store: MemoryStore;
let core: LivenessCore;
let times: SharedTimes;
let client: ThreadClient;
let failures: Error[];
let ports: MessagePort[];

/** Both ends in this thread, with the real messages in between. */
beforeEach(() => {
  const { port1, port2 } = new MessageChannel();
  ports = [port1, port2];
  store = new MemoryStore({ clock });
  times = new SharedTimes();
  failures = [];
  const cell = {
    get until() {
      return times.leadsUntil - processMonotonic() + clock.monotonic();
    },
    set until(at: number) {
      times.leadsUntil = at - clock.monotonic() + processMonotonic();
    },
  };
  core = new LivenessCore({ store, clock, random: systemRandom, log: silentLog, server: 's', cell });
  const listener: HeartbeatListener = {
    listen: async () => 6445,
    replaceTls: () => undefined,
    close: () => undefined,
  };
  hostLiveness({ port: port2, core, listener, log: silentLog, stopped: () => undefined });
  const failed = (error: Error): void => void failures.push(error);
  client = new ThreadClient({ port: port1, times, now: processMonotonic, clock, failed });
});
afterEach(async () => {
  await client.stop();
  for (const port of ports) port.close();
});

const has = async (key: string): Promise<boolean> => (await store.get(key)).item !== undefined;

describe('liveness from another thread', () => {
  it('leads, and releases its lease', async () => {
    const term = await client.campaign('s', new AbortController().signal);
    expect(term.holds()).toBe(true);
    expect(await has(leaderKey)).toBe(true);
    await term.resign();
    await term.over;
    expect(term.holds()).toBe(false);
    expect(await has(leaderKey)).toBe(false);
    const next = await client.campaign('s', new AbortController().signal);
    expect([next.holds(), term.holds()]).toEqual([true, false]);
  });

  it('leaves no leadership behind when the campaign is given up', async () => {
    await new LivenessCore({ store, clock, random: systemRandom, log: silentLog, server: 'other' }).campaign(
      'other',
      new AbortController().signal,
    );
    const stop = new AbortController();
    const campaign = client.campaign('s', stop.signal);
    stop.abort(new Error('given up'));
    await expect(campaign).rejects.toThrow('given up');
    expect(times.leadsUntil).toBe(0);
  });

  it('keeps a node’s lease, and reports once that it expired', async () => {
    const expirations: string[] = [];
    const session = { id: 'secret', node: 'n', leaseMs: 200 };
    const revision = await client.open(session, (reason) => void expirations.push(reason));
    expect((await store.get(nodeKey)).item?.revision).toBe(revision);
    const [agent, server] = connectionPair<{ sequence: number }, { sequence: number; sessionId?: string }>();
    const serving = core.serveHeartbeats(server, { node: 'n', until: Number.POSITIVE_INFINITY });
    await agent.send({ sequence: 7, sessionId: 'secret' });
    for await (const ack of agent.incoming) {
      expect(ack).toEqual({ sequence: 7 });
      break;
    }
    await eventually(() => expirations.length > 0);
    expect(expirations).toEqual([expect.stringMatching(/^node n has sent no heartbeat for 2\d\d ms$/)]);
    await serving.catch(() => undefined);
  });

  it('fails a call with the store’s error', async () => {
    store.grantLease = async () => {
      throw Object.assign(new Error('away'), { reason: 'x' });
    };
    const opened = client.open({ id: 'i', node: 'n', leaseMs: 5_000 }, () => undefined);
    await expect(opened).rejects.toMatchObject({ reason: 'InternalError', message: 'away' });
  });

  it('is over, all of it, when the thread dies', async () => {
    const term = await client.campaign('s', new AbortController().signal);
    const asked = client.listen('127.0.0.1:0').catch((error) => error);
    client.end();
    await term.over;
    expect(term.holds()).toBe(false);
    expect(isApiError(await asked, 'ServiceUnavailable')).toBe(true);
    await expect(client.listen('127.0.0.1:0')).rejects.toMatchObject({ reason: 'ServiceUnavailable' });
  });
});

it('a liveness thread that does not run any more is noticed after thirty seconds, and one that does is not', async () => {
  const virtual = new VirtualClock();
  const shared = new SharedTimes();
  const found: Error[] = [];
  const port = { on: () => undefined, postMessage: () => undefined };
  const failed = (error: Error): void => void found.push(error);
  const watching = new ThreadClient({ port, times: shared, now: () => virtual.monotonic(), clock: virtual, failed });
  for (let second = 0; second < 60; second++) {
    shared.livenessAliveAt = virtual.monotonic();
    await virtual.advance(1_000);
  }
  expect(found).toEqual([]);
  expect(shared.mainAliveAt).toBeGreaterThan(virtual.monotonic() - 1_100);
  await virtual.advance(28_000);
  expect(found).toEqual([]);
  await virtual.advance(4_000);
  expect(found.map(({ message }) => message)).toEqual(['the liveness thread has stalled']);
  watching.end();
});
