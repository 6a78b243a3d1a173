import { setTimeout as after } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { parseTime, systemClock } from './clock.ts';

it('a timer of more than 24 days does not fire at once', async () => {
  let fired = false;
  const timers = [2 ** 31, Number.MAX_SAFE_INTEGER, Number.POSITIVE_INFINITY].map((ms) =>
    systemClock.timer(ms, () => {
      fired = true;
    }),
  );
  await after(30);
  for (const timer of timers) timer.cancel();
  expect(fired).toBe(false);
});

it('an absent or unreadable time is none', () => {
  expect([parseTime(undefined), parseTime(''), parseTime('soon')]).toEqual([undefined, undefined, undefined]);
  expect(parseTime('1970-01-01T00:00:01Z')).toBe(1_000);
});
