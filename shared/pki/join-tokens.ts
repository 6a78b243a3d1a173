import { createHash, timingSafeEqual } from 'node:crypto';
import type { Client } from '../client.ts';
import { type Clock, formatTime } from '../clock.ts';
import type { JoinToken } from '../generated/types.ts';
import type { Random } from '../random.ts';

/**
 * A join token is `ID.SECRET`, 6 and 16 characters of [a-z0-9], as kubeadm's bootstrap tokens are. The ID is the name
 * of its JoinToken object, which holds only the hash of the secret half.
 */
export interface ParsedToken {
  readonly id: string;
  readonly secret: string;
}

/** Undefined when it does not have the form of a token. */
export function parseToken(token: string): ParsedToken | undefined {
  const match = /^([a-z0-9]{6})\.([a-z0-9]{16})$/.exec(token);
  return match?.[1] && match[2] ? { id: match[1], secret: match[2] } : undefined;
}

export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** In constant time. `stored` is what the JoinToken holds; undefined when there is no such token. */
export function secretMatches(secret: string, stored: string | undefined): boolean {
  const given = Buffer.from(hashSecret(secret), 'hex');
  const known = Buffer.from(stored ?? '', 'hex');
  const comparable = known.length === given.length;
  return timingSafeEqual(given, comparable ? known : given) && comparable;
}

export function isExpired(token: JoinToken, now: number): boolean {
  const { expirationTimestamp } = token.spec;
  return expirationTimestamp !== undefined && Date.parse(expirationTimestamp) <= now;
}

export interface TokenDeps {
  readonly client: Pick<Client, 'create' | 'list' | 'delete'>;
  readonly clock: Pick<Clock, 'now'>;
  /** Must be the system's: tokens are secrets. */
  readonly random: Random;
}

/** Makes a token and stores its hash. `ttlMs` absent: it never expires. The token itself is shown only here. */
export async function createToken(
  deps: TokenDeps,
  options: { ttlMs?: number; description?: string } = {},
): Promise<string> {
  const id = letters(deps.random, 6);
  const secret = letters(deps.random, 16);
  await deps.client.create('JoinToken', {
    metadata: { name: id },
    spec: {
      secretHash: hashSecret(secret),
      ...(options.ttlMs === undefined
        ? {}
        : { expirationTimestamp: formatTime(Math.ceil((deps.clock.now() + options.ttlMs) / 1000) * 1000) }),
      ...(options.description ? { description: options.description } : {}),
    },
  });
  return `${id}.${secret}`;
}

export async function listTokens(deps: Pick<TokenDeps, 'client'>): Promise<JoinToken[]> {
  return (await deps.client.list('JoinToken')).items;
}

/** `token`: the whole of it or its id. NotFound when there is none. */
export async function revokeToken(deps: Pick<TokenDeps, 'client'>, token: string): Promise<void> {
  await deps.client.delete('JoinToken', token.split('.')[0] ?? token);
}

const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** Evenly drawn: bytes beyond the last whole multiple of the alphabet are dropped. */
function letters(random: Random, count: number): string {
  const limit = 256 - (256 % alphabet.length);
  let out = '';
  while (out.length < count) {
    for (const byte of random.bytes(count * 2)) {
      if (byte < limit && out.length < count) out += alphabet[byte % alphabet.length];
    }
  }
  return out;
}
