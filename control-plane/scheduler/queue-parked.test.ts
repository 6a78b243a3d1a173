import { describe, expect, it } from 'vitest';
import type { ClusterEvent } from '../../shared/scheduling/plugin.ts';
import { node, queueOf, removed } from '../../test/support/scheduling-queue.ts';

describe('the parked pods of the scheduling queue', () => {
  it('tries nothing parked on what does not help it', async () => {
    const { clock, queue, add, parkReady } = queueOf();
    add('a');
    parkReady(removed);
    queue.wake(new Set<ClusterEvent>(['NodeChange', 'AssignedPodAdd', 'AssignedPodTerminating']));
    await clock.advance(59_000);
    expect(queue.pop()).toBeUndefined();
  });

  it('tries what is parked on one of several events', async () => {
    const { clock, queue, add, name, parkReady } = queueOf();
    add('a');
    parkReady(new Set<ClusterEvent>(['NodeChange', 'AssignedPodDelete']));
    await clock.advance(100);
    queue.wake(new Set<ClusterEvent>(['AssignedPodAdd', 'AssignedPodDelete']));
    expect(name(queue.pop())).toBe('a');
  });

  it('tries what is parked after a minute though nothing was seen to happen, and again after another', async () => {
    const { clock, add, parkReady } = queueOf();
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
    const { clock, queue, add, name, parkReady } = queueOf();
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
    const { clock, queue, add, name, parkReady } = queueOf();
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
    const { clock, queue, add, name, parkReady } = queueOf();
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
    const { clock, queue, add, name, parkReady } = queueOf();
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
    const { queue, add, name, parkReady } = queueOf();
    add('a');
    parkReady();
    const fresh = add('fresh');
    expect(queue.pop()).toBe(fresh);
    queue.placed(fresh);
    expect(name(queue.pop())).toBe('a');
    expect(queue.pop()).toBeUndefined();
  });

  it('does not try a second pod of a shape for a new one that is placed while the first is tried', async () => {
    const { clock, queue, add, name, parkReady } = queueOf();
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
    const { clock, queue, add, name, parkReady } = queueOf();
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
    const { clock, queue, add, parkReady } = queueOf();
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
    const { clock, queue, add, parkReady } = queueOf();
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
    const { clock, queue, add, parkReady } = queueOf();
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

  it('does not try a shape at once again that was just found to fit nowhere, by whichever of its pods', async () => {
    const { clock, queue, add, parkReady } = queueOf();
    add('a');
    parkReady();
    queue.wake(removed);
    expect(parkReady()).toEqual([]);
    await clock.advance(20);
    expect(parkReady()).toEqual(['a']);
    await clock.advance(5_000);
    add('b');
    parkReady();
    queue.wake(removed);
    expect(parkReady()).toEqual([]);
    await clock.advance(100);
    expect(parkReady()).toEqual(['a']);
  });

  it('tries a shape no later because of the pods that join it', async () => {
    const { clock, queue, add, parkReady } = queueOf();
    add('a');
    parkReady();
    for (let i = 0; i < 8; i++) add(`late-${i}`);
    parkReady();
    queue.wake(removed);
    await clock.advance(20);
    expect(parkReady()).toEqual(['a']);
    for (let s = 0; s < 59; s++) {
      await clock.advance(1_000);
      add(`later-${s}`);
      parkReady();
    }
    await clock.advance(1_000);
    expect(parkReady()).toHaveLength(1);
  });

  it('tries one of a shape at a time, also when others of it join or leave meanwhile', async () => {
    const { clock, queue, add, name, parkReady } = queueOf();
    for (const pod of ['a', 'b', 'c']) add(pod);
    parkReady();
    await clock.advance(100);
    queue.wake(removed);
    const joins = add('0-joins');
    expect(queue.pop()).toBe(joins);
    queue.park(joins, removed);
    queue.remove('default/b');
    queue.wake(removed);
    await clock.advance(10_000);
    expect(name(queue.pop())).toBe('a');
    expect(queue.pop()).toBeUndefined();
  });

  it('forgets the backoff of a shape with the last of its parked pods, whether placed, tried or parked', async () => {
    for (const end of ['placed', 'tried', 'parked']) {
      const { clock, queue, add, parkReady } = queueOf();
      add('a');
      parkReady();
      for (let i = 0; i < 12; i++) {
        queue.wake(removed);
        await clock.advance(2_000);
        if (i < 11 || end === 'parked') parkReady();
      }
      if (end !== 'parked') {
        const tried = queue.pop();
        expect(tried).toBeDefined();
        if (tried && end === 'placed') queue.placed(tried);
      }
      queue.remove('default/a');
      add('b');
      parkReady();
      queue.wake(removed);
      await clock.advance(20);
      expect(parkReady()).toEqual(['b']);
    }
  });

  it('waits for what the last decision of a shape waits for', async () => {
    const { clock, queue, add, parkReady } = queueOf();
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
    const { clock, queue, add, name, parkReady, shapeOf } = queueOf();
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

  it('are tried each by itself where room is kept for them, not after the others of their shape', async () => {
    const { clock, queue, add, name, parkReady } = queueOf();
    add('a');
    const b = add('b');
    const c = add('c');
    for (const one of [b, c]) one.entry.reserved = true;
    parkReady();
    await clock.advance(100);
    queue.wake(removed);
    expect([name(queue.pop()), name(queue.pop()), name(queue.pop()), queue.pop()]).toEqual(['a', 'b', 'c', undefined]);
    b.entry.reserved = false;
    queue.placed(b);
    expect(queue.pop()).toBeUndefined();
    queue.park(c, removed);
    queue.remove('default/a');
    await clock.advance(60_000);
    expect([name(queue.pop()), queue.pop()]).toEqual(['c', undefined]);
  });

  it('leave the others of their shape when room is kept for them, and join them when it is lost', async () => {
    const { clock, queue, add, name, parkReady } = queueOf();
    const a = add('a');
    add('b');
    parkReady();
    await clock.advance(100);
    queue.wake(removed);
    expect(queue.pop()).toBe(a);
    a.entry.reserved = true;
    queue.wake(removed);
    queue.park(a, removed);
    expect(name(queue.pop())).toBe('b');
    const b = queue.get('default/b');
    if (b) queue.park(b, removed);
    await clock.advance(100);
    queue.wake(removed);
    expect([name(queue.pop()), name(queue.pop())]).toEqual(['a', 'b']);
    a.entry.reserved = false;
    if (b) queue.park(b, removed);
    queue.park(a, removed);
    await clock.advance(5_000);
    queue.wake(removed);
    expect([name(queue.pop()), queue.pop()]).toEqual(['a', undefined]);
  });
});
