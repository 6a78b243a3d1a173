import type {
  CrossVersionObjectReference,
  HorizontalPodAutoscaler,
  HPAScalingRules,
  MetricIdentifier,
  MetricSpec,
  MetricTarget,
  StatusCause,
} from '../../generated/types.ts';
import { compareQuantities } from '../../quantity.ts';
import { forbidden, invalid, notSupported, required } from '../../schema/causes.ts';
import { validateLabelSelector } from '../../selector.ts';

const maxWindowSeconds = 3600;
const maxPeriodSeconds = 1800;
/** The field of each type of metric. */
const sources: Readonly<Record<string, keyof MetricSpec>> = {
  ContainerResource: 'containerResource',
  External: 'external',
  Object: 'object',
  Pods: 'pods',
  Resource: 'resource',
};

/** The rules of an autoscaler, in the words of Kubernetes' autoscaling validation. */
export function validateAutoscaler({ spec }: HorizontalPodAutoscaler, causes: StatusCause[]): void {
  if (!spec) return;
  const { minReplicas, maxReplicas = 0, scaleTargetRef, metrics = [], behavior } = spec;
  if (minReplicas !== undefined && minReplicas < 1) {
    causes.push(invalid('spec.minReplicas', minReplicas, 'must be greater than or equal to 1'));
  }
  if (maxReplicas < 1) causes.push(invalid('spec.maxReplicas', maxReplicas, 'must be greater than 0'));
  if (minReplicas !== undefined && maxReplicas < minReplicas) {
    causes.push(invalid('spec.maxReplicas', maxReplicas, 'must be greater than or equal to `minReplicas`'));
  }
  validateReference(scaleTargetRef, 'spec.scaleTargetRef', causes);
  for (const [index, metric] of metrics.entries()) validateMetric(metric, `spec.metrics[${index}]`, causes);
  for (const part of ['scaleUp', 'scaleDown'] as const) {
    const rules = behavior?.[part];
    if (rules) validateRules(rules, `spec.behavior.${part}`, causes);
  }
}

function validateReference(
  reference: CrossVersionObjectReference | undefined,
  field: string,
  causes: StatusCause[],
): void {
  for (const part of ['kind', 'name'] as const) {
    const value = reference?.[part] ?? '';
    if (value === '') causes.push(required(`${field}.${part}`));
    else if (/[/%]/.test(value)) {
      causes.push(invalid(`${field}.${part}`, value, `may not contain '${value.includes('/') ? '/' : '%'}'`));
    }
  }
}

function validateMetric(metric: MetricSpec, field: string, causes: StatusCause[]): void {
  const { type = '' } = metric;
  if (type === '') {
    causes.push(required(`${field}.type`, 'must specify a metric source type'));
    return;
  }
  const wanted = Object.hasOwn(sources, type) ? sources[type] : undefined;
  if (!wanted) {
    causes.push(notSupported(`${field}.type`, type, Object.keys(sources)));
    return;
  }
  if (metric[wanted] === undefined) {
    causes.push(required(`${field}.${wanted}`, 'must populate information for the given metric source'));
  }
  for (const other of Object.values(sources)) {
    if (other === wanted || metric[other] === undefined) continue;
    causes.push(forbidden(`${field}.${other}`, 'must populate the given metric source only'));
  }
  const { object, pods, resource, containerResource, external } = metric;
  if (wanted === 'object' && object) {
    validateReference(object.describedObject, `${field}.object.describedObject`, causes);
    validateIdentifier(object.metric, `${field}.object.metric`, causes);
    validateValue(object.target, `${field}.object.target`, 'must set either a target value or averageValue', causes);
  }
  if (wanted === 'external' && external) {
    validateIdentifier(external.metric, `${field}.external.metric`, causes);
    const why = 'must set either a target value for metric or a per-pod target';
    validateValue(external.target, `${field}.external.target`, why, causes);
    if (external.target?.value !== undefined && external.target.averageValue !== undefined) {
      const both = 'may not set both a target value for metric and a per-pod target';
      causes.push(forbidden(`${field}.external.target.value`, both));
    }
  }
  if (wanted === 'pods' && pods) {
    validateIdentifier(pods.metric, `${field}.pods.metric`, causes);
    validateTarget(pods.target, `${field}.pods.target`, causes);
    if (pods.target?.averageValue === undefined) {
      causes.push(required(`${field}.pods.target.averageValue`, 'must specify a positive target averageValue'));
    }
  }
  if (wanted === 'resource' && resource) validateResource(resource, `${field}.resource`, causes);
  if (wanted === 'containerResource' && containerResource) {
    if (!containerResource.container) {
      causes.push(required(`${field}.containerResource.container`, 'must specify a container name'));
    }
    validateResource(containerResource, `${field}.containerResource`, causes);
  }
}

function validateResource(
  { name, target }: { name?: string; target?: MetricTarget },
  field: string,
  causes: StatusCause[],
): void {
  if (!name) causes.push(required(`${field}.name`, 'must specify a resource name'));
  validateTarget(target, `${field}.target`, causes);
  const { averageUtilization, averageValue } = target ?? {};
  if (averageUtilization === undefined && averageValue === undefined) {
    const why = 'must set either a target raw value or a target utilization';
    causes.push(required(`${field}.target.averageUtilization`, why));
  }
  if (averageUtilization !== undefined && averageValue !== undefined) {
    const why = 'may not set both a target raw value and a target utilization';
    causes.push(forbidden(`${field}.target.averageValue`, why));
  }
}

function validateValue(target: MetricTarget | undefined, field: string, missing: string, causes: StatusCause[]): void {
  validateTarget(target, field, causes);
  if (target?.value === undefined && target?.averageValue === undefined) {
    causes.push(required(`${field}.averageValue`, missing));
  }
}

function validateTarget(target: MetricTarget | undefined, field: string, causes: StatusCause[]): void {
  const { type = '', value, averageValue, averageUtilization } = target ?? {};
  if (type === '') causes.push(required(`${field}.type`, 'must specify a metric target type'));
  else if (!['Utilization', 'Value', 'AverageValue'].includes(type)) {
    causes.push(invalid(`${field}.type`, type, 'must be either Utilization, Value, or AverageValue'));
  }
  for (const [part, amount] of Object.entries({ value, averageValue })) {
    if (amount === undefined || compareQuantities(amount, '0') > 0) continue;
    causes.push(invalid(`${field}.${part}`, amount, 'must be positive'));
  }
  if (averageUtilization !== undefined && averageUtilization < 1) {
    causes.push(invalid(`${field}.averageUtilization`, averageUtilization, 'must be greater than 0'));
  }
}

function validateIdentifier(metric: MetricIdentifier | undefined, field: string, causes: StatusCause[]): void {
  const { name = '', selector } = metric ?? {};
  if (name === '') causes.push(required(`${field}.name`, 'must specify a metric name'));
  else if (/[/%]/.test(name)) {
    causes.push(invalid(`${field}.name`, name, `may not contain '${name.includes('/') ? '/' : '%'}'`));
  }
  if (selector) validateLabelSelector(selector, `${field}.selector`, causes);
}

function validateRules(rules: HPAScalingRules, field: string, causes: StatusCause[]): void {
  const { stabilizationWindowSeconds: window, selectPolicy, policies = [] } = rules;
  if (window !== undefined && window < 0) {
    causes.push(invalid(`${field}.stabilizationWindowSeconds`, window, 'must be greater than or equal to zero'));
  }
  if (window !== undefined && window > maxWindowSeconds) {
    const why = `must be less than or equal to ${maxWindowSeconds}`;
    causes.push(invalid(`${field}.stabilizationWindowSeconds`, window, why));
  }
  const choices = ['Disabled', 'Max', 'Min'];
  if (selectPolicy !== undefined && !choices.includes(selectPolicy)) {
    causes.push(notSupported(`${field}.selectPolicy`, selectPolicy, choices));
  }
  if (policies.length === 0) causes.push(required(`${field}.policies`, 'must specify at least one Policy'));
  for (const [index, { type, value = 0, periodSeconds = 0 }] of policies.entries()) {
    const path = `${field}.policies[${index}]`;
    if (type !== 'Pods' && type !== 'Percent') {
      causes.push(notSupported(`${path}.type`, type ?? '', ['Percent', 'Pods']));
    }
    if (value <= 0) causes.push(invalid(`${path}.value`, value, 'must be greater than zero'));
    if (periodSeconds <= 0) causes.push(invalid(`${path}.periodSeconds`, periodSeconds, 'must be greater than zero'));
    if (periodSeconds > maxPeriodSeconds) {
      const why = `must be less than or equal to ${maxPeriodSeconds}`;
      causes.push(invalid(`${path}.periodSeconds`, periodSeconds, why));
    }
  }
}
