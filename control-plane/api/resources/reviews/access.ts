import { isApiError } from '../../../../shared/errors.ts';
import type {
  FieldSelectorAttributes,
  LocalSubjectAccessReview,
  SelfSubjectAccessReview,
  SelfSubjectAccessReviewSpec,
  SubjectAccessReview,
  SubjectAccessReviewStatus,
} from '../../../../shared/generated/types.ts';
import type { KubeObject } from '../../../../shared/object.ts';
import { type FieldRequirement, parseFieldSelector } from '../../../../shared/selector.ts';
import type { Attributes, Authorizer, Identity } from '../../auth/identity.ts';
import type { KindHandler } from '../../requests/unstored.ts';

/** Whether a user may do a thing; the client needs the right to create such reviews. */
export const subjectAccessReview: KindHandler = {
  async create({ core }, draft) {
    const review = draft as SubjectAccessReview | LocalSubjectAccessReview;
    const { user = '', groups = [], uid, extra } = review.spec;
    const identity: Identity = { user, groups, ...(uid ? { uid } : {}), ...(extra ? { extra } : {}) };
    return { ...review, status: accessOf(core.authorizer, identity, review.spec) } as KubeObject;
  },
};

/** Whether the client itself may do a thing. */
export const selfSubjectAccessReview: KindHandler = {
  async create({ core, context: { identity } }, draft) {
    const review = draft as SelfSubjectAccessReview;
    return { ...review, status: accessOf(core.authorizer, identity, review.spec) } as KubeObject;
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

/** Exactly one of the two is set: validation of the kind checks it. */
function attributesOf({ resourceAttributes, nonResourceAttributes }: SelfSubjectAccessReviewSpec): Attributes {
  if (!resourceAttributes) {
    const { path = '', verb = '' } = nonResourceAttributes ?? {};
    return { verb, group: '', resource: '', path };
  }
  const { verb = '', group = '', resource = '', subresource, namespace, name, fieldSelector } = resourceAttributes;
  const fields = fieldSelector && fieldsOf(fieldSelector);
  return {
    verb,
    group,
    resource,
    subresource: subresource || undefined,
    namespace: namespace || undefined,
    name,
    ...(fields ? { fields } : {}),
  };
}

/** A selector only narrows the request: a part that cannot be parsed is left out, as in Kubernetes. */
function fieldsOf({
  rawSelector,
  requirements = [],
}: FieldSelectorAttributes): readonly FieldRequirement[] | undefined {
  if (rawSelector) {
    try {
      return parseFieldSelector(rawSelector);
    } catch (error) {
      if (isApiError(error, 'BadRequest')) return undefined;
      throw error;
    }
  }
  return requirements.flatMap(({ key, operator, values = [] }) => {
    const [value, ...more] = values;
    if (value === undefined || more.length > 0 || (operator !== 'In' && operator !== 'NotIn')) return [];
    return [{ path: key ?? '', equal: operator === 'In', value }];
  });
}
