import { isDeepStrictEqual } from 'node:util';
import type { Failure } from '../model.ts';

/** Milliseconds: the wait after the first failure, doubled with each further one up to the cap. */
export interface BackOff {
  readonly firstMs: number;
  readonly capMs: number;
}

/** A failure at `at`, counted among those before it that had the same inputs. */
export function nextFailure(
  before: Failure | undefined,
  failure: Pick<Failure, 'reason' | 'message' | 'inputs'>,
  at: number,
  { firstMs, capMs }: BackOff,
): Failure {
  const count = isDeepStrictEqual(before?.inputs, failure.inputs) ? (before?.count ?? 0) + 1 : 1;
  return { ...failure, at, count, retryAt: at + Math.min(capMs, firstMs * 2 ** Math.min(count - 1, 16)) };
}
