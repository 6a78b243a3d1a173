import { isApiError } from '../../../shared/errors.ts';

/** Whether the API has refused a report for what it says. It would be refused again: the node's other reports must not wait for it. */
export function isRefused(error: unknown): boolean {
  return isApiError(error, 'Invalid', 'Forbidden', 'BadRequest');
}
