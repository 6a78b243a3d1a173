import type {
  LocalSubjectAccessReview,
  SelfSubjectAccessReview,
  SelfSubjectAccessReviewSpec,
  SubjectAccessReview,
  SubjectAccessReviewStatus,
} from '../../../../shared/generated/types.ts';
import type { KubeObject } from '../../../../shared/object.ts';
import type { Attributes, Authorizer, Identity } from '../../identity.ts';
import type { KindHandler } from '../../unstored.ts';

/** Whether somebody may do a thing: asked by one who may ask for others. */
export const subjectAccessReview: KindHandler = {
  async create(core, _context, draft) {
    const review = draft as SubjectAccessReview | LocalSubjectAccessReview;
    const { user = '', groups = [], uid, extra } = review.spec;
    const identity: Identity = { user, groups, ...(uid ? { uid } : {}), ...(extra ? { extra } : {}) };
    return { ...review, status: accessOf(core.deps.authorizer, identity, review.spec) } as KubeObject;
  },
};

/** Whether one may do a thing oneself. */
export const selfSubjectAccessReview: KindHandler = {
  async create(core, { identity }, draft) {
    const review = draft as SelfSubjectAccessReview;
    return { ...review, status: accessOf(core.deps.authorizer, identity, review.spec) } as KubeObject;
  },
};

function accessOf(
  authorizer: Authorizer,
  identity: Identity,
  spec: SelfSubjectAccessReviewSpec,
): SubjectAccessReviewStatus {
  const { allowed, reason } = authorizer.authorize(identity, attributesOf(spec));
  return { allowed, ...(reason ? { reason } : {}) };
}

/** Exactly one of the two is there: the kind's rules say so. */
function attributesOf({ resourceAttributes, nonResourceAttributes }: SelfSubjectAccessReviewSpec): Attributes {
  if (!resourceAttributes) {
    const { path = '', verb = '' } = nonResourceAttributes ?? {};
    return { verb, group: '', resource: '', path };
  }
  const { verb = '', group = '', resource = '', subresource, namespace, name } = resourceAttributes;
  return { verb, group, resource, subresource: subresource || undefined, namespace: namespace || undefined, name };
}
