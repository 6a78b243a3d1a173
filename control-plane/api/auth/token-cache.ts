import type { Clock } from '../../../shared/clock.ts';
import { ApiError } from '../../../shared/errors.ts';
import { groups, type Identity } from './identity.ts';
import type { Requester } from './requester.ts';

/** How long a valid token is cached (ms), as in Kubernetes. */
const ttlMs = 10_000;
/** The most tokens that are cached. */
const maxTokens = 4_096;
/** The longest token that is accepted: one of a service account has about 1,300 characters. */
const maxTokenLength = 16 * 1024;

/** Authenticates one type of tokens. */
export interface TokenAuthenticator {
  /**
   * The holder of the token, with all groups but system:authenticated, which is added. Undefined when the token is not of
   * this type, or no longer valid: the next authenticator is tried. Throws when validity cannot be checked.
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

/** Caches valid tokens for a while. Requests with one token at the same time share one authentication. */
export class TokenCache {
  readonly #deps: TokenCacheDeps;
  /** In the order of their authentication. */
  readonly #cached = new Map<string, Entry>();
  readonly #pending = new Map<string, Promise<Requester>>();

  constructor(deps: TokenCacheDeps) {
    this.#deps = deps;
  }

  /** Rejects with Unauthorized when no authenticator accepts the token. */
  holderOf(token: string): Requester | Promise<Requester> {
    const now = this.#deps.clock.monotonic();
    const cached = this.#cached.get(token);
    if (cached && cached.until > now) return cached.answer;
    if (token.length > maxTokenLength) throw unauthorized();
    const pending = this.#pending.get(token) ?? this.#authenticateOnce(token, now + ttlMs);
    this.#pending.set(token, pending);
    return pending;
  }

  async #authenticateOnce(token: string, until: number): Promise<Requester> {
    try {
      const answer = await this.#authenticate(token);
      this.#keep(token, { answer, until });
      return answer;
    } catch (error) {
      this.#cached.delete(token);
      throw error;
    } finally {
      this.#pending.delete(token);
    }
  }

  async #authenticate(token: string): Promise<Requester> {
    for (const authenticator of this.#deps.authenticators) {
      const identity = await authenticator.authenticate(token);
      if (identity) return { identity: authenticated(identity) };
    }
    throw unauthorized();
  }

  #keep(token: string, entry: Entry): void {
    this.#cached.delete(token);
    for (const oldest of this.#cached.keys()) {
      if (this.#cached.size < maxTokens) break;
      this.#cached.delete(oldest);
    }
    this.#cached.set(token, entry);
  }
}

function authenticated(identity: Identity): Identity {
  if (identity.groups.includes(groups.authenticated)) return identity;
  return { ...identity, groups: [...identity.groups, groups.authenticated] };
}

function unauthorized(): ApiError {
  return new ApiError('Unauthorized', 'Unauthorized');
}
