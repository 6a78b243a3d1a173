import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PodInfo } from '../../shared/scheduling/node-info.ts';
import { PodHeap } from './pod-heap.ts';
import type { QueuedPod } from './queue.ts';

const queued = (key: string, priority = 0, created = 0): QueuedPod =>
  ({ info: { key, priority, created } as PodInfo }) as QueuedPod;

function drain(heap: PodHeap<QueuedPod>): string[] {
  const keys: string[] = [];
  for (let next = heap.pop(); next; next = heap.pop()) keys.push(next.info.key);
  return keys;
}

describe('the heap of pods', () => {
  it('gives the most important pod first, then the oldest, then the first by name', () => {
    const heap = new PodHeap<QueuedPod>();
    for (const one of [
      queued('b', 1, 5),
      queued('aa-young', 1, 9),
      queued('a', 1, 5),
      queued('least', 0, 1),
      queued('most', 7, 99),
    ])
      heap.push(one);
    expect(drain(heap)).toEqual(['most', 'a', 'b', 'aa-young', 'least']);
  });

  it('holds a pod once, however often it is pushed', () => {
    const heap = new PodHeap<QueuedPod>();
    const one = queued('a');
    heap.push(one);
    heap.push(one);
    expect(heap.size).toBe(1);
    expect(drain(heap)).toEqual(['a']);
    expect(heap.size).toBe(0);
  });

  it('takes a pod back that was in it before', () => {
    const heap = new PodHeap<QueuedPod>();
    const [a, b] = [queued('a'), queued('b')];
    heap.push(a);
    heap.push(b);
    heap.remove(b);
    heap.remove(b);
    heap.push(b);
    expect(drain(heap)).toEqual(['a', 'b']);
    heap.push(a);
    heap.clear();
    expect(heap.size).toBe(0);
    heap.push(a);
    expect(drain(heap)).toEqual(['a']);
  });

  it('stays in order whatever is pushed, popped and taken out of its middle', () => {
    const step = fc.record({
      do: fc.constantFrom('push', 'push', 'push', 'pop', 'remove'),
      at: fc.nat(30),
      priority: fc.nat(6),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const heap = new PodHeap<QueuedPod>();
        const inside: QueuedPod[] = [];
        const first = () =>
          inside.toSorted((a, b) => b.info.priority - a.info.priority || (a.info.key < b.info.key ? -1 : 1))[0];
        for (const [i, { do: what, at, priority }] of steps.entries()) {
          if (what === 'push') {
            const pod = queued(`p${String(i).padStart(3, '0')}`, priority);
            inside.push(pod);
            heap.push(pod);
          } else if (what === 'pop') {
            const expected = first();
            expect(heap.pop()).toBe(expected);
            if (expected) inside.splice(inside.indexOf(expected), 1);
          } else {
            const [gone] = inside.splice(at % Math.max(1, inside.length), 1);
            if (gone) heap.remove(gone);
          }
          expect(heap.size).toBe(inside.length);
        }
        for (let expected = first(); expected; expected = first()) {
          expect(heap.pop()).toBe(expected);
          inside.splice(inside.indexOf(expected), 1);
        }
        expect(heap.pop()).toBeUndefined();
      }),
      { numRuns: 100 },
    );
  });
});
