import { expect, it } from 'vitest';
import { statusPatch, withoutZeros } from './status-patch.ts';

it('counts of 0 are left out, everything else is kept', () => {
  expect(withoutZeros({ a: 0, b: 2, c: undefined, d: '', e: [] })).toEqual({ b: 2, c: undefined, d: '', e: [] });
});

it('a status patch removes fields that the next status does not have, and nothing else', () => {
  expect(statusPatch({ a: 1, b: 2 }, { b: 3, c: 4 })).toEqual({ status: { a: null, b: 3, c: 4 } });
  expect(statusPatch(undefined, { a: 1 })).toEqual({ status: { a: 1 } });
});
