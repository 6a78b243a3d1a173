import { expect, test } from 'vitest';
import { systemRandom } from '../../../shared/random.ts';
import { VirtualClock } from '../../../shared/virtual-clock.ts';
import { backOff } from './back-off.ts';

test('tries after a lost race wait longer and longer, the first ones not at all', async () => {
  const clock = new VirtualClock();
  const deps = { clock, random: systemRandom };
  for (const attempt of [0, 1, 2]) await backOff(deps, attempt);
  const waited: number[] = [];
  for (const attempt of [3, 20, 150]) {
    const from = clock.now();
    let done = false;
    void backOff(deps, attempt).then(() => {
      done = true;
    });
    await Promise.resolve();
    expect(done).toBe(false);
    while (!done) await clock.advance(1);
    waited.push(clock.now() - from);
  }
  expect(waited[0]).toBeLessThanOrEqual(2);
  expect(Math.max(...waited)).toBeLessThanOrEqual(51);
  expect(waited[2]).toBeGreaterThan(waited[0] ?? 0);
});
