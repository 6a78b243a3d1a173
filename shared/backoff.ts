import { fraction, type Random } from './random.ts';

/** Milliseconds to wait before the next try. */
export interface BackoffOptions {
  readonly firstMs: number;
  readonly capMs: number;
  /** Growth from one try to the next; 2 when absent. */
  readonly factor?: number;
}

/**
 * The wait before try `attempt` + 1 (attempt counts from 0): exponential, capped, with "equal jitter" — half of it
 * fixed, half by chance — so that clients that failed together retry at different times.
 */
export function backoffMs(attempt: number, options: BackoffOptions, random: Random): number {
  const full = Math.min(options.capMs, options.firstMs * (options.factor ?? 2) ** Math.min(attempt, 64));
  return full / 2 + (full / 2) * fraction(random);
}
