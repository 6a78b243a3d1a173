import type { Requester } from '../auth/requester.ts';
import type { ChainContext, WireRequest } from './request.ts';

/**
 * Finds out who sends a request, and whether it may be carried out as the user whom it impersonates. Without a token the answer is
 * there without a promise.
 */
export function authenticate(request: WireRequest): Requester | Promise<Requester> {
  const requester = request.authenticate();
  if (requester instanceof Promise) return requester.then((found) => identify(request.context, found));
  return identify(request.context, requester);
}

function identify(context: ChainContext, requester: Requester): Requester {
  context.identity = requester.identity;
  context.impersonator = requester.impersonator;
  return requester;
}
