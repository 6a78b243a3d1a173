import type { SelfSubjectReview } from '../../../../shared/generated/types.ts';
import type { KubeObject } from '../../../../shared/object.ts';
import { userInfoOf } from '../../auth/identity.ts';
import type { KindHandler } from '../../requests/unstored.ts';

/** Who the client is. */
export const selfSubjectReview: KindHandler = {
  async create({ context: { identity } }, draft) {
    const review = draft as SelfSubjectReview;
    return { ...review, status: { userInfo: userInfoOf(identity) } } as KubeObject;
  },
};
