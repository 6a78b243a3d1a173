import type { WireRequest } from '../request.ts';
import type { FairGate, Seat } from './gate.ts';

/** What a request that was admitted holds. */
export interface Admission {
  /** Gives it back. */
  end(): void;
}

/**
 * Admits a request: at once where its priority level has a free seat. A long-running request waits for its turn too, but then gives its
 * seat back, as it costs as much as its client takes; how many of these a user has open is bounded instead.
 */
export function admit(gate: FairGate, request: WireRequest): Admission | Promise<Admission> | undefined {
  const { context, longRunning } = request;
  const seats = request.seats(gate);
  if (seats === 0) return undefined;
  const onSeat = (seat: Seat): Admission => {
    if (!longRunning) return { end: () => gate.leave(seat) };
    gate.leave(seat);
    const stream = gate.openStream(context.identity);
    return { end: () => stream.close() };
  };
  const entered = gate.enter(context.identity, seats, () => context.signal);
  return entered instanceof Promise ? entered.then(onSeat) : onSeat(entered);
}
