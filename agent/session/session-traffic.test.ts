import { afterEach, describe, expect, it } from 'vitest';
import type { Event, NodeStatus } from '../../shared/generated/types.ts';
import type { UsageReport } from '../../shared/session.ts';
import { AgentScene, statusOf } from '../../test/support/agent-session.ts';

let scene: AgentScene;
afterEach(() => scene.stop());

async function begun(more: Parameters<AgentScene['established']>[0] = {}): Promise<void> {
  scene = new AgentScene();
  scene.start();
  await scene.established(more);
}

/** Ends the session and registers in the next one. */
async function reconnect(): Promise<void> {
  const known = scene.sessions.length;
  scene.newest.cut();
  await scene.clock.advanceUntil(() => scene.sessions.length > known, 3_000, 5);
  await scene.established();
}

const reports = () => scene.newest.received.flatMap((message) => (message.type === 'podStatus' ? [message] : []));
const acknowledge = (sequence: number) => scene.newest.send({ type: 'statusAck', sequence });

describe('statuses', () => {
  it('that change together go in one report, a moment later', async () => {
    await begun();
    for (const pod of ['a', 'b', 'c']) scene.session.report(statusOf(pod));
    await scene.clock.advance(1);
    expect(reports()).toEqual([]);
    await scene.clock.advance(2);
    expect(reports().map(({ updates }) => updates.length)).toEqual([3]);
  });

  it('go fifty milliseconds after the report before at the soonest, with what each pod is at then', async () => {
    await begun();
    scene.session.report(statusOf('a', '1'));
    await scene.clock.advance(3);
    scene.session.report(statusOf('a', '2'));
    await scene.clock.advance(20);
    scene.session.report(statusOf('a', '3'));
    await scene.clock.advance(28);
    expect(scene.newest.statuses()).toEqual(['a1']);
    await scene.clock.advance(3);
    expect(scene.newest.statuses()).toEqual(['a1', 'a3']);
    await scene.clock.advance(100);
    scene.session.report(statusOf('a', '4'));
    await scene.clock.advance(3);
    expect(scene.newest.statuses()).toEqual(['a1', 'a3', 'a4']);
  });

  it('that were not acknowledged are sent again in the next session, and only these', async () => {
    await begun();
    scene.session.report(statusOf('a'));
    await scene.clock.advance(60);
    scene.session.report(statusOf('b'));
    await scene.clock.advance(60);
    await acknowledge(reports()[0]?.sequence ?? 0);
    await scene.clock.advance(1);
    expect(scene.session.unacknowledged).toBe(1);
    await reconnect();
    await scene.clock.advance(60);
    expect(scene.newest.statuses()).toEqual(['b1']);
    await acknowledge(reports()[0]?.sequence ?? 0);
    await reconnect();
    await scene.clock.advance(1_000);
    expect(scene.newest.statuses()).toEqual([]);
    expect(scene.session.unacknowledged).toBe(0);
  });

  it('are not taken for stored when the acknowledgement is of another report', async () => {
    await begun();
    scene.session.report(statusOf('a'));
    await scene.clock.advance(60);
    await acknowledge((reports()[0]?.sequence ?? 0) + 1);
    await scene.clock.advance(1);
    expect(scene.session.unacknowledged).toBe(1);
  });

  it('that change while there is no session go with the next one, the newest of each pod', async () => {
    await begun();
    scene.session.report(statusOf('a', '1'));
    await scene.clock.advance(60);
    scene.newest.cut();
    await scene.clock.advance(1);
    scene.session.report(statusOf('a', '2'));
    await scene.clock.advance(300);
    await scene.established();
    await scene.clock.advance(60);
    expect(scene.newest.statuses()).toEqual(['a2']);
  });

  it('more than a hundred go in several reports, one after another and all of them', async () => {
    await begun();
    for (let i = 0; i < 250; i++) scene.session.report(statusOf(`p${i}`));
    await scene.clock.advance(5);
    expect(reports().map(({ updates }) => updates.length)).toEqual([100, 100, 50]);
    expect(new Set(scene.newest.statuses()).size).toBe(250);
  });

  it('whose report was due when the session ended are sent once in the next', async () => {
    await begun();
    scene.session.report(statusOf('a'));
    await scene.clock.advance(1);
    await reconnect();
    await scene.clock.advance(200);
    expect(scene.newest.statuses()).toEqual(['a1']);
  });
});

describe('what else a node has to send', () => {
  const event = (reason: string) => ({ reason }) as Event;
  const types = () => scene.newest.received.map(({ type }) => type);

  it('goes when the session is notified: events in their order, the node’s status and its usage', async () => {
    await begun();
    scene.events.push(event('one'), event('two'));
    scene.nodeStatuses.push({ phase: 'first' } as NodeStatus);
    scene.usages.push({ at: 7 } as UsageReport);
    await scene.clock.advance(10);
    expect(types()).toEqual(['register']);
    scene.session.notify();
    await scene.clock.advance(1);
    expect(scene.newest.received.slice(1)).toEqual([
      { type: 'event', event: event('one') },
      { type: 'event', event: event('two') },
      { type: 'nodeStatus', status: { phase: 'first' } },
      { type: 'metrics', report: { at: 7 } },
    ]);
  });

  it('that waited for the session goes when it begins, without a notification', async () => {
    scene = new AgentScene();
    scene.events.push(event('one'));
    scene.start();
    await scene.established();
    expect(types()).toEqual(['register', 'event']);
  });

  it('waits until what was sent before it has been taken', async () => {
    await begun();
    let take = (): void => undefined;
    scene.taken = new Promise((resolve) => {
      take = resolve;
    });
    scene.events.push(event('one'), event('two'));
    scene.session.notify();
    await scene.clock.advance(1_000);
    expect(types()).toEqual(['register', 'event']);
    expect(scene.events).toHaveLength(1);
    scene.taken = undefined;
    take();
    await scene.clock.advance(1);
    expect(types()).toEqual(['register', 'event', 'event']);
  });

  it('is not taken from the agent once the session has ended', async () => {
    await begun();
    let take = (): void => undefined;
    scene.taken = new Promise((resolve) => {
      take = resolve;
    });
    scene.events.push(event('one'), event('two'));
    scene.session.notify();
    await scene.clock.advance(1);
    scene.newest.cut();
    scene.taken = undefined;
    await scene.clock.advance(1);
    take();
    await scene.clock.advance(1);
    expect(scene.events).toEqual([event('two')]);
  });
});

describe('what the server asks', () => {
  it('is handed to the agent: streams that open and streams that close', async () => {
    await begun();
    await scene.newest.send({ type: 'openStream', id: 'x', stream: 'kubelet', parameters: {} });
    await scene.newest.send({ type: 'openStream', id: 'y', stream: 'kubelet', parameters: {} });
    await scene.newest.send({ type: 'closeStream', id: 'x' });
    await scene.clock.advance(1);
    expect(scene.streams).toEqual(['open x kubelet', 'open y kubelet', 'close x']);
  });

  it('ends with the session: the signal of its streams is aborted', async () => {
    await begun();
    await scene.newest.send({ type: 'openStream', id: 'x', stream: 'kubelet', parameters: {} });
    await scene.clock.advance(1);
    expect(scene.signals.map(({ aborted }) => aborted)).toEqual([false]);
    scene.newest.cut();
    await scene.clock.advance(1);
    expect(scene.signals.map(({ aborted }) => aborted)).toEqual([true]);
  });

  it('is of no interest once the agent is stopped', async () => {
    await begun();
    const { newest } = scene;
    scene.stop();
    await newest.send({ type: 'openStream', id: 'x', stream: 'kubelet', parameters: {} });
    await scene.clock.advance(1);
    expect(scene.streams).toEqual([]);
  });
});

describe('the node’s lease', () => {
  it('ends the session when no heartbeat is acknowledged for as long as it lasts', async () => {
    await begun();
    await scene.clock.advance(10_000);
    expect(scene.sessions).toHaveLength(1);
    scene.acknowledging = false;
    await scene.clock.advance(3_900);
    expect(scene.newest.closed).toBe(false);
    await scene.clock.advance(1_200);
    expect(scene.sessions[0]?.closed).toBe(true);
    expect(scene.notified).toContain('disconnected');
  });

  const expired = () => scene.notified.filter((each) => each === 'lease expired').length;

  it('that may be over is reported to the agent before the registration of each dial, until there is a session again', async () => {
    await begun();
    await scene.clock.advance(10_000);
    scene.refuse = true;
    scene.newest.cut();
    const cutAt = scene.clock.monotonic();
    await scene.clock.advanceUntil(() => expired() > 0, 20_000, 1);
    const after = scene.clock.monotonic() - cutAt;
    expect(after).toBeGreaterThanOrEqual(4_000);
    expect(after).toBeLessThan(5_000 + 2_100);
    await scene.clock.advance(10_000);
    expect(expired()).toBeGreaterThan(2);
    scene.refuse = false;
    await scene.clock.advance(2_100);
    await scene.established();
    const known = expired();
    await reconnect();
    expect(expired()).toBe(known);
  });

  it('counts from the registration when no heartbeat was ever acknowledged', async () => {
    scene = new AgentScene();
    scene.acknowledging = false;
    scene.start();
    await scene.clock.advance(3_000);
    await scene.established({ leaseMs: 20_000 });
    await scene.clock.advance(16_000);
    scene.newest.cut();
    scene.refuse = true;
    const begunAt = scene.sessions[0]?.at ?? 0;
    await scene.clock.advanceUntil(() => expired() > 0, 20_000, 1);
    expect(scene.clock.monotonic() - begunAt).toBeGreaterThanOrEqual(20_000);
    expect(scene.clock.monotonic() - begunAt).toBeLessThan(22_100);
  });

  it('is nothing that could have been lost before the first session', async () => {
    scene = new AgentScene();
    scene.refuse = true;
    scene.start();
    await scene.clock.advance(60_000);
    expect(scene.notified).toEqual([]);
  });

  it('that is shorter than the pause is over at the next dial', async () => {
    scene = new AgentScene();
    scene.acknowledging = false;
    scene.start();
    await scene.established({ leaseMs: 100 });
    scene.newest.cut();
    await scene.clock.advanceUntil(() => scene.sessions.length > 1, 1_000, 1);
    expect(expired()).toBe(1);
  });
});
