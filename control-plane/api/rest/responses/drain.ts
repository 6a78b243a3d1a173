import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Writable } from 'node:stream';
import type { Clock } from '../../../../shared/clock.ts';

/** A client that reads nothing for so long is disconnected. */
const stalledMs = 30_000;

export interface Written {
  readonly response: ServerResponse;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Waits until the client reads more; disconnects it if it does not. `out`: a stream in front of the response. Rejects with the signal. */
export async function drained({ response, clock, signal }: Written, out: Writable = response): Promise<void> {
  const stalled = clock.timer(stalledMs, () => response.destroy());
  const gone = new AbortController();
  const onClose = (): void => gone.abort();
  response.once('close', onClose);
  try {
    await once(out, 'drain', { signal: AbortSignal.any([signal, gone.signal]) });
  } finally {
    response.off('close', onClose);
    stalled.cancel();
  }
}

/** Waits until the client has read everything; disconnects it if it does not. */
export async function finished({ response, clock }: Omit<Written, 'signal'>): Promise<void> {
  if (response.writableFinished || response.destroyed) return;
  const stalled = clock.timer(stalledMs, () => response.destroy());
  await new Promise<void>((resolve) => response.once('close', resolve));
  stalled.cancel();
}
