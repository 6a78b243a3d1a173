import type {
  NonResourceRule,
  ResourceRule,
  SelfSubjectRulesReview,
  SubjectRulesReviewStatus,
} from '../../../../shared/generated/types.ts';
import type { KubeObject } from '../../../../shared/object.ts';
import { maxValues } from '../../../../shared/schema/values.ts';
import { aggregate } from '../../auth/rbac/rbac-index.ts';
import { badRequest } from '../../requests/refusals.ts';
import type { KindHandler } from '../../requests/unstored.ts';

/** What the client may do in a namespace. */
export const selfSubjectRulesReview: KindHandler = {
  async create({ core, context: { identity } }, draft) {
    const { namespace } = (draft as SelfSubjectRulesReview).spec;
    if (!namespace) throw badRequest('no namespace on request');
    const held = core.authorizer.rulesOf?.(identity, namespace);
    const resourceRules: ResourceRule[] = [];
    const nonResourceRules: NonResourceRule[] = [];
    let values = 0;
    for (const { verbs, apiGroups, resources, resourceNames, nonResourceURLs } of held?.rules ?? []) {
      for (const list of [verbs, apiGroups, resources, resourceNames, nonResourceURLs]) values += list?.length ?? 0;
      if (values > maxValues) break;
      if (nonResourceURLs?.length) nonResourceRules.push({ verbs, nonResourceURLs });
      else resourceRules.push({ verbs, apiGroups, resources, ...(resourceNames?.length ? { resourceNames } : {}) });
    }
    const errors = held ? [...held.errors] : ['the authorizer does not support user rule resolution'];
    if (values > maxValues) errors.push(`only rules of ${maxValues} values together are listed`);
    const status: SubjectRulesReviewStatus = {
      resourceRules,
      nonResourceRules,
      incomplete: errors.length > 0,
      ...(errors.length > 0 ? { evaluationError: aggregate(errors) } : {}),
    };
    const { apiVersion, kind } = draft;
    return { apiVersion, kind, metadata: { creationTimestamp: null }, spec: {}, status } as unknown as KubeObject;
  },
};
