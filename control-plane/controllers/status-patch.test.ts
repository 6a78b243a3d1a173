import { expect, it } from 'vitest';
import { statusPatch, withoutZeros } from './status-patch.ts';

it('counts of nothing are left out, all else stays', () => {
  expect(withoutZeros({ a: 0, b: 2, c: undefined, d: '', e: [] })).toEqual({ b: 2, c: undefined, d: '', e: [] });
});

it('a patch of a status takes away what the next one has no more, and nothing that it has', () => {
  expect(statusPatch({ a: 1, b: 2 }, { b: 3, c: 4 })).toEqual({ status: { a: null, b: 3, c: 4 } });
  expect(statusPatch(undefined, { a: 1 })).toEqual({ status: { a: 1 } });
});
