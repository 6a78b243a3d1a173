import type { Identity } from '../identity.ts';
import type { TokenAuthenticator } from '../token-cache.ts';

/** The holder of a token, and the reviewing audiences that it is valid for. */
export interface Holder {
  /** Without system:authenticated. */
  readonly identity: Identity;
  readonly audiences: readonly string[];
}

/** Reviews one type of tokens, for all audiences. */
export interface TokenReviewer {
  /**
   * Undefined for a token of another type. Throws TokenFault for one of this type that is not valid, other errors when validity
   * cannot be checked. `audiences`: the token must be for one of them.
   */
  review(token: string, audiences: readonly string[]): Promise<Holder | undefined>;
}

/** Why a token is not valid, in Kubernetes' words. */
export class TokenFault extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'TokenFault';
  }
}

/** Authenticates the tokens of requests to the API server. */
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
