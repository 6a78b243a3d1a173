import { describe, expect, it } from 'vitest';
import { node, queueOf, removed } from '../../test/support/scheduling-queue.ts';
import type { QueuedPod } from './queue.ts';

describe('the scheduling queue', () => {
  it('calls for a decision when a pod comes, and gives the most important first', () => {
    const { queue, add, name, rings } = queueOf();
    add('low');
    add('high', 'shape', 9);
    expect(rings()).toBe(2);
    const first = queue.pop();
    expect([name(first), first?.state]).toEqual(['high', 'in-flight']);
    expect(queue.size).toBe(2);
    expect(queue.get('default/high')).toBe(first);
    expect([...queue.values()].map(name)).toEqual(['low', 'high']);
    expect(name(queue.pop())).toBe('low');
    expect(queue.pop()).toBeUndefined();
  });

  it('never gives a pod that was removed, wherever it waited', async () => {
    const { clock, queue, add, rings } = queueOf();
    add('active');
    queue.remove('default/active');
    expect(queue.pop()).toBeUndefined();
    const backoff = add('backoff');
    queue.pop();
    queue.addBackoff(backoff);
    queue.remove('default/backoff');
    const unschedulable = add('unschedulable');
    queue.pop();
    queue.addUnschedulable(unschedulable, node);
    queue.remove('default/unschedulable');
    queue.remove('default/unknown');
    const before = rings();
    queue.onEvents(node);
    await clock.advance(200_000);
    expect(queue.pop()).toBeUndefined();
    expect(rings()).toBe(before);
    expect(queue.size).toBe(0);
  });

  it('ignores the result for a pod that was removed or replaced during its decision', async () => {
    const { clock, queue, add } = queueOf();
    const comeBack: ((queued: QueuedPod) => void)[] = [
      (queued) => queue.requeue(queued),
      (queued) => queue.addBackoff(queued),
      (queued) => queue.addUnschedulable(queued, node),
    ];
    for (const back of comeBack) {
      const gone = add('a');
      queue.pop();
      queue.remove('default/a');
      back(gone);
      const namesake = add('a');
      expect(queue.pop()).toBe(namesake);
      back(gone);
      queue.onEvents(node);
      await clock.advance(100_000);
      expect(queue.pop()).toBeUndefined();
      queue.remove('default/a');
    }
  });

  it('gives a pod again at once when its decision is outdated', () => {
    const { queue, add, rings } = queueOf();
    const one = add('a');
    queue.pop();
    queue.requeue(one);
    expect(one.state).toBe('active');
    expect(rings()).toBe(2);
    expect(queue.pop()).toBe(one);
  });

  it('gives a pod whose placement failed after a backoff that doubles from 5 ms up to 5 s', async () => {
    const { clock, queue, add } = queueOf();
    const one = add('a');
    const waits: number[] = [];
    for (let i = 0; i < 13; i++) {
      queue.pop();
      queue.addBackoff(one);
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
    const { clock, queue, add } = queueOf();
    const one = add('a');
    queue.pop();
    queue.addBackoff(one);
    queue.activate(one);
    expect(queue.pop()).toBe(one);
    await clock.advance(10_000);
    expect(queue.pop()).toBeUndefined();
    expect(one.state).toBe('in-flight');
    queue.activate(one);
    expect(queue.pop()).toBeUndefined();
  });

  it('does nothing more once it is closed', async () => {
    const { clock, queue, add, rings } = queueOf();
    const [a, b, tried] = [add('a', 'one'), add('b', 'two'), add('tried', 'three')];
    while (queue.pop());
    queue.addBackoff(a);
    queue.addUnschedulable(b, node);
    queue.addUnschedulable(tried, removed);
    await clock.advance(2);
    queue.activate(a);
    queue.pop();
    queue.addBackoff(a);
    await clock.advance(100);
    queue.onEvents(removed);
    add('c');
    queue.close();
    const before = rings();
    queue.onEvents(node);
    await clock.advance(100_000);
    expect(rings()).toBe(before);
    expect([queue.size, queue.pop()]).toEqual([0, undefined]);
  });
});
