import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../shared/random.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import type { PodEntry } from './node-state.ts';
import type { PodShape } from './pod-shape.ts';
import { type Occasion, type QueuedPod, SchedulingQueue } from './queue.ts';

const removed: ReadonlySet<Occasion> = new Set(['pod-removed']);
const node: ReadonlySet<Occasion> = new Set(['node']);

function setUp() {
  const clock = new VirtualClock();
  let rings = 0;
  const queue = new SchedulingQueue({ clock, random: seededRandom(1) }, () => rings++);
  const shapes = new Map<string, PodShape>();
  const shapeOf = (name: string): PodShape => {
    const shape = shapes.get(name) ?? ({ key: name } as PodShape);
    shapes.set(name, shape);
    return shape;
  };
  const add = (name: string, shape = 'shape', priority = 0): QueuedPod => {
    const entry = { key: `default/${name}`, shape: shapeOf(shape), priority, created: 0 } as PodEntry;
    return queue.add(entry, {} as QueuedPod['pod']);
  };
  const name = (queued: QueuedPod | undefined) => queued?.entry.key.slice('default/'.length);
  /** Takes all that are ready, and parks them until `occasions`. */
  const parkReady = (occasions = removed): (string | undefined)[] => {
    const taken: (string | undefined)[] = [];
    for (let next = queue.pop(); next; next = queue.pop()) {
      taken.push(name(next));
      queue.park(next, occasions);
    }
    return taken;
  };
  return { clock, queue, add, name, parkReady, shapeOf, rings: () => rings };
}

describe('the scheduling queue', () => {
  it('calls for a decision when a pod comes, and gives the most important first', () => {
    const { queue, add, name, rings } = setUp();
    add('low');
    add('high', 'shape', 9);
    expect(rings()).toBe(2);
    const first = queue.pop();
    expect([name(first), first?.state]).toEqual(['high', 'deciding']);
    expect(queue.size).toBe(2);
    expect(queue.get('default/high')).toBe(first);
    expect([...queue.values()].map(name)).toEqual(['low', 'high']);
    expect(name(queue.pop())).toBe('low');
    expect(queue.pop()).toBeUndefined();
  });

  it('never gives a pod that was removed, wherever it waited', async () => {
    const { clock, queue, add, rings } = setUp();
    add('active');
    queue.remove('default/active');
    expect(queue.pop()).toBeUndefined();
    const backoff = add('backoff');
    queue.pop();
    queue.retry(backoff);
    queue.remove('default/backoff');
    const parked = add('parked');
    queue.pop();
    queue.park(parked, node);
    queue.remove('default/parked');
    queue.remove('default/unknown');
    const before = rings();
    queue.wake(node);
    await clock.advance(200_000);
    expect(queue.pop()).toBeUndefined();
    expect(rings()).toBe(before);
    expect(queue.size).toBe(0);
  });

  it('ignores what comes back of a pod that was removed while it was decided, and of one in place of which another came', async () => {
    const { clock, queue, add } = setUp();
    const comeBack: ((queued: QueuedPod) => void)[] = [
      (queued) => queue.again(queued),
      (queued) => queue.retry(queued),
      (queued) => queue.park(queued, node),
    ];
    for (const back of comeBack) {
      const gone = add('a');
      queue.pop();
      queue.remove('default/a');
      back(gone);
      const namesake = add('a');
      expect(queue.pop()).toBe(namesake);
      back(gone);
      queue.wake(node);
      await clock.advance(100_000);
      expect(queue.pop()).toBeUndefined();
      queue.remove('default/a');
    }
  });

  it('gives a pod again at once when its decision is outdated', () => {
    const { queue, add, rings } = setUp();
    const one = add('a');
    queue.pop();
    queue.again(one);
    expect(one.state).toBe('active');
    expect(rings()).toBe(2);
    expect(queue.pop()).toBe(one);
  });

  it('gives a pod whose placement failed after a backoff that doubles from 5 ms up to 5 s', async () => {
    const { clock, queue, add } = setUp();
    const one = add('a');
    const waits: number[] = [];
    for (let i = 0; i < 13; i++) {
      queue.pop();
      queue.retry(one);
      expect(one.state).toBe('backoff');
      expect(queue.pop()).toBeUndefined();
      const from = clock.monotonic();
      await clock.advanceUntil(() => one.state === 'active', 10_000, i < 6 ? 0.5 : 100);
      waits.push(clock.monotonic() - from);
    }
    for (const [i, wait] of waits.entries()) {
      const full = Math.min(5_000, 5 * 2 ** i);
      expect(wait).toBeGreaterThanOrEqual(full / 2);
      expect(wait).toBeLessThanOrEqual(full + 100);
    }
  });

  it('gives a pod that changed at once, and once only, though it was in backoff', async () => {
    const { clock, queue, add } = setUp();
    const one = add('a');
    queue.pop();
    queue.retry(one);
    queue.changed(one);
    expect(queue.pop()).toBe(one);
    await clock.advance(10_000);
    expect(queue.pop()).toBeUndefined();
    expect(one.state).toBe('deciding');
    queue.changed(one);
    expect(queue.pop()).toBeUndefined();
  });

  it('tries nothing parked on what does not help it', async () => {
    const { clock, queue, add, parkReady } = setUp();
    add('a');
    parkReady(removed);
    queue.wake(new Set<Occasion>(['node', 'pod-added', 'pod-leaving']));
    await clock.advance(59_000);
    expect(queue.pop()).toBeUndefined();
  });

  it('tries what is parked on one of several occasions', async () => {
    const { clock, queue, add, name, parkReady } = setUp();
    add('a');
    parkReady(new Set<Occasion>(['node', 'pod-removed']));
    await clock.advance(100);
    queue.wake(new Set<Occasion>(['pod-added', 'pod-removed']));
    expect(name(queue.pop())).toBe('a');
  });

  it('tries what is parked after a minute though nothing was seen to happen, and again after another', async () => {
    const { clock, add, parkReady } = setUp();
    add('a');
    parkReady();
    for (let i = 0; i < 3; i++) {
      await clock.advance(59_999);
      expect(parkReady()).toEqual([]);
      await clock.advance(1);
      expect(parkReady()).toEqual(['a']);
    }
  });

  it('tries the first of a shape for all: the next only once the first has found its place', async () => {
    const { clock, queue, add, name, parkReady } = setUp();
    for (const pod of ['a', 'b', 'c']) add(pod);
    parkReady();
    await clock.advance(100);
    queue.wake(removed);
    const first = queue.pop();
    expect(name(first)).toBe('a');
    expect(queue.pop()).toBeUndefined();
    if (first) queue.placed(first);
    const second = queue.pop();
    expect(name(second)).toBe('b');
    if (second) queue.park(second, removed);
    expect(queue.pop()).toBeUndefined();
    await clock.advance(59_000);
    expect(queue.pop()).toBeUndefined();
    await clock.advance(1_000);
    expect(name(queue.pop())).toBe('b');
  });

  it('tries the next of a shape when the one that was tried for all is removed, if something has happened since', async () => {
    const { clock, queue, add, name, parkReady } = setUp();
    for (const pod of ['a', 'b']) add(pod);
    parkReady();
    await clock.advance(100);
    queue.wake(removed);
    expect(name(queue.pop())).toBe('a');
    queue.wake(removed);
    queue.remove('default/a');
    await clock.advance(2_000);
    expect(name(queue.pop())).toBe('b');
  });

  it('comes back to the others of a shape when the one that was tried for all goes and nothing happens', async () => {
    const { clock, queue, add, name, parkReady } = setUp();
    for (const pod of ['a', 'b']) add(pod);
    parkReady();
    await clock.advance(100);
    queue.wake(removed);
    queue.pop();
    queue.remove('default/a');
    expect(queue.pop()).toBeUndefined();
    await clock.advance(60_000);
    expect(name(queue.pop())).toBe('b');
  });

  it('does not forget what happens while a pod is tried for all', async () => {
    const { clock, queue, add, name, parkReady } = setUp();
    add('a');
    add('b');
    parkReady();
    await clock.advance(100);
    queue.wake(removed);
    const tried = queue.pop();
    queue.wake(removed);
    if (tried) queue.park(tried, removed);
    await clock.advance(5_000);
    expect(name(queue.pop())).toBe('a');
  });

  it('lets a new pod of a shape that was placed show that the parked ones may fit too', () => {
    const { queue, add, name, parkReady } = setUp();
    add('a');
    parkReady();
    const fresh = add('fresh');
    expect(queue.pop()).toBe(fresh);
    queue.placed(fresh);
    expect(name(queue.pop())).toBe('a');
    expect(queue.pop()).toBeUndefined();
  });

  it('does not try a second pod of a shape for a new one that is placed while the first is tried', async () => {
    const { clock, queue, add, name, parkReady } = setUp();
    for (const pod of ['a', 'b']) add(pod);
    parkReady();
    await clock.advance(100);
    queue.wake(removed);
    const tried = queue.pop();
    const fresh = add('fresh');
    queue.pop();
    queue.placed(fresh);
    expect(queue.pop()).toBeUndefined();
    if (tried) queue.placed(tried);
    expect(name(queue.pop())).toBe('b');
  });

  it('tries shapes apart from each other', async () => {
    const { clock, queue, add, name, parkReady } = setUp();
    add('a', 'one');
    parkReady(removed);
    add('b', 'two');
    parkReady(node);
    await clock.advance(100);
    queue.wake(node);
    expect(name(queue.pop())).toBe('b');
    expect(queue.pop()).toBeUndefined();
    queue.wake(removed);
    expect(name(queue.pop())).toBe('a');
  });

  it('tries a shape that never fits less and less often, down to once in 2 s, however much happens', async () => {
    const { clock, queue, add, parkReady } = setUp();
    add('a');
    parkReady();
    const tries: number[] = [];
    for (let ms = 0; ms < 30_000; ms += 10) {
      queue.wake(removed);
      if (parkReady().length > 0) tries.push(clock.monotonic());
      await clock.advance(10);
      if (parkReady().length > 0) tries.push(clock.monotonic());
    }
    const gaps = tries.slice(1).map((at, i) => at - (tries[i] ?? 0));
    expect(tries[0]).toBeLessThanOrEqual(30);
    expect(gaps.every((gap) => gap >= 10 && gap <= 2_010)).toBe(true);
    expect(gaps.slice(-5).every((gap) => gap >= 1_000)).toBe(true);
    expect(tries.length).toBeGreaterThan(15);
  });

  it('tries a shape quickly again after one of its pods was placed', async () => {
    const { clock, queue, add, parkReady } = setUp();
    add('a');
    add('b');
    parkReady();
    for (let i = 0; i < 12; i++) {
      queue.wake(removed);
      await clock.advance(2_000);
      parkReady();
    }
    queue.wake(removed);
    await clock.advance(2_000);
    const placed = queue.pop();
    if (placed) queue.placed(placed);
    parkReady();
    queue.wake(removed);
    await clock.advance(20);
    expect(parkReady()).toHaveLength(1);
  });

  it('keeps pods that join a parked shape to the backoff of the shape', async () => {
    const { clock, queue, add, parkReady } = setUp();
    add('a');
    parkReady();
    for (let i = 0; i < 12; i++) {
      queue.wake(removed);
      await clock.advance(2_000);
      parkReady();
    }
    for (let i = 0; i < 20; i++) add(`late-${i}`);
    parkReady();
    queue.wake(removed);
    await clock.advance(500);
    expect(parkReady()).toEqual([]);
    await clock.advance(1_500);
    expect(parkReady()).toHaveLength(1);
  });

  it('waits for what the last decision of a shape waits for', async () => {
    const { clock, queue, add, parkReady } = setUp();
    add('a');
    parkReady(removed);
    add('b');
    parkReady(node);
    await clock.advance(100);
    queue.wake(removed);
    expect(queue.pop()).toBeUndefined();
    queue.wake(node);
    expect(queue.pop()).toBeDefined();
  });

  it('lets a parked pod whose shape changes leave the others of its old shape', async () => {
    const { clock, queue, add, name, parkReady, shapeOf } = setUp();
    const one = add('a');
    add('b');
    parkReady();
    one.entry.shape = shapeOf('other');
    queue.changed(one);
    expect(queue.pop()).toBe(one);
    queue.park(one, node);
    await clock.advance(100);
    queue.wake(node);
    expect(queue.pop()).toBe(one);
    queue.wake(removed);
    expect(name(queue.pop())).toBe('b');
  });

  it('does nothing more once it is closed', async () => {
    const { clock, queue, add, rings } = setUp();
    const [a, b] = [add('a', 'one'), add('b', 'two')];
    queue.pop();
    queue.pop();
    queue.retry(a);
    queue.park(b, node);
    add('c');
    queue.close();
    const before = rings();
    queue.wake(node);
    await clock.advance(100_000);
    expect(rings()).toBe(before);
    expect([queue.size, queue.pop()]).toEqual([0, undefined]);
  });
});
