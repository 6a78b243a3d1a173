import { describe, expect, it } from 'vitest';
import type { Failure } from '../model.ts';
import { nextFailure } from './failure.ts';

const failure = { reason: 'ErrImagePull', message: 'no route', inputs: { objects: 1 } };
const backOff = { firstMs: 100, capMs: 1_000 };

/** The waits of so many failures in a row. */
function waits(count: number): number[] {
  let last: Failure | undefined;
  return Array.from({ length: count }, (_, at) => {
    last = nextFailure(last, failure, at, backOff);
    return last.retryAt - at;
  });
}

describe('a failure of a step', () => {
  it('waits twice as long as the one before, up to the cap', () => {
    expect(waits(6)).toEqual([100, 200, 400, 800, 1_000, 1_000]);
    expect(waits(2_000).at(-1)).toBe(1_000);
  });

  it('is counted anew with other inputs', () => {
    const first = nextFailure(undefined, failure, 5, backOff);
    expect(first).toEqual({ ...failure, at: 5, count: 1, retryAt: 105 });
    expect(nextFailure(first, { ...failure, message: 'refused' }, 6, backOff).count).toBe(2);
    expect(nextFailure(first, { ...failure, inputs: { objects: 2 } }, 6, backOff).count).toBe(1);
  });
});
