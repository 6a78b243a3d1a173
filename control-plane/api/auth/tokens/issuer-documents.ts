import { publicJwk } from './jwt.ts';
import type { TokenKeys } from './keys.ts';

/** The documents by which other programs verify our tokens (OpenID Connect Discovery 1.0, as far as Kubernetes serves it). */
export interface IssuerDocuments {
  readonly type: string;
  text(): string;
}

export interface IssuerDeps {
  readonly issuer: string;
  readonly keys: TokenKeys;
  /** The external address of the REST API: `https://host:port`. */
  readonly url: () => string;
}

export type Documents = Readonly<Record<string, IssuerDocuments | undefined>>;

/** By path, without the slash before it. */
export function issuerDocuments({ issuer, keys, url }: IssuerDeps): Documents {
  return {
    '.well-known/openid-configuration': {
      type: 'application/json',
      text: () =>
        JSON.stringify({
          issuer,
          jwks_uri: `${url()}/openid/v1/jwks`,
          response_types_supported: ['id_token'],
          subject_types_supported: ['public'],
          id_token_signing_alg_values_supported: [...new Set(keys.all.map(({ algorithm }) => algorithm))],
        }),
    },
    'openid/v1/jwks': {
      type: 'application/jwk-set+json',
      text: () => JSON.stringify({ keys: keys.all.map(publicJwk) }),
    },
  };
}
