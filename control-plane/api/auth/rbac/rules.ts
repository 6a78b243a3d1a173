import type { PolicyRule } from '../../../../shared/generated/types.ts';
import type { Attributes } from '../../identity.ts';

/** What a cluster's administrators hold. */
export const everything: readonly PolicyRule[] = [
  { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
  { nonResourceURLs: ['*'], verbs: ['*'] },
];

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

function matches(allowed: readonly string[] | undefined, asked: string): boolean {
  return allowed !== undefined && (allowed.includes(asked) || allowed.includes('*'));
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

function coversPath(allowed: string, path: string): boolean {
  return allowed === path || (allowed.endsWith('*') && path.startsWith(allowed.replace(/\*+$/, '')));
}

/** What of `wanted` the `held` rules do not allow, broken down to single verbs, resources and names. */
export function uncovered(held: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  return wanted.flatMap(breakDown).filter((part) => !held.some((rule) => covers(rule, part)));
}

function breakDown({ verbs, apiGroups, resources, resourceNames, nonResourceURLs }: PolicyRule): PolicyRule[] {
  const parts: PolicyRule[] = [];
  for (const group of apiGroups ?? []) {
    for (const resource of resources ?? []) {
      for (const verb of verbs) {
        const part = { apiGroups: [group], resources: [resource], verbs: [verb] };
        if (!resourceNames?.length) parts.push(part);
        else for (const name of resourceNames) parts.push({ ...part, resourceNames: [name] });
      }
    }
  }
  for (const url of nonResourceURLs ?? []) {
    for (const verb of verbs) parts.push({ nonResourceURLs: [url], verbs: [verb] });
  }
  return parts;
}

/** Whether `rule` allows all of `part`, which names one thing only (component-helpers, `policy_comparator.go`). */
function covers(rule: PolicyRule, part: PolicyRule): boolean {
  if (!matchesAll(rule.verbs, part.verbs)) return false;
  const [url] = part.nonResourceURLs ?? [];
  if (url !== undefined) return rule.nonResourceURLs?.some((one) => coversPath(one, url)) ?? false;
  if (!matchesAll(rule.apiGroups, part.apiGroups)) return false;
  for (const resource of part.resources ?? []) if (!coversResource(rule.resources, resource)) return false;
  if (!rule.resourceNames?.length) return true;
  return part.resourceNames?.every((name) => rule.resourceNames?.includes(name)) ?? false;
}

function matchesAll(allowed: readonly string[] | undefined, asked: readonly string[] | undefined): boolean {
  return asked?.every((one) => matches(allowed, one)) ?? false;
}

function coversResource(allowed: readonly string[] = [], resource: string): boolean {
  if (allowed.includes('*') || allowed.includes(resource)) return true;
  const slash = resource.indexOf('/');
  return slash >= 0 && allowed.includes(`*/${resource.slice(slash + 1)}`);
}

/** Rules for one resource each that differ in their verbs only, made one (`policy_compact.go`). */
export function compacted(rules: readonly PolicyRule[]): PolicyRule[] {
  const others: PolicyRule[] = [];
  const simple = new Map<string, PolicyRule>();
  for (const rule of rules) {
    const { apiGroups, resources, resourceNames, nonResourceURLs, verbs } = rule;
    if (resourceNames?.length || nonResourceURLs?.length || apiGroups?.length !== 1 || resources?.length !== 1) {
      others.push(rule);
      continue;
    }
    const key = `${apiGroups[0]}/${resources[0]}`;
    const found = simple.get(key);
    simple.set(key, found ? { ...found, verbs: [...found.verbs, ...verbs] } : rule);
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
