import type { Clock } from '../../../shared/clock.ts';
import { ApiError } from '../../../shared/errors.ts';
import { groups, type Identity } from './identity.ts';
import type { Requester } from './requester.ts';

/** How long a token that was found good counts as good (ms), as in Kubernetes. */
const trustMs = 10_000;
/** The most tokens that are remembered. */
const maxTokens = 4_096;
/** The longest that is looked at: a token with the claims of a service account has about 1,300 characters. */
const maxTokenLength = 16 * 1024;

/** Knows the holders of one type of tokens. */
export interface TokenAuthenticator {
  /**
   * The holder of the token, with all groups but system:authenticated, which is added. Undefined when the token is not of
   * this type, or no longer valid: the next one is asked. Throws when the answer cannot be found out.
   */
  authenticate(token: string): Promise<Identity | undefined>;
}

export interface TokenCacheDeps {
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly authenticators: readonly TokenAuthenticator[];
}

interface Entry {
  readonly answer: Requester;
  readonly until: number;
}

/** Asks the authenticators once for each token in a while, and once for all who show it at the same time. Refusals are not kept. */
export class TokenCache {
  readonly #deps: TokenCacheDeps;
  /** Good ones only, in the order in which they were found good. */
  readonly #known = new Map<string, Entry>();
  readonly #asked = new Map<string, Promise<Requester>>();

  constructor(deps: TokenCacheDeps) {
    this.#deps = deps;
  }

  /** Rejects with Unauthorized, in Kubernetes' one word, when the token is nobody's. */
  holderOf(token: string): Requester | Promise<Requester> {
    const now = this.#deps.clock.monotonic();
    const known = this.#known.get(token);
    if (known && known.until > now) return known.answer;
    if (token.length > maxTokenLength) throw unauthorized();
    const asked = this.#asked.get(token) ?? this.#askOnce(token, now + trustMs);
    this.#asked.set(token, asked);
    return asked;
  }

  async #askOnce(token: string, until: number): Promise<Requester> {
    try {
      const answer = await this.#ask(token);
      this.#keep(token, { answer, until });
      return answer;
    } catch (error) {
      this.#known.delete(token);
      throw error;
    } finally {
      this.#asked.delete(token);
    }
  }

  async #ask(token: string): Promise<Requester> {
    for (const authenticator of this.#deps.authenticators) {
      const identity = await authenticator.authenticate(token);
      if (identity) return { identity: authenticated(identity) };
    }
    throw unauthorized();
  }

  #keep(token: string, entry: Entry): void {
    this.#known.delete(token);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size < maxTokens) break;
      this.#known.delete(oldest);
    }
    this.#known.set(token, entry);
  }
}

function authenticated(identity: Identity): Identity {
  if (identity.groups.includes(groups.authenticated)) return identity;
  return { ...identity, groups: [...identity.groups, groups.authenticated] };
}

function unauthorized(): ApiError {
  return new ApiError('Unauthorized', 'Unauthorized');
}
