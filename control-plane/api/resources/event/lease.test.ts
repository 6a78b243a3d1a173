import { expect, test } from 'vitest';
import { VirtualClock } from '../../../../shared/virtual-clock.ts';
import { EventLease } from './lease.ts';

function setUp(eventTtlSeconds?: number) {
  const clock = new VirtualClock();
  const granted: number[] = [];
  const store = {
    async grantLease(seconds: number) {
      granted.push(seconds);
      return `lease-${granted.length}`;
    },
  };
  return { clock, granted, lease: new EventLease({ store, clock, ...(eventTtlSeconds ? { eventTtlSeconds } : {}) }) };
}

test('events are kept for an hour, or the configured time, after their last occurrence', async () => {
  const usual = setUp();
  await usual.lease.get();
  expect(usual.granted[0]).toBeGreaterThanOrEqual(3600);
  expect(usual.granted[0]).toBeLessThan(3700);
  const short = setUp(120);
  await short.lease.get();
  expect(short.granted[0]).toBe(126);
});

test('events of one minute share a lease, so that there are few', async () => {
  const { clock, lease } = setUp();
  const first = await lease.get();
  await clock.advance(30_000);
  expect(await lease.get()).toBe(first);
  await clock.advance(31_000);
  expect(await lease.get()).not.toBe(first);
});
