import type {
  AuthenticationV1TokenRequest,
  FieldSelectorAttributes,
  FieldSelectorRequirement,
  LabelSelectorAttributes,
  LabelSelectorRequirement,
  LocalSubjectAccessReview,
  ObjectMeta,
  ResourceAttributes,
  SelfSubjectAccessReview,
  SelfSubjectAccessReviewSpec,
  SelfSubjectReview,
  SelfSubjectRulesReview,
  StatusCause,
  SubjectAccessReview,
  SubjectAccessReviewSpec,
  TokenReview,
} from '../../generated/types.ts';
import type { KubeObject } from '../../object.ts';
import { forbidden, invalid, required } from '../../schema/causes.ts';
import { isLabelValue, isPathSegment, isQualifiedName } from '../../schema/formats.ts';
import { createdAtColumn, nameColumn } from '../columns/columns.ts';
import type { Behaviour, Strategy } from '../kind.ts';

/** Kinds whose objects are requests: they have no name, are answered in their status, and are not stored. */
function review<T extends KubeObject>(validate?: Strategy<T>['validate']): Behaviour<T> {
  return {
    nameFormat: isPathSegment,
    columns: [nameColumn, createdAtColumn],
    strategy: {
      prepareCreate(object) {
        delete object.status;
      },
      ...(validate ? { validate } : {}),
    },
  };
}

export const tokenReview = review<TokenReview>();
export const selfSubjectReview = review<SelfSubjectReview>();
export const selfSubjectRulesReview = review<SelfSubjectRulesReview>();

export const subjectAccessReview = review<SubjectAccessReview>(({ spec, metadata }, causes) => {
  if (spec) validateSubject(spec, causes);
  if (!isEmpty(metadata)) causes.push(invalid('metadata', metadata, 'must be empty'));
});

export const selfSubjectAccessReview = review<SelfSubjectAccessReview>(({ spec, metadata }, causes) => {
  if (spec) validateAttributes(spec, causes);
  if (!isEmpty(metadata)) causes.push(invalid('metadata', metadata, 'must be empty'));
});

export const localSubjectAccessReview = review<LocalSubjectAccessReview>(({ spec, metadata }, causes) => {
  if (spec) validateSubject(spec, causes);
  const { namespace, ...rest } = metadata;
  if (!isEmpty(rest)) causes.push(invalid('metadata', metadata, 'must be empty except for namespace'));
  const { resourceAttributes, nonResourceAttributes } = spec ?? {};
  if (resourceAttributes && (resourceAttributes.namespace ?? '') !== (namespace ?? '')) {
    const field = 'spec.resourceAttributes.namespace';
    causes.push(invalid(field, resourceAttributes.namespace ?? '', 'must match metadata.namespace'));
  }
  if (nonResourceAttributes) {
    const fault = 'disallowed on this kind of request';
    causes.push(invalid('spec.nonResourceAttributes', nonResourceAttributes, fault));
  }
});

/** The bounds of a token's lifetime, in seconds. */
const minTokenLife = 10 * 60;
const maxTokenLife = 2 ** 32;

/** The rules of a TokenRequest, the body of `serviceaccounts/token`. */
export function validateTokenRequest(
  { spec }: Pick<AuthenticationV1TokenRequest, 'spec'>,
  causes: StatusCause[],
): void {
  const seconds = spec?.expirationSeconds ?? 0;
  const field = 'spec.expirationSeconds';
  if (seconds < minTokenLife) {
    causes.push(invalid(field, seconds, 'may not specify a duration less than 10 minutes'));
  }
  if (seconds > maxTokenLife) {
    causes.push(invalid(field, seconds, 'may not specify a duration larger than 2^32 seconds'));
  }
}

function validateSubject(spec: SubjectAccessReviewSpec, causes: StatusCause[]): void {
  const { resourceAttributes, ...rest } = spec;
  validateAttributes({ ...rest, ...(resourceAttributes ? { resourceAttributes } : {}) }, causes, () => {
    if (spec.user || spec.groups?.length) return;
    causes.push(invalid('spec.user', spec.user ?? '', 'at least one of user or group must be specified'));
  });
}

/** `between` adds causes that come before those of the attributes. */
function validateAttributes(
  { resourceAttributes, nonResourceAttributes }: SelfSubjectAccessReviewSpec,
  causes: StatusCause[],
  between?: () => void,
): void {
  if (resourceAttributes && nonResourceAttributes) {
    const fault = 'cannot be specified in combination with resourceAttributes';
    causes.push(invalid('spec.nonResourceAttributes', nonResourceAttributes, fault));
  }
  if (!resourceAttributes && !nonResourceAttributes) {
    const fault = 'exactly one of nonResourceAttributes or resourceAttributes must be specified';
    causes.push(invalid('spec.resourceAttributes', undefined, fault));
  }
  between?.();
  if (resourceAttributes) validateSelectors(resourceAttributes, 'spec.resourceAttributes', causes);
}

function validateSelectors(
  { fieldSelector, labelSelector }: ResourceAttributes,
  field: string,
  causes: StatusCause[],
): void {
  if (fieldSelector) {
    const path = `${field}.fieldSelector`;
    validateForm(fieldSelector, path, causes);
    for (const [index, requirement] of (fieldSelector.requirements ?? []).entries()) {
      validateRequirement(requirement, `${path}.requirements[${index}]`, causes);
      if (!requirement.key) causes.push(required(`${path}.requirements[${index}].key`, 'must be specified'));
    }
  }
  if (labelSelector) {
    const path = `${field}.labelSelector`;
    validateForm(labelSelector, path, causes);
    for (const [index, requirement] of (labelSelector.requirements ?? []).entries()) {
      validateLabelRequirement(requirement, `${path}.requirements[${index}]`, causes);
    }
  }
}

function validateForm(
  { rawSelector, requirements }: FieldSelectorAttributes | LabelSelectorAttributes,
  field: string,
  causes: StatusCause[],
): void {
  const rules = requirements?.length ?? 0;
  if (rawSelector && rules > 0) {
    const fault = 'may not specified at the same time as requirements';
    causes.push(invalid(`${field}.rawSelector`, rawSelector, fault));
  }
  if (!rawSelector && rules === 0) {
    const why = `when ${field} is specified, requirements or rawSelector is required`;
    causes.push(required(`${field}.requirements`, why));
  }
}

function validateLabelRequirement(rule: LabelSelectorRequirement, field: string, causes: StatusCause[]): void {
  validateRequirement(rule, field, causes);
  const fault = rule.key && isQualifiedName(rule.key);
  if (fault) causes.push(invalid(`${field}.key`, rule.key, fault));
  for (const [index, value] of (rule.values ?? []).entries()) {
    const wrong = isLabelValue(value);
    if (wrong) causes.push(invalid(`${field}.values[${index}]`, value, wrong));
  }
}

/** An unknown operator is accepted: a client may be newer than this server. */
function validateRequirement(
  { operator, values = [] }: FieldSelectorRequirement | LabelSelectorRequirement,
  field: string,
  causes: StatusCause[],
): void {
  const path = `${field}.values`;
  if ((operator === 'In' || operator === 'NotIn') && values.length === 0) {
    causes.push(required(path, "must be specified when `operator` is 'In' or 'NotIn'"));
  }
  if ((operator === 'Exists' || operator === 'DoesNotExist') && values.length > 0) {
    causes.push(forbidden(path, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
  }
}

function isEmpty({ managedFields: _managed, ...rest }: Partial<ObjectMeta>): boolean {
  return Object.keys(rest).length === 0;
}
