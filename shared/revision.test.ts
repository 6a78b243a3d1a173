import { expect, it } from 'vitest';
import { nextRevision, parseRevision } from './revision.ts';

it.each([
  [undefined, 0n],
  ['', 0n],
  ['7', 7n],
  ['3546343826724305832', 3546343826724305832n],
  ['9223372036854775807', 9223372036854775807n],
  ['9223372036854775808', 0n],
  ['1.5', 0n],
  ['abc', 0n],
])('the revision of %j is %s', (text, revision) => {
  expect(parseRevision(text)).toBe(revision);
});

it('the next revision is one more than the highest, exactly, up to the last int64', () => {
  expect(nextRevision([])).toBe(1n);
  expect(nextRevision([2n, 3546343826724305832n])).toBe(3546343826724305833n);
  expect(nextRevision([9223372036854775807n])).toBe(9223372036854775807n);
});
