import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ApiError, type Reason } from '../../shared/errors.ts';
import type { Pod } from '../../shared/generated/types.ts';
import { silentLog } from '../../shared/log.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { pendingPod } from '../../test/support/scheduling.ts';
import { StatusWriter } from './status-writer.ts';

interface Write {
  readonly name: string;
  readonly body: { status: { conditions: { message: string }[]; nominatedNodeName?: string | null } };
  readonly options: unknown;
}

const told = (pod: Pod, message: string, status: string, nominatedNodeName?: string): Pod => {
  const condition = { type: 'PodScheduled', status, reason: 'Unschedulable', message };
  return { ...pod, status: { conditions: [condition], ...(nominatedNodeName ? { nominatedNodeName } : {}) } };
};

describe('the writer of why pods are unschedulable', () => {
  let clock: VirtualClock;
  let stop: AbortController;
  let writes: Write[];
  let answer: (name: string) => Promise<void>;
  let writer: StatusWriter;

  beforeEach(() => {
    clock = new VirtualClock();
    stop = new AbortController();
    writes = [];
    answer = async () => undefined;
    const patch = async (_: string, name: string, { body }: { body: Write['body'] }, options: unknown) => {
      writes.push({ name, body, options });
      await answer(name);
    };
    const client = { patch } as unknown as ConstructorParameters<typeof StatusWriter>[0]['client'];
    writer = new StatusWriter({ client, clock, log: silentLog }, stop.signal);
  });

  afterEach(() => stop.abort());

  const names = () => writes.map(({ name }) => name);
  const messages = () => writes.map(({ body }) => body.status.conditions[0]?.message);

  it('sets the condition, for exactly the pod and version that was decided on', async () => {
    await clock.advance(1_500);
    writer.unschedulable(pendingPod('a'), 'too small');
    await clock.advance(0);
    const condition = {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message: 'too small',
      lastTransitionTime: '2026-01-01T00:00:01Z',
    };
    expect(writes).toEqual([
      {
        name: 'a',
        body: { metadata: { uid: 'uid-a', resourceVersion: '1' }, status: { conditions: [condition] } },
        options: { namespace: 'default', subresource: 'status' },
      },
    ]);
  });

  it('does not write a status that the pod already has, and cancels a pending older one', async () => {
    const pod = told(pendingPod('a'), 'too small', 'False');
    writer.unschedulable(pod, 'too small');
    writer.unschedulable(pod, 'something else');
    writer.unschedulable(pod, 'too small');
    await clock.advance(10);
    expect(writes).toEqual([]);
  });

  it('writes another sentence without a new time of transition, and a first one with it', async () => {
    writer.unschedulable(told(pendingPod('a'), 'too small', 'False'), 'cordoned');
    writer.unschedulable(told(pendingPod('b'), 'too small', 'True'), 'too small');
    const other = pendingPod('c');
    const conditions = [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated', message: 'too small' }];
    writer.unschedulable({ ...other, status: { conditions } }, 'too small');
    await clock.advance(0);
    expect(writes.map(({ name, body }) => [name, 'lastTransitionTime' in (body.status.conditions[0] ?? {})])).toEqual([
      ['a', false],
      ['b', true],
      ['c', false],
    ]);
  });

  it('names the node on which room is kept, takes the name back, and leaves it where it is right', async () => {
    writer.unschedulable(told(pendingPod('a'), 'x', 'False'), 'x', 'n1');
    writer.unschedulable(told(pendingPod('b'), 'x', 'False', 'n1'), 'x');
    writer.unschedulable(told(pendingPod('c'), 'x', 'False', 'n1'), 'y', 'n1');
    writer.unschedulable(told(pendingPod('d'), 'x', 'False', 'n1'), 'x', 'n1');
    await clock.advance(0);
    expect(writes.map(({ name, body: { status } }) => [name, status.nominatedNodeName])).toEqual([
      ['a', 'n1'],
      ['b', null],
      ['c', undefined],
    ]);
  });

  it('writes only the last status of each pod, and no cancelled one', async () => {
    writer.unschedulable(pendingPod('a'), 'first');
    writer.unschedulable(pendingPod('b'), 'first');
    writer.unschedulable(pendingPod('a'), 'second');
    writer.cancel('default/b');
    await clock.advance(0);
    expect(messages()).toEqual(['second']);
  });

  it('writes statuses that are added during a write', async () => {
    let release = (): void => undefined;
    answer = () => new Promise((resolve) => (release = resolve));
    writer.unschedulable(pendingPod('a'), 'first');
    await clock.advance(0);
    writer.unschedulable(pendingPod('a'), 'second');
    answer = async () => undefined;
    release();
    await clock.advance(0);
    expect(messages()).toEqual(['first', 'second']);
    writer.unschedulable(pendingPod('a'), 'third');
    await clock.advance(0);
    expect(messages()).toEqual(['first', 'second', 'third']);
  });

  it('writes a hundred at once and then fifty a second, two at a time', async () => {
    let inFlight = 0;
    let most = 0;
    answer = async () => {
      most = Math.max(most, ++inFlight);
      await Promise.resolve();
      inFlight--;
    };
    for (let i = 0; i < 260; i++) writer.unschedulable(pendingPod(`p${i}`), 'x');
    await clock.advance(1);
    expect(writes.length).toBe(100);
    await clock.advance(1_000);
    expect(writes.length).toBeGreaterThanOrEqual(148);
    expect(writes.length).toBeLessThanOrEqual(151);
    await clock.advance(3_000);
    expect(writes.length).toBe(260);
    expect(new Set(names()).size).toBe(260);
    expect(most).toBe(2);
    // After a quiet time there are a hundred again, not more.
    await clock.advance(60_000);
    for (let i = 0; i < 150; i++) writer.unschedulable(pendingPod(`q${i}`), 'x');
    await clock.advance(1);
    expect(writes.length).toBe(360);
  });

  it.each<Reason>(['ServiceUnavailable', 'Timeout', 'TooManyRequests'])(
    'writes again a second after %s',
    async (reason) => {
      answer = () => Promise.reject(new ApiError(reason, 'away'));
      writer.unschedulable(pendingPod('a'), 'x');
      await clock.advance(0);
      answer = async () => undefined;
      await clock.advance(999);
      expect(names()).toEqual(['a']);
      await clock.advance(1);
      expect(names()).toEqual(['a', 'a']);
    },
  );

  it.each<[Reason, boolean]>([
    ['NotFound', false],
    ['Conflict', false],
    ['Invalid', true],
  ])('gives a pod up on %s, and writes the others', async (reason, pauses) => {
    answer = (name) => (name === 'a' ? Promise.reject(new ApiError(reason, 'no')) : Promise.resolve());
    writer.unschedulable(pendingPod('a'), 'x');
    writer.unschedulable(pendingPod('b'), 'x');
    writer.unschedulable(pendingPod('c'), 'x');
    await clock.advance(0);
    expect(names()).toEqual(['a', 'b', 'c']);
    writer.unschedulable(pendingPod('a'), 'y');
    writer.unschedulable(pendingPod('d'), 'y');
    await clock.advance(0);
    expect(names().slice(3)).toEqual(pauses ? ['a'] : ['a', 'd']);
    await clock.advance(10_000);
    expect(names().slice(3)).toEqual(['a', 'd']);
  });

  it('prefers a newer status over one whose write failed', async () => {
    let fail = (): void => undefined;
    answer = () => new Promise((_, reject) => (fail = () => reject(new ApiError('Timeout', 'away'))));
    writer.unschedulable(pendingPod('a'), 'old');
    await clock.advance(0);
    // The second writer is busy as well: the newer word has to wait for the first.
    writer.unschedulable(pendingPod('b'), 'x');
    await clock.advance(0);
    writer.unschedulable(pendingPod('a'), 'new');
    answer = async () => undefined;
    fail();
    await clock.advance(5_000);
    expect(messages().filter((one) => one === 'old')).toHaveLength(1);
  });

  it('holds no more than twenty thousand pods that wait, of which each may still get a newer word', async () => {
    for (let i = 0; i < 20_000; i++) writer.unschedulable(pendingPod(`p${i}`), 'x');
    writer.unschedulable(pendingPod('late'), 'x');
    writer.unschedulable(pendingPod('p1'), 'newer');
    for (let i = 3; i < 20_000; i++) writer.cancel(`default/p${i}`);
    await clock.advance(10);
    expect(names()).toEqual(['p0', 'p1', 'p2']);
    expect(messages()[1]).toBe('newer');
  });

  it('writes nothing once it is aborted', async () => {
    writer.unschedulable(pendingPod('a'), 'x');
    stop.abort();
    await clock.advance(5_000);
    expect(writes).toEqual([]);
  });
});
