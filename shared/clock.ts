/**
 * Time as an input: all code gets a Clock instead of reading the system's, so that a whole cluster can run on a virtual one.
 */
export interface Clock {
  /** Wall-clock time, milliseconds since the epoch. For timestamps only: it may jump. */
  now(): number;
  /** Milliseconds that never go back. For measuring and for deadlines. */
  monotonic(): number;
  /** Calls `fire` once after `ms` milliseconds. Cancelling a timer that has fired does nothing. */
  timer(ms: number, fire: () => void): Timer;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface Timer {
  cancel(): void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  timer: longTimer,
  sleep: (ms, signal) => sleepOn(systemClock, ms, signal),
};

/** Monotonic milliseconds from a moment that all threads of this process share: `systemClock.monotonic` starts with its thread. */
export function processMonotonic(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** The longest wait that the platform's timers have: beyond it they fire at once. */
const longestMs = 2 ** 31 - 1;

function longTimer(ms: number, fire: () => void): Timer {
  let left = ms;
  let handle: NodeJS.Timeout;
  const arm = (): void => {
    const part = Math.min(left, longestMs);
    left -= part;
    handle = setTimeout(() => (left > 0 ? arm() : fire()), part);
  };
  arm();
  return { cancel: () => clearTimeout(handle) };
}

/** The last moment that RFC 3339 can write: the end of the year 9999, in milliseconds since the epoch. */
export const lastTime = Date.UTC(9999, 11, 31, 23, 59, 59);

/** `Clock.sleep` in terms of `Clock.timer`, for implementations of Clock. */
export function sleepOn(clock: Pick<Clock, 'timer'>, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const timer = clock.timer(ms, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    function onAbort(): void {
      timer.cancel();
      reject(signal?.reason);
    }
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** `Clock.sleep` for a loop that ends by its signal: resolves when that is aborted. */
export async function pause(clock: Pick<Clock, 'sleep'>, ms: number, signal: AbortSignal): Promise<void> {
  try {
    await clock.sleep(ms, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** A moment as Kubernetes writes it, in whole seconds: `2026-11-22T15:04:05Z`. `ms` since the epoch. */
export function formatTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** Milliseconds since the epoch of an RFC 3339 time; undefined when it is absent or unreadable, never the epoch instead. */
export function parseTime(text: string | undefined): number | undefined {
  const ms = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}

/** A moment in microseconds as Kubernetes writes MicroTime: `2026-11-22T15:04:05.123000Z`. */
export function formatMicroTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 23)}000Z`;
}
