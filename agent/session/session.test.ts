import { afterEach, describe, expect, it } from 'vitest';
import type { Event, Node, NodeStatus } from '../../shared/generated/types.ts';
import { AgentScene, registered, statusOf } from '../../test/support/agent-session.ts';

let scene: AgentScene;
afterEach(() => scene.stop());

/** Milliseconds between the dials, but for what the sessions lasted. */
function pauses(): number[] {
  return scene.sessions.slice(1).map(({ at }, i) => at - (scene.sessions[i]?.endedAt ?? 0));
}

function within([low, high]: readonly [number, number], value: number | undefined): void {
  expect(value).toBeGreaterThanOrEqual(low);
  expect(value).toBeLessThanOrEqual(high);
}

/** Half of the wait is fixed and half is chance: 200 ms, doubled up to 2 s. */
const growth = [
  [100, 200],
  [200, 400],
  [400, 800],
  [800, 1_600],
  [1_000, 2_000],
  [1_000, 2_000],
  [1_000, 2_000],
] as const;

describe('the beginning of a session', () => {
  it('is the registration of the node as it is now; nothing else is sent before the answer', async () => {
    scene = new AgentScene();
    scene.session.report(statusOf('a'));
    scene.events.push({ reason: 'Started' } as Event);
    scene.nodeStatuses.push({} as NodeStatus);
    scene.session.notify();
    scene.node = { metadata: { name: 'node-1', labels: { zone: 'a' } } } as unknown as Node;
    scene.start();
    await scene.clock.advance(4_000);
    const { received } = scene.newest;
    expect(received).toEqual([{ type: 'register', nodeName: 'node-1', node: scene.node, instance: 'instance-1' }]);
    expect(scene.session.connected).toBe(false);
    expect(scene.notified).toEqual([]);
    await scene.newest.send(registered());
    await scene.clock.advance(100);
    expect(received.map(({ type }) => type).sort()).toEqual(['event', 'nodeStatus', 'podStatus', 'register']);
  });

  it('reaches the agent as a registration, then as a session that is up', async () => {
    scene = new AgentScene();
    scene.start();
    await scene.established();
    expect(scene.notified).toEqual(['registered 1', 'connected']);
    expect(scene.session.connected).toBe(true);
  });

  it('sends every pod’s status anew, and of each the newest', async () => {
    scene = new AgentScene();
    scene.statuses = [statusOf('a', '1'), statusOf('b', '1')];
    scene.session.report(statusOf('b', '2'));
    scene.session.report(statusOf('c', '1'));
    scene.start();
    await scene.established();
    await scene.clock.advance(100);
    expect(scene.newest.statuses().sort()).toEqual(['a1', 'b2', 'c1']);
  });

  it.each([4_900, 0])('may take almost five seconds: an answer after %i ms is good', async (ms) => {
    scene = new AgentScene();
    scene.start();
    await scene.clock.advance(ms);
    await scene.established();
    await scene.clock.advance(20_000);
    expect(scene.sessions).toHaveLength(1);
  });

  it('that does not register within five seconds is given up for another', async () => {
    scene = new AgentScene();
    scene.start();
    await scene.clock.advance(4_990);
    expect(scene.newest.closed).toBe(false);
    await scene.clock.advance(20);
    expect(scene.newest.closed).toBe(true);
    await scene.clock.advance(200);
    expect(scene.sessions).toHaveLength(2);
    expect(scene.notified).toEqual([]);
  });

  it('does not count against the server what this process was late itself', async () => {
    scene = new AgentScene();
    scene.start();
    await scene.clock.advance(3_500);
    scene.lateMs += 60_000;
    await scene.clock.advance(1_400);
    expect(scene.newest.closed).toBe(false);
    await scene.clock.advance(200);
    expect(scene.newest.closed).toBe(true);
  });

  it('does not count either that timers are late again and again, by more than half of their time', async () => {
    scene = new AgentScene();
    scene.start();
    for (let i = 0; i < 4; i++) {
      await scene.clock.advance(990);
      scene.lateMs += 600;
    }
    await scene.clock.advance(100);
    expect(scene.newest.closed).toBe(false);
  });

  it('that cannot even be asked to register is given up as well', async () => {
    scene = new AgentScene();
    scene.taken = new Promise(() => undefined);
    scene.start();
    await scene.clock.advance(5_010);
    expect(scene.newest.closed).toBe(true);
    await scene.clock.advance(200);
    expect(scene.sessions).toHaveLength(2);
  });

  it('counts that timers are a little late', async () => {
    scene = new AgentScene();
    scene.start();
    for (let i = 0; i < 4; i++) {
      await scene.clock.advance(990);
      scene.lateMs += 400;
    }
    await scene.clock.advance(100);
    expect(scene.newest.closed).toBe(true);
  });

  it('that registers twice is ended', async () => {
    scene = new AgentScene();
    scene.start();
    await scene.established();
    const first = scene.newest;
    await first.send(registered('again'));
    await scene.clock.advance(10);
    expect(first.closed).toBe(true);
    expect(scene.notified).toEqual(['registered 1', 'connected', 'disconnected']);
  });
});

describe('assignments', () => {
  const complete = (resultsIn: number) => ({ mode: 'COMPLETE' as const, appliesTo: 0, resultsIn });
  const changes = (appliesTo: number, resultsIn = appliesTo + 1) => ({
    mode: 'INCREMENTAL' as const,
    appliesTo,
    resultsIn,
  });

  it('are taken one after another, each for the state that it names', async () => {
    scene = new AgentScene();
    scene.start();
    await scene.established();
    for (const message of [complete(7), changes(7), changes(8, 12), changes(12), complete(3), changes(3)]) {
      await scene.newest.send({ type: 'assignments', ...message, changes: [] });
    }
    await scene.clock.advance(1_000);
    expect(scene.sessions).toHaveLength(1);
    expect(scene.assigned).toEqual([7, 8, 12, 13, 3, 4]);
  });

  it.each([
    ['changes before the first whole', [changes(0)]],
    ['a message that was lost', [complete(7), changes(8)]],
    ['a message that comes twice', [complete(7), changes(7), changes(7)]],
    ['a change before the complete state', [complete(7), changes(6)]],
  ])('with a gap (%s) are not taken: the session ends, and another begins with the whole', async (_, messages) => {
    scene = new AgentScene();
    scene.start();
    await scene.established();
    const first = scene.newest;
    for (const message of messages) await first.send({ type: 'assignments', ...message, changes: [] });
    await scene.clock.advance(1);
    expect(scene.assigned).toHaveLength(messages.length - 1);
    expect(first.closed).toBe(true);
    await scene.clock.advance(400);
    await scene.established();
    await scene.newest.send({ type: 'assignments', ...changes(7), changes: [] });
    await scene.clock.advance(1);
    expect(scene.assigned).toHaveLength(messages.length - 1);
  });
});

describe('the next session', () => {
  it('is dialled after a pause that doubles up to two seconds, half of it by chance', async () => {
    scene = new AgentScene();
    scene.refuse = true;
    scene.start();
    await scene.clock.advance(9_000);
    growth.forEach((bounds, i) => {
      within(bounds, pauses()[i]);
    });
    const first = pauses();
    scene.stop();
    scene = new AgentScene(2);
    scene.refuse = true;
    scene.start();
    await scene.clock.advance(9_000);
    expect(pauses()).not.toEqual(first);
  });

  /** Cuts each session when it has lasted so long. */
  async function sessionsOf(lasting: number, count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const known = scene.sessions.length;
      await scene.established();
      await scene.clock.advance(lasting);
      scene.newest.cut();
      await scene.clock.advanceUntil(() => scene.sessions.length > known, 3_000, 5);
    }
  }

  it('comes quickly again after one that lasted three seconds, and not after shorter ones', async () => {
    scene = new AgentScene();
    scene.start();
    await sessionsOf(2_900, 5);
    within([1_000, 2_000], pauses().at(-1));
    await sessionsOf(3_000, 1);
    within([100, 200], pauses().at(-1));
    await sessionsOf(2_900, 1);
    within([200, 400], pauses().at(-1));
  });

  it('does not come quicker after one that lasted long but did not register', async () => {
    scene = new AgentScene();
    scene.start();
    await scene.clock.advance(40_000);
    within([800, 2_000], pauses().at(-1));
  });

  it('does not come when the agent is stopped, be it in a session, between two or while one begins', async () => {
    scene = new AgentScene();
    scene.start();
    await scene.established();
    scene.stop();
    await scene.clock.advance(10_000);
    expect(scene.sessions).toHaveLength(1);
    expect(scene.newest.closed).toBe(true);
    expect(scene.notified.at(-1)).toBe('disconnected');
    expect(scene.over).toBe(true);

    scene = new AgentScene();
    scene.refuse = true;
    scene.start();
    await scene.clock.advance(50);
    scene.stop();
    await scene.clock.advance(10_000);
    expect([scene.sessions.length, scene.over]).toEqual([1, true]);

    scene = new AgentScene();
    scene.start();
    await scene.clock.advance(50);
    scene.stop();
    await scene.clock.advance(10_000);
    expect([scene.sessions.length, scene.over]).toEqual([1, true]);
  });

  it('comes after any end of the one before: a closed connection, a broken one, a dial or a registration that failed', async () => {
    for (const end of ['close', 'cut', 'dial', 'register'] as const) {
      scene = new AgentScene();
      scene.failing = end === 'dial' || end === 'register' ? end : undefined;
      scene.start();
      await scene.clock.advance(10);
      if (end === 'close' || end === 'cut') await scene.established();
      if (end === 'close') scene.newest.close();
      if (end === 'cut') scene.newest.cut();
      scene.failing = undefined;
      await scene.clock.advance(400);
      await scene.established();
      expect(scene.session.connected).toBe(true);
      scene.stop();
    }
  });

  it('leaves no timer of the one before, and the agent knows that it has none meanwhile', async () => {
    scene = new AgentScene();
    scene.start();
    await scene.established();
    scene.session.report(statusOf('a'));
    await scene.clock.advance(1);
    scene.newest.cut();
    await scene.clock.advance(1);
    expect(scene.session.connected).toBe(false);
    scene.stop();
    await scene.clock.advance(1);
    expect(scene.timers).toBe(0);
  });

  it('is reported as ended once, however often dials fail after it', async () => {
    scene = new AgentScene();
    scene.start();
    await scene.established();
    scene.refuse = true;
    scene.newest.cut();
    await scene.clock.advance(10_000);
    expect(scene.notified.filter((each) => each === 'disconnected')).toHaveLength(1);
  });

  it('warns why a good one has ended, not of dials that fail, and not when the agent stops', async () => {
    scene = new AgentScene();
    scene.start();
    await scene.established();
    scene.newest.cut();
    await scene.clock.advance(1);
    expect(scene.warnings).toEqual(['connection reset']);
    await scene.clock.advance(400);
    await scene.established();
    await scene.newest.send(registered('again'));
    scene.refuse = true;
    await scene.clock.advance(5_000);
    expect(scene.warnings).toEqual(['connection reset', 'registered twice']);
    scene.refuse = false;
    await scene.clock.advance(2_100);
    await scene.established();
    scene.stop();
    await scene.clock.advance(1);
    expect(scene.warnings).toHaveLength(2);
  });

  it('is not reported as ended when it never began', async () => {
    scene = new AgentScene();
    scene.refuse = true;
    scene.start();
    await scene.clock.advance(5_000);
    expect(scene.notified).toEqual([]);
  });
});
