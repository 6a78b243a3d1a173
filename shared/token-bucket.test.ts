import { expect, it } from 'vitest';
import { TokenBucket } from './token-bucket.ts';
import { VirtualClock } from './virtual-clock.ts';

it('takes a burst at once, and then no more than the rate', async () => {
  const clock = new VirtualClock();
  const bucket = new TokenBucket(clock, { burst: 3, perSecond: 2 });
  expect([1, 2, 3, 4].map(() => bucket.tryTake())).toEqual([true, true, true, false]);
  await clock.advance(500);
  expect([bucket.tryTake(), bucket.tryTake()]).toEqual([true, false]);
  await clock.advance(60_000);
  expect(bucket.tryTake(4)).toBe(false);
  expect(bucket.tryTake(3)).toBe(true);
});

it('waits for the tokens used beyond the rate, unless it is aborted', async () => {
  const clock = new VirtualClock();
  const bucket = new TokenBucket(clock, { burst: 10, perSecond: 10 });
  let taken = 0;
  const taking = (async () => {
    for (; taken < 40; taken++) await bucket.take(1);
  })();
  await clock.advance(0);
  expect(taken).toBeLessThanOrEqual(11);
  await clock.advance(1_000);
  expect(taken).toBeLessThanOrEqual(21);
  await clock.advance(3_000);
  await taking;
  const stop = new AbortController();
  const waiting = bucket.take(1_000, stop.signal);
  stop.abort(new Error('over'));
  await expect(waiting).rejects.toThrow('over');
});

it('waits just as long as what is missing takes to come back, and what it took counts for others', async () => {
  const clock = new VirtualClock();
  const bucket = new TokenBucket(clock, { burst: 2, perSecond: 4 });
  await bucket.take(2);
  let done = false;
  const waiting = bucket.take(2).then(() => {
    done = true;
  });
  await clock.advance(499);
  expect([done, bucket.tryTake()]).toEqual([false, false]);
  await clock.advance(1);
  await waiting;
  expect([done, bucket.tryTake()]).toEqual([true, false]);
  await clock.advance(251);
  expect([bucket.tryTake(), bucket.tryTake()]).toEqual([true, false]);
});
