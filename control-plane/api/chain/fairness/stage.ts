import type { WireRequest } from '../request.ts';
import type { FairGate, Seat } from './gate.ts';

/** What an admitted request holds. */
export interface Admission {
  /** Gives it back. */
  end(): void;
}

/**
 * Admits a request, at once if its priority level has a free seat. A long-running request waits for its turn too, but gives its
 * seat back then: its cost depends on its client. How many of these a user may have open is bounded instead.
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
