import { describe, expect, it, test } from 'vitest';
import type { Event, Pod } from '../../shared/generated/types.ts';
import { seededRandom } from '../../shared/random.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { EventQueue } from './event-queue.ts';

const pod = { metadata: { name: 'web', namespace: 'shop', uid: 'u1' }, spec: { containers: [] } } as unknown as Pod;

test('an event that repeats at once is sent at once, and its whole count a few seconds later', async () => {
  const clock = new VirtualClock();
  let calls = 0;
  const events = new EventQueue({ clock, random: seededRandom(1), nodeName: 'n1', ready: () => calls++ });
  const started = (): void => events.pod(pod, 'Normal', 'Started', 'Started container app', 'app');
  started();
  const first = events.take();
  expect(first).toMatchObject({ reason: 'Started', count: 1 });
  for (let i = 0; i < 2; i++) {
    await clock.advance(100);
    started();
  }
  expect(events.take()).toBeUndefined();
  await clock.advance(5_000);
  expect(events.take()).toMatchObject({
    metadata: { name: first?.metadata.name },
    count: 3,
    firstTimestamp: first?.firstTimestamp,
  });
  expect(calls).toBe(2);
  await clock.advance(60_000);
  expect(events.take()).toBeUndefined();
});

/** A queue on a clock of its own, and what it sends. */
class Scene {
  readonly clock = new VirtualClock();
  calls = 0;
  readonly events = new EventQueue({
    clock: this.clock,
    random: seededRandom(1),
    nodeName: 'n1',
    ready: () => {
      this.calls++;
    },
  });

  all(): Event[] {
    const taken: Event[] = [];
    for (let event = this.events.take(); event; event = this.events.take()) taken.push(event);
    return taken;
  }
}

const named = (uid: string, more: object = {}) =>
  ({
    metadata: { name: uid, namespace: 'shop', uid, resourceVersion: '7' },
    spec: { containers: [], ...more },
  }) as unknown as Pod;

describe('an event', () => {
  it('of a pod names it and its container, as the kubelet does', () => {
    const scene = new Scene();
    const of = named('web', { initContainers: [{ name: 'init' }] });
    scene.events.pod(of, 'Warning', 'Failed', 'it failed', 'app');
    scene.events.pod(of, 'Normal', 'Pulled', 'pulled', 'init');
    scene.events.pod(of, 'Normal', 'Scheduled', 'no container');
    const [app, init, none] = scene.all();
    expect(app).toMatchObject({
      metadata: { namespace: 'shop', creationTimestamp: '2026-01-01T00:00:00Z' },
      involvedObject: {
        kind: 'Pod',
        apiVersion: 'v1',
        name: 'web',
        namespace: 'shop',
        uid: 'web',
        resourceVersion: '7',
        fieldPath: 'spec.containers{app}',
      },
      type: 'Warning',
      reason: 'Failed',
      message: 'it failed',
      count: 1,
      firstTimestamp: '2026-01-01T00:00:00Z',
      lastTimestamp: '2026-01-01T00:00:00Z',
      source: { component: 'kubelet', host: 'n1' },
    });
    expect(app?.metadata.name).toMatch(/^web\./);
    expect(init?.involvedObject?.fieldPath).toBe('spec.initContainers{init}');
    expect(none?.involvedObject).not.toHaveProperty('fieldPath');
    expect(new Set([app, init, none].map((event) => event?.metadata.name)).size).toBe(3);
  });

  it('of the node is in the namespace default', () => {
    const scene = new Scene();
    scene.events.node('Normal', 'Starting', 'begun');
    expect(scene.all()).toMatchObject([
      {
        metadata: { namespace: 'default' },
        involvedObject: { kind: 'Node', name: 'n1', uid: 'n1' },
        reason: 'Starting',
      },
    ]);
  });

  it('whose text is too long for the API is cut, with a mark', () => {
    const scene = new Scene();
    scene.events.pod(named('a'), 'Normal', 'Long', 'x'.repeat(1_024));
    scene.events.pod(named('b'), 'Normal', 'Long', 'x'.repeat(1_025));
    expect(scene.all().map(({ message }) => message)).toEqual(['x'.repeat(1_024), `${'x'.repeat(1_023)}…`]);
  });

  it('is another for another pod, container, type, reason or text, and each is sent at once', () => {
    const scene = new Scene();
    const say = (uid: string, type: 'Normal' | 'Warning', reason: string, text: string, container: string) =>
      scene.events.pod(named(uid), type, reason, text, container);
    say('a', 'Normal', 'R', 'text', 'app');
    say('b', 'Normal', 'R', 'text', 'app');
    say('a', 'Warning', 'R', 'text', 'app');
    say('a', 'Normal', 'S', 'text', 'app');
    say('a', 'Normal', 'R', 'words', 'app');
    say('a', 'Normal', 'R', 'text', 'other');
    expect(scene.all().map(({ count }) => count)).toEqual([1, 1, 1, 1, 1, 1]);
    expect(scene.calls).toBe(6);
  });
});

describe('events that repeat', () => {
  it('before they were taken are sent once, with the count and the time of the last', async () => {
    const scene = new Scene();
    for (let i = 0; i < 3; i++) {
      scene.events.pod(pod, 'Normal', 'R', 'text');
      await scene.clock.advance(1_000);
    }
    expect(scene.all()).toMatchObject([{ count: 3, lastTimestamp: '2026-01-01T00:00:02Z' }]);
  });

  it('five seconds after they were sent are sent at once', async () => {
    const scene = new Scene();
    scene.events.pod(pod, 'Normal', 'R', 'text');
    scene.all();
    await scene.clock.advance(4_999);
    scene.events.pod(pod, 'Normal', 'R', 'text');
    expect(scene.all()).toEqual([]);
    await scene.clock.advance(5_000);
    expect(scene.all()).toMatchObject([{ count: 2 }]);
    await scene.clock.advance(5_000);
    scene.events.pod(pod, 'Normal', 'R', 'text');
    expect(scene.all()).toMatchObject([{ count: 3 }]);
  });

  it('are sent after the pause each, and what did not repeat is not', async () => {
    const scene = new Scene();
    for (const uid of ['a', 'b', 'c']) scene.events.pod(named(uid), 'Normal', 'R', 'text');
    scene.all();
    for (const uid of ['a', 'b']) scene.events.pod(named(uid), 'Normal', 'R', 'text');
    expect(scene.all()).toEqual([]);
    await scene.clock.advance(5_000);
    expect(scene.all().map(({ involvedObject }) => involvedObject?.uid)).toEqual(['a', 'b']);
    await scene.clock.advance(60_000);
    expect(scene.all()).toEqual([]);
  });

  it('are sent after the pause by this process’ time, though the clock was set back', async () => {
    const scene = new Scene();
    scene.events.pod(pod, 'Normal', 'R', 'text');
    scene.all();
    scene.clock.jump(-3_600_000);
    scene.events.pod(pod, 'Normal', 'R', 'text');
    await scene.clock.advance(5_000);
    expect(scene.all()).toMatchObject([{ count: 2 }]);
  });
});

describe('events that are not taken', () => {
  it('are kept up to five hundred; the oldest go, and are counted', () => {
    const scene = new Scene();
    for (let i = 0; i < 503; i++) scene.events.pod(named(`p${i}`), 'Normal', 'R', 'text');
    expect(scene.events.dropped).toBe(3);
    const left = scene.all().map(({ involvedObject }) => involvedObject?.uid);
    expect([left.length, left[0], left.at(-1)]).toEqual([500, 'p3', 'p502']);
  });
});
