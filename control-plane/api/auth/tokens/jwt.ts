import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';

/** A key that signs tokens, or did so once. */
export interface TokenKey {
  /** Names the key in the tokens that it signed: the hash of its public half. */
  readonly id: string;
  readonly algorithm: Algorithm;
  readonly private: KeyObject;
  readonly public: KeyObject;
}

export type Algorithm = 'ES256' | 'RS256';

/** A token whose signature is good. What it claims is still to be checked. */
export type Claims = Readonly<Record<string, unknown>>;

/** Throws Error for a key that is neither RSA nor ECDSA P-256. */
export function tokenKey(privateKey: KeyObject): TokenKey {
  const publicKey = createPublicKey(privateKey);
  const id = createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url');
  return { id, algorithm: algorithmOf(privateKey), private: privateKey, public: publicKey };
}

/** A JSON Web Token in its compact form (RFC 7519, RFC 7515). */
export function signToken(key: TokenKey, claims: object): string {
  const head = part({ alg: key.algorithm, kid: key.id });
  const signed = `${head}.${part(claims)}`;
  const signature = sign('sha256', Buffer.from(signed), { key: key.private, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}

/** What a token says of its issuer, unchecked; undefined when it has not the form of a token. */
export function issuerOf(token: string): string | undefined {
  const [, body, , ...more] = token.split('.');
  const issuer = body === undefined || more.length > 0 ? undefined : parsed(body)?.iss;
  return typeof issuer === 'string' ? issuer : undefined;
}

/** The id of the key that a token says it was signed with. */
export function keyIdOf(token: string): string | undefined {
  const id = parsed(token.slice(0, token.indexOf('.')))?.kid;
  return typeof id === 'string' ? id : undefined;
}

/**
 * The claims of a token that one of the keys has signed; undefined when none has. The key says which algorithm it must be: what
 * the token says of it only has to agree.
 */
export function verifiedClaims(token: string, keys: readonly TokenKey[]): Claims | undefined {
  const [head = '', body = '', signature = '', ...more] = token.split('.');
  if (more.length > 0) return undefined;
  const { kid, alg, crit } = parsed(head) ?? {};
  if (crit !== undefined) return undefined;
  const signed = Buffer.from(`${head}.${body}`);
  const bytes = Buffer.from(signature, 'base64url');
  for (const key of keys) {
    if (alg !== key.algorithm || (kid !== undefined && kid !== key.id)) continue;
    if (verify('sha256', signed, { key: key.public, dsaEncoding: 'ieee-p1363' }, bytes)) return parsed(body);
  }
  return undefined;
}

/** The public half as a JSON Web Key (RFC 7517). */
export function publicJwk({ id, algorithm, public: key }: TokenKey): Record<string, unknown> {
  return { use: 'sig', ...key.export({ format: 'jwk' }), kid: id, alg: algorithm };
}

function algorithmOf(key: KeyObject): Algorithm {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === 'rsa') return 'RS256';
  if (type === 'ec' && details?.namedCurve === 'prime256v1') return 'ES256';
  throw new Error('a key for tokens must be ECDSA P-256 or RSA');
}

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    // Anybody may send anything as a token.
    return undefined;
  }
}
