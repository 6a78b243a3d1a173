import { describe, expect, it } from 'vitest';
import { backoffMs } from './backoff.ts';
import { seededRandom } from './random.ts';

/** Chance that is always its least, or always all but its most. */
const least = { bytes: (count: number) => new Uint8Array(count) };
const most = { bytes: (count: number) => new Uint8Array(count).fill(255) };

describe('the wait before the next try', () => {
  const options = { firstMs: 100, capMs: 1_000 };
  const waits = (random: typeof least, more = options) =>
    [0, 1, 2, 3, 4, 5].map((attempt) => Math.round(backoffMs(attempt, more, random)));

  it('doubles from the first on, up to the cap: half of it fixed, half by chance', () => {
    expect(waits(least)).toEqual([50, 100, 200, 400, 500, 500]);
    expect(waits(most)).toEqual([100, 200, 400, 800, 1_000, 1_000]);
  });

  it('grows by another factor, or not at all', () => {
    expect(waits(least, { ...options, factor: 3 } as typeof options)).toEqual([50, 150, 450, 500, 500, 500]);
    expect(waits(least, { ...options, factor: 1 } as typeof options)).toEqual([50, 50, 50, 50, 50, 50]);
  });

  it('stays a number however many tries there were', () => {
    expect(backoffMs(1e9, { firstMs: 1, capMs: Number.POSITIVE_INFINITY, factor: 2 }, least)).toBe(2 ** 63);
    expect(backoffMs(1e9, options, least)).toBe(500);
  });

  it('differs between those that failed together', () => {
    const random = seededRandom(1);
    const drawn = Array.from({ length: 20 }, () => backoffMs(3, options, random));
    expect(new Set(drawn).size).toBe(20);
    for (const wait of drawn) expect(wait >= 400 && wait < 800).toBe(true);
  });
});
