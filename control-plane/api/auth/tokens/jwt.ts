import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { decodeProtectedHeader } from 'jose/decode/protected_header';
import { compactVerify } from 'jose/jws/compact/verify';
import { decodeJwt } from 'jose/jwt/decode';
import { SignJWT } from 'jose/jwt/sign';

/** A key pair that signs and verifies tokens. */
export interface TokenKey {
  /** The `kid` of the tokens that it signs: the hash of its public half. */
  readonly id: string;
  readonly algorithm: Algorithm;
  readonly private: KeyObject;
  readonly public: KeyObject;
}

export type Algorithm = 'ES256' | 'RS256';

/** The claims of a token with a valid signature. Their values are still to be checked. */
export type Claims = Readonly<Record<string, unknown>>;

/** The fewest bits of an RSA key for RS256 (RFC 7518, 3.3). */
const minRsaBits = 2048;

/** Throws Error for a key that is neither ECDSA P-256 nor RSA of at least 2048 bits. */
export function tokenKey(privateKey: KeyObject): TokenKey {
  const publicKey = createPublicKey(privateKey);
  const id = createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url');
  return { id, algorithm: algorithmOf(privateKey), private: privateKey, public: publicKey };
}

/** A JSON Web Token in its compact form (RFC 7519, RFC 7515). `claims`: JSON. */
export function signToken(key: TokenKey, claims: object): Promise<string> {
  return new SignJWT({ ...claims }).setProtectedHeader({ alg: key.algorithm, kid: key.id }).sign(key.private);
}

/** The issuer that a token names, unverified; undefined when it is no JSON Web Token. */
export function issuerOf(token: string): string | undefined {
  const issuer: unknown = decoded(() => decodeJwt(token).iss);
  return typeof issuer === 'string' ? issuer : undefined;
}

/** The id of the key that a token names, unverified. */
export function keyIdOf(token: string): string | undefined {
  const id: unknown = decoded(() => decodeProtectedHeader(token).kid);
  return typeof id === 'string' ? id : undefined;
}

/** The claims of a token that one of the keys has signed by its own algorithm; undefined when none has. */
export async function verifiedClaims(token: string, keys: readonly TokenKey[]): Promise<Claims | undefined> {
  const kid = decoded(() => decodeProtectedHeader(token).kid);
  for (const key of keys) {
    if (kid !== undefined && kid !== key.id) continue;
    const verified = await compactVerify(token, key.public, { algorithms: [key.algorithm] }).catch(invalid);
    if (verified) return decoded(() => decodeJwt(token));
  }
  return undefined;
}

/** The public half as a JSON Web Key (RFC 7517). */
export function publicJwk({ id, algorithm, public: key }: TokenKey): Record<string, unknown> {
  return { use: 'sig', ...key.export({ format: 'jwk' }), kid: id, alg: algorithm };
}

function algorithmOf(key: KeyObject): Algorithm {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === 'rsa' && (details?.modulusLength ?? 0) >= minRsaBits) return 'RS256';
  if (type === 'ec' && details?.namedCurve === 'prime256v1') return 'ES256';
  throw new Error(`a key for tokens must be ECDSA P-256 or RSA (of at least ${minRsaBits} bits)`);
}

/** Undefined where a token is malformed: clients send what they like. */
function decoded<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    return invalid(error);
  }
}

function invalid(error: unknown): undefined {
  if (!(error instanceof Error)) throw error;
}
