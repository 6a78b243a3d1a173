import { expect, it } from 'vitest';
import { VirtualClock } from '../shared/virtual-clock.ts';
import { runTicker } from './ticker.ts';

it('the agent is ticked once a second, and not any more once it is stopped', async () => {
  const clock = new VirtualClock();
  const stop = new AbortController();
  let ticks = 0;
  let over = false;
  void runTicker(clock, () => ticks++, stop.signal).then(() => {
    over = true;
  });
  await clock.advance(50);
  expect(ticks).toBe(0);
  await clock.advance(10_000);
  expect(ticks).toBe(10);
  stop.abort();
  await clock.advance(10_000);
  expect([ticks, over]).toEqual([10, true]);
});

it('an agent that is stopped before the first tick is never ticked', async () => {
  const clock = new VirtualClock();
  const stop = new AbortController();
  let ticks = 0;
  const running = runTicker(clock, () => ticks++, stop.signal);
  await clock.advance(50);
  stop.abort();
  await running;
  await clock.advance(10_000);
  expect(ticks).toBe(0);
});
