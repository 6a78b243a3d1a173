import type { KindHandlers } from '../../requests/unstored.ts';
import { selfSubjectAccessReview, subjectAccessReview } from './access.ts';
import { selfSubjectRulesReview } from './rules.ts';
import { selfSubjectReview } from './self.ts';

/** The questions that the API answers from what it knows of a request and its authorizer. */
export const reviews: KindHandlers = {
  SubjectAccessReview: subjectAccessReview,
  LocalSubjectAccessReview: subjectAccessReview,
  SelfSubjectAccessReview: selfSubjectAccessReview,
  SelfSubjectRulesReview: selfSubjectRulesReview,
  SelfSubjectReview: selfSubjectReview,
};
