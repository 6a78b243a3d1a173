import type { Identity } from '../identity.ts';
import type { TokenAuthenticator } from '../token-cache.ts';

/** Whose token it is, and for which of those who asked it is good. */
export interface Holder {
  /** Without system:authenticated. */
  readonly identity: Identity;
  readonly audiences: readonly string[];
}

/** Knows one sort of tokens, for whomever they were made. */
export interface TokenReviewer {
  /**
   * Undefined when it is no token of this sort. Throws TokenFault when it is one and is not good, what else it throws when it
   * cannot be told. `audiences`: those that ask; the token must be for one of them.
   */
  review(token: string, audiences: readonly string[]): Promise<Holder | undefined>;
}

/** Why a token is not good, in Kubernetes' words. */
export class TokenFault extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'TokenFault';
  }
}

/** The tokens that are shown to the API server itself. */
export function authenticatorFor(reviewer: TokenReviewer, audiences: readonly string[]): TokenAuthenticator {
  return {
    async authenticate(token) {
      try {
        return (await reviewer.review(token, audiences))?.identity;
      } catch (error) {
        if (error instanceof TokenFault) return undefined;
        throw error;
      }
    },
  };
}
