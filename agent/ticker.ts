import { type Clock, pause } from '../shared/clock.ts';

const tickMs = 1_000;

/** Calls `tick` once a second until aborted, first after a second. Never throws, unless `tick` does. */
export async function runTicker(clock: Clock, tick: () => void, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await pause(clock, tickMs, signal);
    if (!signal.aborted) tick();
  }
}
