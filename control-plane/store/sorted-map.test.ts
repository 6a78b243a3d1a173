import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lowerBound, SortedMap } from './sorted-map.ts';

const key = fc.constantFrom('a', 'b', 'b/1', 'b/10', 'b/2', 'c', 'ä', '');

describe('a sorted map', () => {
  it('is a map whose keys and values are read in key order', () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ do: fc.constant('set' as const), key, value: fc.nat() }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), key }) },
      fc.constant({ do: 'keys' as const }),
      fc.constant({ do: 'values' as const }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const map = new SortedMap<number>();
        const plain = new Map<string, number>();
        const sorted = () => [...plain].sort(([a], [b]) => (a < b ? -1 : 1));
        const keys = () => expect(map.keys()).toEqual(sorted().map(([one]) => one));
        const values = () => expect(map.values()).toEqual(sorted().map(([, value]) => value));
        for (const step of steps) {
          if (step.do === 'set') {
            map.set(step.key, step.value);
            plain.set(step.key, step.value);
          } else if (step.do === 'delete') expect(map.delete(step.key)).toBe(plain.delete(step.key));
          else if (step.do === 'keys') keys();
          else values();
          expect([map.size, map.get('b')]).toEqual([plain.size, plain.get('b')]);
        }
        values();
        keys();
      }),
      { numRuns: 100 },
    );
  });

  it('returns immutable arrays, and the same array as long as nothing has changed', () => {
    const map = new SortedMap<number>();
    map.set('b', 2);
    map.set('a', 1);
    const [keys, values] = [map.keys(), map.values()];
    expect([map.keys() === keys, map.values() === values]).toEqual([true, true]);
    map.set('a', 3);
    map.delete('b');
    map.set('c', 4);
    expect([map.keys(), map.values()]).toEqual([
      ['a', 'c'],
      [3, 4],
    ]);
    expect([keys, values]).toEqual([
      ['a', 'b'],
      [1, 2],
    ]);
  });
});

it('the lower bound is the first key that is not smaller', () => {
  fc.assert(
    fc.property(fc.uniqueArray(key), key, (keys, wanted) => {
      const sorted = [...keys].sort();
      expect(lowerBound(sorted, wanted)).toBe(sorted.filter((one) => one < wanted).length);
    }),
    { numRuns: 100 },
  );
});
