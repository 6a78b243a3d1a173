import type { KindHandlers } from '../../requests/unstored.ts';
import { selfSubjectAccessReview, subjectAccessReview } from './access.ts';
import { selfSubjectRulesReview } from './rules.ts';
import { selfSubjectReview } from './self.ts';

/** The reviews that are answered from the request's identity and the authorizer. */
export const reviews: KindHandlers = {
  SubjectAccessReview: subjectAccessReview,
  LocalSubjectAccessReview: subjectAccessReview,
  SelfSubjectAccessReview: selfSubjectAccessReview,
  SelfSubjectRulesReview: selfSubjectRulesReview,
  SelfSubjectReview: selfSubjectReview,
};
