import type { Authenticator } from '../auth/authenticator.ts';
import type { Requester } from '../auth/requester.ts';
import type { ChainContext, WireRequest } from './request.ts';

/** Finds out the sender of a request and the user whom it impersonates. Without a token there is no promise. */
export function authenticate(
  authenticator: Pick<Authenticator, 'authenticate'>,
  request: WireRequest,
): Requester | Promise<Requester> {
  const requester = authenticator.authenticate(request.credentials());
  if (requester instanceof Promise) return requester.then((found) => identify(request.context, found));
  return identify(request.context, requester);
}

function identify(context: ChainContext, requester: Requester): Requester {
  context.identity = requester.identity;
  context.impersonator = requester.impersonator;
  return requester;
}
