import type { LabelSelector, PodTemplateSpec, StatusCause } from '../../generated/types.ts';
import { invalid } from '../../schema/causes.ts';
import { matchesLabels, type Selector, selectorOf, validateLabelSelector } from '../../selector.ts';
import { validatePodTemplate } from './pod-validation.ts';

/** The rules of kinds that keep pods of a template: the selector must not be empty, and must select the template's pods. */
export function validateWorkload(
  spec: { selector?: LabelSelector; template?: PodTemplateSpec } | undefined,
  noun: string,
  causes: StatusCause[],
): void {
  validateSelector(spec, noun, causes);
  if (spec?.template) validatePodTemplate(spec.template, 'spec.template', noun, causes);
}

/** The rules of the selector. */
export function validateSelector(
  spec: { selector?: LabelSelector; template?: PodTemplateSpec } | undefined,
  noun: string,
  causes: StatusCause[],
): void {
  const { selector, template } = spec ?? {};
  if (selector) {
    const before = causes.length;
    validateLabelSelector(selector, 'spec.selector', causes);
    const whole = (selector.matchExpressions ?? []).every(({ key, operator }) => key && operator);
    if (whole && causes.length === before) validateMatch(selectorOf(selector), selector, template, noun, causes);
  }
}

/** `shown`: the selector's value for the message. */
export function validateMatch(
  selector: Selector,
  shown: unknown,
  template: PodTemplateSpec | undefined,
  noun: string,
  causes: StatusCause[],
): void {
  if (selector.requirements.length === 0) {
    causes.push(invalid('spec.selector', shown, `empty selector is invalid for ${noun}`));
  } else if (template && !matchesLabels(selector, template.metadata?.labels)) {
    const labels = template.metadata?.labels ?? null;
    causes.push(invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'));
  }
}
