import type { PolicyRule } from '../../../../shared/generated/types.ts';
import type { Attributes } from '../identity.ts';
import { coversPath } from './coverage.ts';

/** Whether a rule allows a request (rbac/v1, "evaluation helpers"). Rules only ever allow. */
export function ruleAllows(rule: PolicyRule, attributes: Attributes): boolean {
  const { verb, group, resource, subresource, name = '', path } = attributes;
  if (!matches(rule.verbs, verb)) return false;
  if (path !== undefined) return allowsPath(rule.nonResourceURLs, path);
  return (
    matches(rule.apiGroups, group) &&
    allowsResource(rule.resources, resource, subresource) &&
    (!rule.resourceNames?.length || rule.resourceNames.includes(name))
  );
}

function matches(allowed: readonly string[] | undefined, value: string): boolean {
  return allowed !== undefined && (allowed.includes(value) || allowed.includes('*'));
}

/** `*` is everything; `pods` is not its subresources; an asterisk before the slash stands for every resource. */
function allowsResource(allowed: readonly string[] = [], resource: string, subresource: string | undefined): boolean {
  if (allowed.includes('*')) return true;
  if (!subresource) return allowed.includes(resource);
  return allowed.includes(`${resource}/${subresource}`) || allowed.includes(`*/${subresource}`);
}

function allowsPath(allowed: readonly string[] = [], path: string): boolean {
  return allowed.some((one) => coversPath(one, path));
}

/** Merges rules for one resource that differ only in their verb, as `uncoveredBy` finds them (`policy_compact.go`). */
export function compacted(parts: readonly PolicyRule[]): PolicyRule[] {
  const others: PolicyRule[] = [];
  const simple = new Map<string, PolicyRule & { verbs: string[] }>();
  for (const rule of parts) {
    const { apiGroups, resources, resourceNames, nonResourceURLs, verbs } = rule;
    if (resourceNames || nonResourceURLs) {
      others.push(rule);
      continue;
    }
    const key = JSON.stringify([apiGroups, resources]);
    const found = simple.get(key);
    if (found) for (const verb of verbs) found.verbs.push(verb);
    else simple.set(key, { ...rule, verbs: [...verbs] });
  }
  return [...others, ...simple.values()];
}

/** `{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}` */
export function ruleText({ apiGroups, resources, nonResourceURLs, resourceNames, verbs }: PolicyRule): string {
  const parts = [
    ['APIGroups', apiGroups],
    ['Resources', resources],
    ['NonResourceURLs', nonResourceURLs],
    ['ResourceNames', resourceNames],
    ['Verbs', verbs],
  ] as const;
  const shown = parts.flatMap(([name, values]) => (values?.length ? [`${name}:${quoted(values)}`] : []));
  return `{${shown.join(', ')}}`;
}

/** A list as Go's %q prints it. */
export function quoted(values: readonly string[]): string {
  return `[${values.map((value) => JSON.stringify(value)).join(' ')}]`;
}
