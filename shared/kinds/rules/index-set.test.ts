import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IndexSet } from './index-set.ts';

const some = fc.uniqueArray(fc.nat({ max: 30 }));
const sorted = (indexes: readonly number[]) => [...indexes].sort((a, b) => a - b);
const has = (set: IndexSet) => Array.from({ length: 40 }, (_, index) => index).filter((index) => set.has(index));

describe('a set of indexes', () => {
  it('is written as Kubernetes does', () => {
    expect(`${IndexSet.of([7, 2, 3, 4, 0])}`).toBe('0,2-4,7');
    expect(`${IndexSet.of([1, 2])}`).toBe('1,2');
    expect(`${IndexSet.empty}`).toBe('');
  });

  it('has what it was made of, and is read back as it was written', () => {
    fc.assert(
      fc.property(some, (indexes) => {
        const set = IndexSet.of(indexes);
        expect(has(set)).toEqual(sorted(indexes));
        expect(set.size).toBe(indexes.length);
        expect(`${IndexSet.parse(`${set}`, 31)}`).toBe(`${set}`);
        expect(`${IndexSet.below(31, `${set}`)}`).toBe(`${set}`);
      }),
    );
  });

  it('joined with another has what either has, and counts what both have', () => {
    fc.assert(
      fc.property(some, some, (a, b) => {
        expect(has(IndexSet.of(a).union(IndexSet.of(b)))).toEqual(sorted([...new Set([...a, ...b])]));
        expect(IndexSet.of(a).common(IndexSet.of(b))).toBe(a.filter((one) => b.includes(one)).length);
      }),
    );
  });

  it('lacks the lowest indexes that are neither in it nor skipped', () => {
    fc.assert(
      fc.property(some, some, fc.nat({ max: 9 }), fc.nat({ max: 31 }), (a, skipped, count, completions) => {
        const all = Array.from({ length: completions }, (_, index) => index);
        const expected = all.filter((index) => !a.includes(index) && !skipped.includes(index)).slice(0, count);
        const below = IndexSet.of(a.filter((index) => index < completions));
        expect(below.missing(count, completions, (index) => skipped.includes(index))).toEqual(expected);
      }),
    );
  });

  it('leaves out indexes that a smaller number of completions does not have', () => {
    expect(`${IndexSet.below(3, '0,2-4,7')}`).toBe('0,2');
  });

  it.each([
    ['x', 'cannot convert string to integer for index: "x"'],
    ['9', 'too large index: "9"'],
    ['3,1', 'non-increasing order, previous: 3, current: 1'],
    ['2-2', 'non-increasing order, previous: -1, current: 2'],
  ])('is not read from %j', (text, fault) => {
    expect(IndexSet.parse(text, 9)).toBe(fault);
  });
});
