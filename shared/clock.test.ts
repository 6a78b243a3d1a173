import { setTimeout as after } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { formatMicroTime, formatTime, lastTime, parseTime, pause, systemClock } from './clock.ts';

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

it('a moment is written as Kubernetes writes it, and read back', () => {
  const moment = Date.parse('2026-11-22T15:04:05.678Z');
  expect([formatTime(moment), formatMicroTime(moment)]).toEqual([
    '2026-11-22T15:04:05Z',
    '2026-11-22T15:04:05.678000Z',
  ]);
  expect([parseTime(formatTime(moment)), parseTime(formatMicroTime(moment))]).toEqual([moment - 678, moment]);
  expect(formatTime(lastTime)).toBe('9999-12-31T23:59:59Z');
});

it('a timer fires, and not when it is cancelled', async () => {
  const fired: string[] = [];
  const cancelled = systemClock.timer(0, () => fired.push('cancelled'));
  await new Promise<void>((resolve) => {
    systemClock.timer(1, resolve);
    cancelled.cancel();
  });
  expect(fired).toEqual([]);
});

it('a pause ends with its time or by its signal; another failure of the clock is not hidden', async () => {
  await pause(systemClock, 1, new AbortController().signal);
  await pause(systemClock, 60_000, AbortSignal.timeout(1));
  const broken = { sleep: () => Promise.reject(new Error('broken')) };
  await expect(pause(broken, 1, new AbortController().signal)).rejects.toThrow('broken');
});
