import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Ring } from './ring.ts';

it('a ring holds the last entries by number, returns each dropped one, and keeps counting after a clear', () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.constant('push' as const) },
    { weight: 2, arbitrary: fc.constant('shift' as const) },
    fc.constant('clear' as const),
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.array(step, { maxLength: 30 }), (capacity, steps) => {
      const ring = new Ring<string>(capacity);
      let tail = 0;
      let head = 0;
      for (const one of steps) {
        if (one === 'clear') {
          ring.clear();
          tail = head;
        } else if (one === 'shift') {
          expect(ring.shift()).toBe(tail < head ? `entry ${tail}` : undefined);
          if (tail < head) tail++;
        } else {
          expect(ring.push(`entry ${head}`)).toBe(head - tail === capacity ? `entry ${tail}` : undefined);
          head++;
          tail = Math.max(tail, head - capacity);
        }
        expect([ring.tail, ring.head]).toEqual([tail, head]);
        for (let i = tail - 2; i < head + 2; i++) {
          expect(ring.at(i)).toBe(i >= tail && i < head ? `entry ${i}` : undefined);
        }
      }
    }),
    { numRuns: 100 },
  );
});
