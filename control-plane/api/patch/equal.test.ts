import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deepEqual } from './equal.ts';

/** JSON values of few names and numbers, so that two of them are often equal. */
const { value: small } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    fc.constantFrom<unknown>(null, 0, 1, '', '1', true),
    fc.array(tie('value'), { maxLength: 2 }),
    fc.dictionary(fc.constantFrom('a', 'b'), tie('value'), { maxKeys: 2, noNullPrototype: true }),
  ),
}));

/** The JSON text with the members of each object in order: the same for values that are equal. */
function text(value: unknown): string {
  return JSON.stringify(value, (_name, one: unknown) =>
    one !== null && typeof one === 'object' && !Array.isArray(one)
      ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))
      : one,
  );
}

describe('deepEqual', () => {
  it('says what the JSON texts say, when the order of members does not count', () => {
    fc.assert(
      fc.property(small, small, (a, b) => {
        expect(deepEqual(a, b)).toBe(text(a) === text(b));
        expect(deepEqual([a, b], [b, a])).toBe(text(a) === text(b));
        expect(deepEqual({ a, b }, { b, a })).toBe(true);
      }),
    );
  });

  it.each([
    ['nothing and an empty object', null, {}],
    ['a list and an object of the same places', [1], { 0: 1 }],
    ['a list and its beginning', [1, 2], [1]],
    ['lists that differ at their ends', [1, 2], [1, 3]],
    ['lists of nothing and of an empty object', [null], [{}]],
    ['objects with one more member', { a: 1 }, { a: 1, b: null }],
    ['objects with another name', { a: 1 }, { b: 1 }],
    ['a number and its text', 1, '1'],
    ['false and nothing', false, null],
  ])('distinguishes %s', (_what, a, b) => {
    expect([deepEqual(a, b), deepEqual(b, a)]).toEqual([false, false]);
  });

  it('takes a member that is undefined for absent', () => {
    expect([deepEqual({ a: undefined }, {}), deepEqual({}, { a: undefined })]).toEqual([true, true]);
    expect(deepEqual({ a: undefined, b: 1 }, { b: 1, c: undefined })).toBe(true);
    expect(deepEqual({ a: undefined }, { b: 1 })).toBe(false);
  });

  it('takes the items of a list of the first value from elsewhere, at any depth', () => {
    const [outer, inner]: unknown[][] = [[], []];
    const items = new Map<unknown, readonly unknown[]>([
      [outer, [{ a: inner }]],
      [inner, [1, 2]],
    ]);
    const listOf = (list: readonly unknown[]) => items.get(list) ?? list;
    expect(deepEqual(outer, [{ a: [1, 2] }], listOf)).toBe(true);
    expect(deepEqual(outer, [{ a: [1] }], listOf)).toBe(false);
    expect(deepEqual(outer, [], listOf)).toBe(false);
  });
});
