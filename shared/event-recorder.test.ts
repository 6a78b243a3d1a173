import { describe, expect, it } from 'vitest';
import { ApiError } from './errors.ts';
import { createEventRecorder, type EventRecorderDeps } from './event-recorder.ts';
import type { Event } from './generated/types.ts';
import { silentLog } from './log.ts';
import type { KubeObject } from './object.ts';
import { seededRandom } from './random.ts';
import { VirtualClock } from './virtual-clock.ts';

const pod: KubeObject = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'shop', uid: 'u1', resourceVersion: '7', creationTimestamp: '' },
};

function setUp(more: Partial<EventRecorderDeps> = {}) {
  const clock = new VirtualClock();
  const events = new Map<string, Event>();
  const state = { calls: 0, fail: undefined as ApiError | undefined };
  const client = {
    async create(_kind: string, object: unknown) {
      state.calls++;
      if (state.fail) throw state.fail;
      const event = object as Event;
      events.set(event.metadata.name, event);
      return event;
    },
    async patch(_kind: string, name: string, patch: { body: unknown }) {
      state.calls++;
      if (state.fail) throw state.fail;
      const event = events.get(name);
      if (!event) throw new ApiError('NotFound', 'gone');
      events.set(name, { ...event, ...(patch.body as object) });
      return event;
    },
  } as unknown as EventRecorderDeps['client'];
  const deps = { client, clock, random: seededRandom(1), log: silentLog, component: 'scheduler', ...more };
  return { clock, events, state, recorder: createEventRecorder(deps) };
}

describe('the event recorder', () => {
  it('writes an event as Kubernetes shapes it', async () => {
    const { events, recorder } = setUp({ host: 'n1' });
    recorder.event(pod, 'Normal', 'Scheduled', 'Successfully assigned shop/web to n1');
    await recorder.idle();
    const [event] = events.values();
    expect(event).toMatchObject({
      metadata: { namespace: 'shop', name: expect.stringMatching(/^web\.[0-9a-f]{16}$/) },
      involvedObject: { kind: 'Pod', namespace: 'shop', name: 'web', uid: 'u1', apiVersion: 'v1' },
      type: 'Normal',
      reason: 'Scheduled',
      count: 1,
      firstTimestamp: '2026-01-01T00:00:00Z',
      source: { component: 'scheduler', host: 'n1' },
    });
  });

  it('raises the count of an event that repeats instead of writing another', async () => {
    const { clock, events, recorder } = setUp();
    recorder.event(pod, 'Warning', 'FailedScheduling', 'no room');
    recorder.event(pod, 'Warning', 'FailedScheduling', 'no room');
    await recorder.idle();
    await clock.advance(5_000);
    recorder.event(pod, 'Warning', 'FailedScheduling', 'no room');
    await recorder.idle();
    expect([...events.values()]).toMatchObject([
      { count: 3, firstTimestamp: '2026-01-01T00:00:00Z', lastTimestamp: '2026-01-01T00:00:05Z' },
    ]);
  });

  it('records an event with an action in the newer form, and its repetitions as a series', async () => {
    const { clock, events, state, recorder } = setUp({ component: 'default-scheduler', host: 'm1' });
    const by = { ...pod, metadata: { ...pod.metadata, name: 'big', uid: 'u2' } };
    const tell = (again = false): void =>
      recorder.event(pod, 'Warning', 'FailedScheduling', 'no room', { action: 'Scheduling', related: by, again });
    tell();
    await recorder.idle();
    const [first] = events.values();
    expect(first).toMatchObject({
      eventTime: '2026-01-01T00:00:00.000000Z',
      action: 'Scheduling',
      related: { kind: 'Pod', name: 'big', uid: 'u2' },
      reportingComponent: 'default-scheduler',
      reportingInstance: 'default-scheduler-m1',
    });
    for (const field of ['count', 'source', 'firstTimestamp', 'lastTimestamp', 'series']) {
      expect(first).not.toHaveProperty(field);
    }
    await clock.advance(5_000);
    tell(true);
    await recorder.idle();
    expect([...events.values()]).toMatchObject([
      { series: { count: 2, lastObservedTime: '2026-01-01T00:00:05.000000Z' } },
    ]);
    await clock.advance(500);
    tell(true);
    await recorder.idle();
    expect(state.calls).toBe(2);
    await clock.advance(2_000);
    tell(true);
    await recorder.idle();
    expect([...events.values()]).toMatchObject([{ series: { count: 4 } }]);
  });

  it('makes no event of a repetition whose beginning it has forgotten', async () => {
    const { events, recorder } = setUp();
    recorder.event(pod, 'Warning', 'FailedScheduling', 'no room', { action: 'Scheduling', again: true });
    await recorder.idle();
    expect(events.size).toBe(0);
  });

  it('creates an event again when the earlier one was deleted', async () => {
    const { events, recorder } = setUp();
    recorder.event(pod, 'Normal', 'A', 'a');
    await recorder.idle();
    events.clear();
    recorder.event(pod, 'Normal', 'A', 'a');
    await recorder.idle();
    expect([...events.values()]).toMatchObject([{ count: 1 }]);
  });

  it('combines similar events into one that counts, with the newest message', async () => {
    const { events, recorder } = setUp();
    for (let i = 1; i <= 12; i++) {
      recorder.event(pod, 'Warning', 'Failed', `try ${i}`);
      await recorder.idle();
    }
    expect(events.size).toBe(10);
    expect([...events.values()].at(-1)).toMatchObject({
      message: '(combined from similar events): try 12',
      count: 3,
    });
  });

  it('records at most 25 events at once for an object', async () => {
    const { clock, events, state, recorder } = setUp();
    for (let i = 0; i < 100; i++) {
      recorder.event(pod, 'Warning', 'Unhealthy', 'no answer');
      await recorder.idle();
    }
    expect(state.calls).toBe(25);
    await clock.advance(300_000);
    recorder.event(pod, 'Warning', 'Unhealthy', 'no answer');
    await recorder.idle();
    expect([...events.values()]).toMatchObject([{ count: 101 }]);
  });

  it('records under the name of each component that shares it', async () => {
    const { events, recorder } = setUp({ component: 'controller-manager' });
    recorder.of('deployment-controller').event(pod, 'Normal', 'ScalingReplicaSet', 'Scaled up');
    recorder.event(pod, 'Normal', 'ScalingReplicaSet', 'Scaled up');
    await recorder.idle();
    expect(
      [...events.values()].map(({ source, reportingComponent }) => [source?.component, reportingComponent]),
    ).toEqual([
      ['deployment-controller', 'deployment-controller'],
      ['controller-manager', 'controller-manager'],
    ]);
  });

  it('drops events beyond its bound and never writes faster than its rate', async () => {
    const { clock, state, recorder } = setUp({ limits: { waiting: 10, burst: 2, perSecond: 1 } });
    for (let i = 0; i < 50; i++)
      recorder.event({ ...pod, metadata: { ...pod.metadata, uid: `u${i}` } }, 'Normal', 'A', 'a');
    expect(recorder.dropped).toBe(40);
    await clock.advance(0);
    expect(state.calls).toBe(2);
    await clock.advance(3_000);
    expect(state.calls).toBe(5);
    await clock.advance(60_000);
    expect(state.calls).toBe(10);
  });

  it('tries again a few times when the API is away, then gives the event up', async () => {
    const { clock, state, events, recorder } = setUp();
    state.fail = new ApiError('ServiceUnavailable', 'away');
    recorder.event(pod, 'Normal', 'A', 'a');
    await clock.advance(100);
    state.fail = undefined;
    await clock.advance(5_000);
    expect(events.size).toBe(1);
    state.fail = new ApiError('ServiceUnavailable', 'away');
    recorder.event(pod, 'Normal', 'B', 'b');
    await clock.advance(60_000);
    expect(recorder.dropped).toBe(1);
    expect(state.calls).toBeLessThan(10);
  });
});
