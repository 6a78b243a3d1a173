import type { Clock, Timer } from '../../../shared/clock.ts';
import { ApiError } from '../../../shared/errors.ts';
import type { WireRequest } from './request.ts';

/** Aborts a request's signal when its time is up. Undefined for a request without a deadline. */
export function startDeadline(clock: Pick<Clock, 'timer'>, request: WireRequest): Timer | undefined {
  if (!Number.isFinite(request.timeoutMs)) return undefined;
  const reason = 'the request did not complete within its deadline';
  return clock.timer(request.timeoutMs, () => request.abort(new ApiError('Timeout', reason)));
}

/** Settles as `running` does, or rejects with the signal's reason as soon as it aborts. */
export function untilAborted(running: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    running.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
