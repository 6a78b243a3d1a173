import type { SelfSubjectReview, UserInfo } from '../../../../shared/generated/types.ts';
import type { KubeObject } from '../../../../shared/object.ts';
import type { Identity } from '../../auth/identity.ts';
import type { KindHandler } from '../../requests/unstored.ts';

/** Who the client is. */
export const selfSubjectReview: KindHandler = {
  async create({ context: { identity } }, draft) {
    const review = draft as SelfSubjectReview;
    return { ...review, status: { userInfo: userInfoOf(identity) } } as KubeObject;
  },
};

export function userInfoOf({ user, uid, groups, extra }: Identity): UserInfo {
  return {
    username: user,
    ...(uid ? { uid } : {}),
    ...(groups.length > 0 ? { groups: [...groups] } : {}),
    ...(extra && Object.keys(extra).length > 0 ? { extra: { ...extra } as UserInfo['extra'] } : {}),
  };
}
