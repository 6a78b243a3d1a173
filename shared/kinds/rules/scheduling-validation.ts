import type {
  Affinity,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodAffinityTerm,
  PodSpec,
  StatusCause,
  Taint,
  Toleration,
} from '../../generated/types.ts';
import { duplicate, forbidden, invalid, required } from '../../schema/causes.ts';
import { isDnsLabel, isLabelValue, isQualifiedName } from '../../schema/formats.ts';
import { validateLabelSelector } from '../../selector.ts';
import { validateLabels } from './metadata.ts';

/** The rules of a pod's scheduling fields. `field`: the path of its spec. */
export function validateScheduling(spec: PodSpec, field: string, causes: StatusCause[]): void {
  if (spec.nodeSelector) validateLabels(spec.nodeSelector, `${field}.nodeSelector`, causes);
  if (spec.affinity) validateAffinity(spec.affinity, `${field}.affinity`, causes);
  if (spec.tolerations) validateTolerations(spec.tolerations, `${field}.tolerations`, causes);
  for (const [index, constraint] of (spec.topologySpreadConstraints ?? []).entries()) {
    const path = `${field}.topologySpreadConstraints[${index}]`;
    if (constraint.minDomains !== undefined && constraint.whenUnsatisfiable !== 'DoNotSchedule') {
      const fault = `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${constraint.whenUnsatisfiable}`;
      causes.push(invalid(`${path}.minDomains`, constraint.minDomains, fault));
    }
    if (constraint.labelSelector) validateLabelSelector(constraint.labelSelector, `${path}.labelSelector`, causes);
  }
  if (spec.nodeName && (spec.schedulingGates?.length ?? 0) > 0) {
    causes.push(forbidden(`${field}.nodeName`, 'cannot be set until all schedulingGates have been cleared'));
  }
}

export function validateTolerations(tolerations: readonly Toleration[], field: string, causes: StatusCause[]): void {
  for (const [index, toleration] of tolerations.entries()) {
    const path = `${field}[${index}]`;
    const { key, operator = 'Equal', value, effect, tolerationSeconds } = toleration;
    if (!key && operator !== 'Exists') {
      const fault = 'operator must be Exists when `key` is empty, which means "match all values and all keys"';
      causes.push(invalid(`${path}.operator`, operator, fault));
    }
    if (tolerationSeconds !== undefined && effect !== 'NoExecute') {
      causes.push(
        invalid(`${path}.effect`, effect ?? '', "effect must be 'NoExecute' when `tolerationSeconds` is set"),
      );
    }
    if (operator === 'Exists') {
      if (value)
        causes.push(invalid(`${path}.operator`, toleration, "value must be empty when `operator` is 'Exists'"));
    } else {
      const fault = isLabelValue(value ?? '');
      if (fault) causes.push(invalid(`${path}.operator`, value, fault));
    }
  }
}

export function validateTaints(taints: readonly Taint[], field: string, causes: StatusCause[]): void {
  const seen = new Set<string>();
  for (const [index, { key, effect }] of taints.entries()) {
    const identity = `${key}:${effect}`;
    if (seen.has(identity)) causes.push(duplicate(`${field}[${index}]`, { key, effect }));
    seen.add(identity);
  }
}

function validateAffinity(
  { nodeAffinity, podAffinity, podAntiAffinity }: Affinity,
  field: string,
  causes: StatusCause[],
): void {
  if (nodeAffinity) {
    const path = `${field}.nodeAffinity`;
    const {
      requiredDuringSchedulingIgnoredDuringExecution: hard,
      preferredDuringSchedulingIgnoredDuringExecution: soft,
    } = nodeAffinity;
    for (const [index, term] of (hard?.nodeSelectorTerms ?? []).entries()) {
      const place = `${path}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[${index}]`;
      validateNodeTerm(term, place, causes);
    }
    for (const [index, { weight, preference }] of (soft ?? []).entries()) {
      const place = `${path}.preferredDuringSchedulingIgnoredDuringExecution[${index}]`;
      validateWeight(weight, place, causes);
      if (preference) validateNodeTerm(preference, `${place}.preference`, causes);
    }
  }
  for (const [name, affinity] of Object.entries({ podAffinity, podAntiAffinity })) {
    if (!affinity) continue;
    const {
      requiredDuringSchedulingIgnoredDuringExecution: hard,
      preferredDuringSchedulingIgnoredDuringExecution: soft,
    } = affinity;
    for (const [index, term] of (hard ?? []).entries()) {
      validatePodTerm(term, `${field}.${name}.requiredDuringSchedulingIgnoredDuringExecution[${index}]`, causes);
    }
    for (const [index, { weight, podAffinityTerm }] of (soft ?? []).entries()) {
      const place = `${field}.${name}.preferredDuringSchedulingIgnoredDuringExecution[${index}]`;
      validateWeight(weight, place, causes);
      if (podAffinityTerm) validatePodTerm(podAffinityTerm, `${place}.podAffinityTerm`, causes);
    }
  }
}

function validateNodeTerm(term: NodeSelectorTerm, field: string, causes: StatusCause[]): void {
  for (const [index, requirement] of (term.matchExpressions ?? []).entries()) {
    const path = `${field}.matchExpressions[${index}]`;
    validateRequirement(requirement, path, causes);
    const fault = requirement.key && isQualifiedName(requirement.key);
    if (fault) causes.push(invalid(`${path}.key`, requirement.key, fault));
  }
  for (const [index, { key, operator, values = [] }] of (term.matchFields ?? []).entries()) {
    const path = `${field}.matchFields[${index}]`;
    if (key && key !== 'metadata.name') causes.push(invalid(`${path}.key`, key, 'not a valid field selector key'));
    if (!operator) continue;
    if (operator !== 'In' && operator !== 'NotIn') {
      causes.push(invalid(`${path}.operator`, operator, 'not a valid selector operator'));
    } else if (values.length !== 1) {
      causes.push(
        required(`${path}.values`, "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"),
      );
    }
  }
}

function validateRequirement(requirement: NodeSelectorRequirement, field: string, causes: StatusCause[]): void {
  const { operator, values = [] } = requirement;
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (values.length === 0) {
        causes.push(required(`${field}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
      }
      return;
    case 'Exists':
    case 'DoesNotExist':
      if (values.length > 0) {
        causes.push(forbidden(`${field}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
      }
      return;
    case 'Gt':
    case 'Lt':
      if (values.length !== 1) {
        causes.push(required(`${field}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'"));
      }
      return;
    default:
      if (operator) causes.push(invalid(`${field}.operator`, operator, 'not a valid selector operator'));
  }
}

function validatePodTerm(term: PodAffinityTerm, field: string, causes: StatusCause[]): void {
  if (term.labelSelector) validateLabelSelector(term.labelSelector, `${field}.labelSelector`, causes);
  if (term.namespaceSelector) validateLabelSelector(term.namespaceSelector, `${field}.namespaceSelector`, causes);
  for (const name of term.namespaces ?? []) {
    const fault = isDnsLabel(name);
    if (fault) causes.push(invalid(`${field}.namespaces`, name, fault));
  }
}

function validateWeight(weight: number, field: string, causes: StatusCause[]): void {
  if (weight < 1 || weight > 100) causes.push(invalid(`${field}.weight`, weight, 'must be in the range 1-100'));
}
