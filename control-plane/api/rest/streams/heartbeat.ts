import type { Clock, Timer } from '../../../../shared/clock.ts';

/** Calls `beat` every so many milliseconds until it is stopped. */
export function heartbeat(clock: Clock, everyMs: number, beat: () => void): { stop(): void } {
  let timer: Timer;
  const again = (): void => {
    timer = clock.timer(everyMs, () => {
      again();
      beat();
    });
  };
  again();
  return { stop: () => timer.cancel() };
}
