import { expect, test } from 'vitest';
import { EventNames } from './event-names.ts';
import { systemRandom } from './random.ts';

const at = Date.parse('2026-01-01T00:00:00Z');

test('events of one object lie in the order in which they happened, those of one millisecond too', () => {
  const names = new EventNames(systemRandom);
  const made = [at, at, at, at + 1, at + 1, at + 1_000].map((now) => names.next('web', now));
  expect(made).toEqual([...made].sort());
  expect(made[0]).toMatch(/^web\.[0-9a-f]{16}$/);
});

test('a long name leaves room for the moment', () => {
  expect(new EventNames(systemRandom).next('x'.repeat(253), at).length).toBeLessThanOrEqual(253);
});
