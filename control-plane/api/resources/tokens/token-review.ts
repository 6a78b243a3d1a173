import type { TokenReview, TokenReviewStatus } from '../../../../shared/generated/types.ts';
import type { KubeObject } from '../../../../shared/object.ts';
import { groups, userInfoOf } from '../../auth/identity.ts';
import { type Holder, TokenFault, type TokenReviewer } from '../../auth/tokens/verdict.ts';
import { badRequest } from '../../requests/refusals.ts';
import type { KindHandler } from '../../requests/unstored.ts';

/** Answers whose a token is. `serverAudiences`: those of the API server, for reviews that name none. */
export function tokenReview(reviewers: readonly TokenReviewer[], serverAudiences: readonly string[]): KindHandler {
  return {
    async create(_request, draft) {
      const { spec, ...review } = draft as TokenReview;
      if (!spec.token) throw badRequest('token is required for TokenReview in authentication');
      const audiences = spec.audiences?.length ? spec.audiences : serverAudiences;
      return { ...review, spec, status: await statusOf(reviewers, spec.token, audiences) } as KubeObject;
    },
  };
}

async function statusOf(
  reviewers: readonly TokenReviewer[],
  token: string,
  audiences: readonly string[],
): Promise<TokenReviewStatus> {
  const faults = ['invalid bearer token'];
  for (const reviewer of reviewers) {
    try {
      const holder = await reviewer.review(token, audiences);
      if (holder) return good(holder);
    } catch (error) {
      if (!(error instanceof TokenFault)) throw error;
      faults.push(error.message);
    }
  }
  const [only] = faults;
  return { user: {}, error: faults.length === 1 ? only : `[${faults.join(', ')}]` };
}

function good({ identity, audiences }: Holder): TokenReviewStatus {
  const user = userInfoOf({ ...identity, groups: [...identity.groups, groups.authenticated] });
  return { authenticated: true, user, audiences: [...audiences] };
}
