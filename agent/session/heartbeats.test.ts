import { expect, it } from 'vitest';
import { ApiError, isApiError } from '../../shared/errors.ts';
import { silentLog } from '../../shared/log.ts';
import { seededRandom } from '../../shared/random.ts';
import type { Connection, Heartbeat, HeartbeatAck, HeartbeatTarget } from '../../shared/session.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { connectionPair } from '../../test/support/node-session.ts';
import { Heartbeats } from './heartbeats.ts';

type Server = (end: Connection<Heartbeat, HeartbeatAck>, cut: (error?: Error) => void) => Promise<void>;

/** Heartbeats to the server that `answer` gives for each target. */
function start(heartbeats: HeartbeatTarget, answer: (target: HeartbeatTarget) => Server | undefined) {
  const clock = new VirtualClock();
  const dialled: Array<HeartbeatTarget & { at: number }> = [];
  const acknowledged: number[] = [];
  let ended: { at: number; error: unknown } | undefined;
  const stop = new AbortController();
  const begun = clock.monotonic();
  const sender = new Heartbeats(
    {
      clock,
      random: seededRandom(1),
      log: silentLog,
      acknowledged: (sentAt) => acknowledged.push(sentAt - begun),
      connection: {
        heartbeats(target) {
          dialled.push({ ...target, at: clock.monotonic() - begun });
          const [agent, server, cut] = connectionPair<HeartbeatAck, Heartbeat>();
          const serve = answer(target);
          if (serve) serve(server, cut).catch((error) => cut(error));
          return agent;
        },
      },
    },
    {
      type: 'registered',
      sessionId: 's',
      heartbeatMs: 1_000,
      leaseMs: 5_000,
      podCIDR: '',
      clusterCIDR: '',
      servers: [],
      heartbeats,
    },
  );
  sender.run(stop.signal).catch((error) => {
    ended = { at: clock.monotonic() - begun, error };
  });
  return { clock, dialled, acknowledged, ended: () => ended, stop: () => stop.abort() };
}

const acknowledging: Server = async (end) => {
  for await (const { sequence } of end.incoming) await end.send({ sequence });
};
const refusing: Server = async () => {
  throw new ApiError('NotFound', 'no such session');
};

it('heartbeats go to the server’s own address where another server answers at the one that was dialled', async () => {
  const run = start({ host: '192.0.2.7', port: 6445 }, ({ host }) => (host ? acknowledging : refusing));
  await run.clock.advance(10_500);
  expect(run.dialled.map(({ host }) => host)).toEqual([undefined, '192.0.2.7']);
  expect(run.acknowledged.length).toBe(11);
  expect(run.ended()).toBeUndefined();
  run.stop();
});

it('a session ends when no address has it', async () => {
  const run = start({ host: '192.0.2.7', port: 6445 }, () => refusing);
  await run.clock.advance(100);
  expect(isApiError(run.ended()?.error, 'NotFound')).toBe(true);
  expect(run.dialled.length).toBe(2);
});

it('a stream that is never answered is replaced by another, within the lease’s duration', async () => {
  const silent: Server = () => new Promise(() => undefined);
  let streams = 0;
  const run = start({ port: 6445 }, () => (streams++ === 0 ? silent : acknowledging));
  await run.clock.advance(10_000);
  expect(run.dialled.length).toBe(2);
  expect(run.ended()).toBeUndefined();
  run.stop();
});

it('a session ends the lease’s duration after the last acknowledged heartbeat was sent, not after it was acknowledged', async () => {
  const late: Server = async (end) => {
    for await (const { sequence } of end.incoming) {
      if (sequence === 1) await end.send({ sequence });
      if (sequence === 5) await end.send({ sequence: 3 });
    }
  };
  const run = start({ port: 6445 }, () => late);
  await run.clock.advance(20_000);
  // Sent at 2 s, acknowledged at 4 s.
  expect(run.acknowledged.map(Math.round)).toEqual([0, 2_000]);
  expect(Math.round(run.ended()?.at ?? 0)).toBe(7_000);
  expect(isApiError(run.ended()?.error, 'Timeout')).toBe(true);
});
