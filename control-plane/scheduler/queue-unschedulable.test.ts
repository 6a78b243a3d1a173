import { describe, expect, it } from 'vitest';
import type { ClusterEvent } from '../../shared/scheduling/plugin.ts';
import { node, queueOf, removed } from '../../test/support/scheduling-queue.ts';

describe('the unschedulable pods of the scheduling queue', () => {
  it('does not try a pod after an event that cannot help it', async () => {
    const { clock, queue, add, popAll } = queueOf();
    add('a');
    popAll(removed);
    queue.onEvents(new Set<ClusterEvent>(['NodeChange', 'AssignedPodAdd', 'AssignedPodTerminating']));
    await clock.advance(59_000);
    expect(queue.pop()).toBeUndefined();
  });

  it('tries a pod after one of several events that can help it', async () => {
    const { clock, queue, add, name, popAll } = queueOf();
    add('a');
    popAll(new Set<ClusterEvent>(['NodeChange', 'AssignedPodDelete']));
    await clock.advance(100);
    queue.onEvents(new Set<ClusterEvent>(['AssignedPodAdd', 'AssignedPodDelete']));
    expect(name(queue.pop())).toBe('a');
  });

  it('tries a pod after a minute without any event, and again after another', async () => {
    const { clock, add, popAll } = queueOf();
    add('a');
    popAll();
    for (let i = 0; i < 3; i++) {
      await clock.advance(59_999);
      expect(popAll()).toEqual([]);
      await clock.advance(1);
      expect(popAll()).toEqual(['a']);
    }
  });

  it('tries the first of a shape for all: the next only once the first has found its place', async () => {
    const { clock, queue, add, name, popAll } = queueOf();
    for (const pod of ['a', 'b', 'c']) add(pod);
    popAll();
    await clock.advance(100);
    queue.onEvents(removed);
    const first = queue.pop();
    expect(name(first)).toBe('a');
    expect(queue.pop()).toBeUndefined();
    if (first) queue.scheduled(first);
    const second = queue.pop();
    expect(name(second)).toBe('b');
    if (second) queue.addUnschedulable(second, removed);
    expect(queue.pop()).toBeUndefined();
    await clock.advance(59_000);
    expect(queue.pop()).toBeUndefined();
    await clock.advance(1_000);
    expect(name(queue.pop())).toBe('b');
  });

  it('tries the next of a shape when the one that was tried for all is removed, if something has happened since', async () => {
    const { clock, queue, add, name, popAll } = queueOf();
    for (const pod of ['a', 'b']) add(pod);
    popAll();
    await clock.advance(100);
    queue.onEvents(removed);
    expect(name(queue.pop())).toBe('a');
    queue.onEvents(removed);
    queue.remove('default/a');
    await clock.advance(2_000);
    expect(name(queue.pop())).toBe('b');
  });

  it('returns to the other pods of a shape when the one that was tried is deleted without an event', async () => {
    const { clock, queue, add, name, popAll } = queueOf();
    for (const pod of ['a', 'b']) add(pod);
    popAll();
    await clock.advance(100);
    queue.onEvents(removed);
    queue.pop();
    queue.remove('default/a');
    expect(queue.pop()).toBeUndefined();
    await clock.advance(60_000);
    expect(name(queue.pop())).toBe('b');
  });

  it('keeps events that arrive while one pod is tried for all', async () => {
    const { clock, queue, add, name, popAll } = queueOf();
    add('a');
    add('b');
    popAll();
    await clock.advance(100);
    queue.onEvents(removed);
    const tried = queue.pop();
    queue.onEvents(removed);
    if (tried) queue.addUnschedulable(tried, removed);
    await clock.advance(5_000);
    expect(name(queue.pop())).toBe('a');
  });

  it('lets a new pod of a shape that was placed show that the unschedulable ones may fit too', () => {
    const { queue, add, name, popAll } = queueOf();
    add('a');
    popAll();
    const fresh = add('fresh');
    expect(queue.pop()).toBe(fresh);
    queue.scheduled(fresh);
    expect(name(queue.pop())).toBe('a');
    expect(queue.pop()).toBeUndefined();
  });

  it('does not try a second pod of a shape for a new one that is placed while the first is tried', async () => {
    const { clock, queue, add, name, popAll } = queueOf();
    for (const pod of ['a', 'b']) add(pod);
    popAll();
    await clock.advance(100);
    queue.onEvents(removed);
    const tried = queue.pop();
    const fresh = add('fresh');
    queue.pop();
    queue.scheduled(fresh);
    expect(queue.pop()).toBeUndefined();
    if (tried) queue.scheduled(tried);
    expect(name(queue.pop())).toBe('b');
  });

  it('tries shapes apart from each other', async () => {
    const { clock, queue, add, name, popAll } = queueOf();
    add('a', 'one');
    popAll(removed);
    add('b', 'two');
    popAll(node);
    await clock.advance(100);
    queue.onEvents(node);
    expect(name(queue.pop())).toBe('b');
    expect(queue.pop()).toBeUndefined();
    queue.onEvents(removed);
    expect(name(queue.pop())).toBe('a');
  });

  it('tries a shape that never fits less and less often, down to once in 2 s, however much happens', async () => {
    const { clock, queue, add, popAll } = queueOf();
    add('a');
    popAll();
    const tries: number[] = [];
    for (let ms = 0; ms < 30_000; ms += 10) {
      queue.onEvents(removed);
      if (popAll().length > 0) tries.push(clock.monotonic());
      await clock.advance(10);
      if (popAll().length > 0) tries.push(clock.monotonic());
    }
    const gaps = tries.slice(1).map((at, i) => at - (tries[i] ?? 0));
    expect(tries[0]).toBeLessThanOrEqual(30);
    expect(gaps.every((gap) => gap >= 10 && gap <= 2_010)).toBe(true);
    expect(gaps.slice(-5).every((gap) => gap >= 1_000)).toBe(true);
    expect(tries.length).toBeGreaterThan(15);
  });

  it('tries a shape quickly again after one of its pods was placed', async () => {
    const { clock, queue, add, popAll } = queueOf();
    add('a');
    add('b');
    popAll();
    for (let i = 0; i < 12; i++) {
      queue.onEvents(removed);
      await clock.advance(2_000);
      popAll();
    }
    queue.onEvents(removed);
    await clock.advance(2_000);
    const placed = queue.pop();
    if (placed) queue.scheduled(placed);
    popAll();
    queue.onEvents(removed);
    await clock.advance(20);
    expect(popAll()).toHaveLength(1);
  });

  it('keeps pods that join an unschedulable shape to the backoff of the shape', async () => {
    const { clock, queue, add, popAll } = queueOf();
    add('a');
    popAll();
    for (let i = 0; i < 12; i++) {
      queue.onEvents(removed);
      await clock.advance(2_000);
      popAll();
    }
    for (let i = 0; i < 20; i++) add(`late-${i}`);
    popAll();
    queue.onEvents(removed);
    await clock.advance(500);
    expect(popAll()).toEqual([]);
    await clock.advance(1_500);
    expect(popAll()).toHaveLength(1);
  });

  it('does not try a shape at once again that was just found unschedulable, by any of its pods', async () => {
    const { clock, queue, add, popAll } = queueOf();
    add('a');
    popAll();
    queue.onEvents(removed);
    expect(popAll()).toEqual([]);
    await clock.advance(20);
    expect(popAll()).toEqual(['a']);
    await clock.advance(5_000);
    add('b');
    popAll();
    queue.onEvents(removed);
    expect(popAll()).toEqual([]);
    await clock.advance(100);
    expect(popAll()).toEqual(['a']);
  });

  it('tries a shape no later because of the pods that join it', async () => {
    const { clock, queue, add, popAll } = queueOf();
    add('a');
    popAll();
    for (let i = 0; i < 8; i++) add(`late-${i}`);
    popAll();
    queue.onEvents(removed);
    await clock.advance(20);
    expect(popAll()).toEqual(['a']);
    for (let s = 0; s < 59; s++) {
      await clock.advance(1_000);
      add(`later-${s}`);
      popAll();
    }
    await clock.advance(1_000);
    expect(popAll()).toHaveLength(1);
  });

  it('tries one of a shape at a time, also when others of it join or leave meanwhile', async () => {
    const { clock, queue, add, name, popAll } = queueOf();
    for (const pod of ['a', 'b', 'c']) add(pod);
    popAll();
    await clock.advance(100);
    queue.onEvents(removed);
    const joins = add('0-joins');
    expect(queue.pop()).toBe(joins);
    queue.addUnschedulable(joins, removed);
    queue.remove('default/b');
    queue.onEvents(removed);
    await clock.advance(10_000);
    expect(name(queue.pop())).toBe('a');
    expect(queue.pop()).toBeUndefined();
  });

  it('forgets the backoff of a shape with the last of its pods, whether scheduled, tried or unschedulable', async () => {
    for (const end of ['placed', 'tried', 'unschedulable']) {
      const { clock, queue, add, popAll } = queueOf();
      add('a');
      popAll();
      for (let i = 0; i < 12; i++) {
        queue.onEvents(removed);
        await clock.advance(2_000);
        if (i < 11 || end === 'unschedulable') popAll();
      }
      if (end !== 'unschedulable') {
        const tried = queue.pop();
        expect(tried).toBeDefined();
        if (tried && end === 'placed') queue.scheduled(tried);
      }
      queue.remove('default/a');
      add('b');
      popAll();
      queue.onEvents(removed);
      await clock.advance(20);
      expect(popAll()).toEqual(['b']);
    }
  });

  it('waits for the events of the last decision of a shape', async () => {
    const { clock, queue, add, popAll } = queueOf();
    add('a');
    popAll(removed);
    add('b');
    popAll(node);
    await clock.advance(100);
    queue.onEvents(removed);
    expect(queue.pop()).toBeUndefined();
    queue.onEvents(node);
    expect(queue.pop()).toBeDefined();
  });

  it('lets an unschedulable pod whose shape changes leave the others of its old shape', async () => {
    const { clock, queue, add, name, popAll, shapeOf } = queueOf();
    const one = add('a');
    add('b');
    popAll();
    one.info.shape = shapeOf('other');
    queue.activate(one);
    expect(queue.pop()).toBe(one);
    queue.addUnschedulable(one, node);
    await clock.advance(100);
    queue.onEvents(node);
    expect(queue.pop()).toBe(one);
    queue.onEvents(removed);
    expect(name(queue.pop())).toBe('b');
  });

  it('are tried each by itself where room is kept for them, not after the others of their shape', async () => {
    const { clock, queue, add, name, popAll } = queueOf();
    add('a');
    const b = add('b');
    const c = add('c');
    for (const one of [b, c]) one.info.nominated = true;
    popAll();
    await clock.advance(100);
    queue.onEvents(removed);
    expect([name(queue.pop()), name(queue.pop()), name(queue.pop()), queue.pop()]).toEqual(['a', 'b', 'c', undefined]);
    b.info.nominated = false;
    queue.scheduled(b);
    expect(queue.pop()).toBeUndefined();
    queue.addUnschedulable(c, removed);
    queue.remove('default/a');
    await clock.advance(60_000);
    expect([name(queue.pop()), queue.pop()]).toEqual(['c', undefined]);
  });

  it('leave the others of their shape when room is kept for them, and join them when it is lost', async () => {
    const { clock, queue, add, name, popAll } = queueOf();
    const a = add('a');
    add('b');
    popAll();
    await clock.advance(100);
    queue.onEvents(removed);
    expect(queue.pop()).toBe(a);
    a.info.nominated = true;
    queue.onEvents(removed);
    queue.addUnschedulable(a, removed);
    expect(name(queue.pop())).toBe('b');
    const b = queue.get('default/b');
    if (b) queue.addUnschedulable(b, removed);
    await clock.advance(100);
    queue.onEvents(removed);
    expect([name(queue.pop()), name(queue.pop())]).toEqual(['a', 'b']);
    a.info.nominated = false;
    if (b) queue.addUnschedulable(b, removed);
    queue.addUnschedulable(a, removed);
    await clock.advance(5_000);
    queue.onEvents(removed);
    expect([name(queue.pop()), queue.pop()]).toEqual(['a', undefined]);
  });
});
