import type { JobSpec, PodFailurePolicyRule, StatusCause, SuccessPolicyRule } from '../../generated/types.ts';
import { duplicate, invalid, notSupported, required, tooMany } from '../../schema/causes.ts';
import { matchesLabels, selectorOf, validateLabelSelector } from '../../selector.ts';
import { IndexSet } from './index-set.ts';
import { validatePodTemplate } from './pod-validation.ts';
import { repeats } from './repeats.ts';

const maxParallelIndexes = 100_000;
const maxRules = 20;
const maxExitCodes = 255;
const actions = ['Count', 'FailIndex', 'FailJob', 'Ignore'];
const modes = ['Indexed', 'NonIndexed'];

/** The rules of a job and of a cron job's template, in the words of Kubernetes' batch validation. `field`: the spec's path. */
export function validateJobSpec(spec: JobSpec, field: string, causes: StatusCause[]): void {
  const { completionMode, completions, parallelism, template, managedBy } = spec;
  const indexed = completionMode === 'Indexed';
  if (completionMode !== undefined && !modes.includes(completionMode)) {
    causes.push(notSupported(`${field}.completionMode`, completionMode, modes));
  }
  if (indexed) {
    if (completions === undefined) {
      causes.push(required(`${field}.completions`, 'when completion mode is Indexed'));
    }
    if ((parallelism ?? 0) > maxParallelIndexes) {
      const why = `must be less than or equal to ${maxParallelIndexes} when completion mode is Indexed`;
      causes.push(invalid(`${field}.parallelism`, parallelism, why));
    }
  }
  validatePerIndex(spec, field, indexed, causes);
  if (managedBy !== undefined && !/^[a-z0-9.-]+\/.+$/.test(managedBy)) {
    const why = 'must be a domain-prefixed path (such as "acme.io/foo")';
    causes.push(invalid(`${field}.managedBy`, managedBy, why));
  }
  if (spec.podFailurePolicy) validateFailurePolicy(spec, `${field}.podFailurePolicy`, causes);
  if (spec.successPolicy) validateSuccessPolicy(spec, `${field}.successPolicy`, indexed, causes);
  const replacement = spec.podReplacementPolicy;
  const replacements = spec.podFailurePolicy ? ['Failed'] : ['Failed', 'TerminatingOrFailed'];
  if (replacement !== undefined && !replacements.includes(replacement)) {
    causes.push(notSupported(`${field}.podReplacementPolicy`, replacement, replacements));
  }
  if (!template) return;
  validatePodTemplate(template, `${field}.template`, '', causes);
  const path = `${field}.template.spec.restartPolicy`;
  const restart = template.spec?.restartPolicy;
  const restarts = ['OnFailure', 'Never'];
  if (restart === 'Always') {
    causes.push(required(path, `valid values: ${restarts.map((one) => JSON.stringify(one)).join(', ')}`));
  } else if (restart !== undefined && !restarts.includes(restart)) {
    causes.push(notSupported(path, restart, restarts));
  }
  if (spec.podFailurePolicy && restart !== undefined && restart !== 'Never') {
    causes.push(invalid(path, restart, 'only "Never" is supported when podFailurePolicy is specified'));
  }
}

/** A job's selector must select the pods of its template. */
export function validateJobWorkload({ selector, template }: JobSpec, causes: StatusCause[]): void {
  if (!selector) {
    causes.push(required('spec.selector'));
    return;
  }
  const before = causes.length;
  validateLabelSelector(selector, 'spec.selector', causes);
  if (causes.length > before || !template) return;
  const whole = (selector.matchExpressions ?? []).every(({ key, operator }) => key && operator);
  if (whole && !matchesLabels(selectorOf(selector), template.metadata?.labels)) {
    const labels = template.metadata?.labels ?? null;
    causes.push(invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'));
  }
}

function validatePerIndex(spec: JobSpec, field: string, indexed: boolean, causes: StatusCause[]): void {
  const { backoffLimitPerIndex, maxFailedIndexes, completions } = spec;
  if (backoffLimitPerIndex !== undefined && !indexed) {
    causes.push(invalid(`${field}.backoffLimitPerIndex`, backoffLimitPerIndex, 'requires indexed completion mode'));
  }
  if (maxFailedIndexes === undefined) return;
  if (!indexed) causes.push(invalid(`${field}.maxFailedIndexes`, maxFailedIndexes, 'requires indexed completion mode'));
  if (backoffLimitPerIndex === undefined) {
    causes.push(required(`${field}.backoffLimitPerIndex`, 'when maxFailedIndexes is specified'));
  }
  if (completions !== undefined && maxFailedIndexes > completions) {
    causes.push(invalid(`${field}.maxFailedIndexes`, maxFailedIndexes, 'must be less than or equal to completions'));
  }
}

function validateFailurePolicy(
  { podFailurePolicy, template, backoffLimitPerIndex }: JobSpec,
  field: string,
  causes: StatusCause[],
): void {
  const rules = podFailurePolicy?.rules ?? [];
  if (rules.length > maxRules) causes.push(tooMany(`${field}.rules`, rules.length, maxRules));
  const { containers = [], initContainers = [] } = template?.spec ?? {};
  const names = new Set([...containers, ...initContainers].map(({ name }) => name));
  for (const [index, rule] of rules.entries()) {
    validateFailureRule(rule, names, backoffLimitPerIndex !== undefined, `${field}.rules[${index}]`, causes);
  }
}

function validateFailureRule(
  { action, onExitCodes, onPodConditions = [] }: PodFailurePolicyRule,
  containers: ReadonlySet<string>,
  perIndex: boolean,
  field: string,
  causes: StatusCause[],
): void {
  if (action && !actions.includes(action)) causes.push(notSupported(`${field}.action`, action, actions));
  if (action === 'FailIndex' && !perIndex) {
    causes.push(invalid(`${field}.action`, action, 'requires the backoffLimitPerIndex to be set'));
  }
  if (onExitCodes && onPodConditions.length > 0) {
    causes.push(invalid(field, {}, 'specifying both OnExitCodes and OnPodConditions is not supported'));
  }
  if (!onExitCodes && onPodConditions.length === 0) {
    causes.push(invalid(field, {}, 'specifying one of OnExitCodes and OnPodConditions is required'));
  }
  if (!onExitCodes) return;
  const path = `${field}.onExitCodes`;
  const { operator, values = [], containerName } = onExitCodes;
  if (operator && !['In', 'NotIn'].includes(operator)) {
    causes.push(notSupported(`${path}.operator`, operator, ['In', 'NotIn']));
  }
  if (containerName !== undefined && !containers.has(containerName)) {
    const why = 'must be one of the container or initContainer names in the pod template';
    causes.push(invalid(`${path}.containerName`, containerName, why));
  }
  if (values.length === 0) causes.push(invalid(`${path}.values`, values, 'at least one value is required'));
  if (values.length > maxExitCodes) causes.push(tooMany(`${path}.values`, values.length, maxExitCodes));
  if (values.some((value, index) => index > 0 && value < (values[index - 1] ?? value))) {
    causes.push(invalid(`${path}.values`, values, 'must be ordered'));
  }
  const repeated = repeats(values);
  for (const [index, value] of values.entries()) {
    if (repeated.has(index)) causes.push(duplicate(`${path}.values[${index}]`, value));
    if (operator === 'In' && value === 0) {
      causes.push(invalid(`${path}.values[${index}]`, value, 'must not be 0 for the In operator'));
    }
  }
}

function validateSuccessPolicy(
  { successPolicy, completions }: JobSpec,
  field: string,
  indexed: boolean,
  causes: StatusCause[],
): void {
  if (!indexed) causes.push(invalid(field, successPolicy, 'requires indexed completion mode'));
  const rules = successPolicy?.rules ?? [];
  if (rules.length === 0) {
    causes.push(required(`${field}.rules`, 'at least one rules must be specified when the successPolicy is specified'));
  }
  if (rules.length > maxRules) causes.push(tooMany(`${field}.rules`, rules.length, maxRules));
  for (const [index, rule] of rules.entries()) {
    validateSuccessRule(rule, completions, `${field}.rules[${index}]`, causes);
  }
}

function validateSuccessRule(
  { succeededCount, succeededIndexes }: SuccessPolicyRule,
  completions: number | undefined,
  field: string,
  causes: StatusCause[],
): void {
  if (succeededCount === undefined && succeededIndexes === undefined) {
    causes.push(required(field, 'at least one of succeededCount or succeededIndexes must be specified'));
  }
  const count = succeededIndexes === undefined ? undefined : countIndexes(succeededIndexes, completions ?? 0);
  if (typeof count === 'string') {
    causes.push(invalid(`${field}.succeededIndexes`, succeededIndexes, `error parsing succeededIndexes: ${count}`));
  }
  if (succeededCount === undefined) return;
  const path = `${field}.succeededCount`;
  if (succeededCount < 0) causes.push(invalid(path, succeededCount, 'must be greater than or equal to 0'));
  if (completions !== undefined && succeededCount > completions) {
    causes.push(
      invalid(
        path,
        succeededCount,
        `must be less than or equal to ${completions} (the number of specified completions)`,
      ),
    );
  }
  if (typeof count === 'number' && succeededCount > count) {
    causes.push(
      invalid(
        path,
        succeededCount,
        `must be less than or equal to ${count} (the number of indexes in the specified succeededIndexes field)`,
      ),
    );
  }
}

/** The number of indexes in `0,2-4`, or its fault. */
function countIndexes(text: string, completions: number): number | string {
  const indexes = IndexSet.parse(text, completions);
  return typeof indexes === 'string' ? indexes : indexes.size;
}
