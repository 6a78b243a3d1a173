import type { Clock } from '../../../../shared/clock.ts';
import type { Random } from '../../../../shared/random.ts';
import { clusterDomain } from '../../../../shared/well-known.ts';
import type { WatchCache } from '../../../store/cache/watch-cache.ts';
import type { Store } from '../../../store/store.ts';
import type { KindHandlers } from '../../requests/unstored.ts';
import { tokenReview } from '../../resources/tokens/token-review.ts';
import type { TokenAuthenticator } from '../token-cache.ts';
import { BootstrapTokens } from './bootstrap-tokens.ts';
import type { TokenKeys } from './keys.ts';
import { objectsOf } from './objects.ts';
import { ServiceAccountTokens } from './service-account-tokens.ts';
import { authenticatorFor } from './verdict.ts';

export { type IssuerDeps, issuerDocuments } from './issuer-documents.ts';
export { loadTokenKeys, type TokenKeys, tokenKeysOf } from './keys.ts';
export type { ServiceAccountTokens } from './service-account-tokens.ts';

/** The issuer of tokens by default; that of kubeadm. */
export const defaultIssuer = `https://kubernetes.default.svc.${clusterDomain}`;

export interface TokensDeps {
  readonly keys: TokenKeys;
  readonly issuer: string;
  readonly store: Pick<Store, 'get'>;
  readonly cache: Pick<WatchCache, 'get'>;
  readonly clock: Pick<Clock, 'now' | 'monotonic'>;
  readonly random: Random;
}

/** The token parts of a server. */
export interface Tokens {
  readonly accounts: ServiceAccountTokens;
  readonly authenticators: readonly TokenAuthenticator[];
  readonly handlers: KindHandlers;
}

export function createTokens({ keys, issuer, store, cache, clock, random }: TokensDeps): Tokens {
  const objects = objectsOf({ cache, store });
  const accounts = new ServiceAccountTokens({ keys, issuer, objects, clock, random });
  const { audiences } = accounts;
  const reviewers = [accounts, new BootstrapTokens({ objects, clock, audiences })];
  return {
    accounts,
    authenticators: reviewers.map((reviewer) => authenticatorFor(reviewer, audiences)),
    handlers: { TokenReview: tokenReview(reviewers, audiences) },
  };
}
