import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PolicyRule } from '../../../../shared/generated/types.ts';
import { coversPath, unbounded, uncoveredBy } from './coverage.ts';
import { ruleAllows } from './rules.ts';

const bounds = { parts: 256, work: 10_000_000 };
const names = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${prefix}${i}`);
const wide = (count: number): PolicyRule => ({
  apiGroups: names('g', count),
  resources: names('r', count),
  verbs: names('v', count),
  resourceNames: names('n', count),
});

describe('the uncovered part of a set of rules', () => {
  it('is what the other rules do not allow, part by part', () => {
    const some = (of: string[]) => fc.subarray(of, { minLength: 1 });
    const rule: fc.Arbitrary<PolicyRule> = fc.oneof(
      fc.record({
        apiGroups: some(['', 'apps', '*']),
        resources: some(['pods', 'pods/log', '*/log', '*']),
        verbs: some(['get', 'list', '*']),
        resourceNames: fc.option(some(['a', 'b', 'c']), { nil: undefined }),
      }),
      fc.record({ nonResourceURLs: some(['/a', '/a/*', '/b', '*']), verbs: some(['get', 'post']) }),
    );
    const key = (part: PolicyRule) => JSON.stringify(Object.entries(part).sort());
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 4 }), fc.array(rule, { maxLength: 3 }), (held, wanted) => {
        const broken = wanted.flatMap(brokenDown);
        const missing = broken.filter((part) => !held.some((one) => allows(one, part)));
        const found = uncoveredBy(held, wanted, unbounded);
        expect(new Set(found.parts.map(key))).toEqual(new Set(missing.map(key)));
        expect(found.cut).toBeUndefined();
      }),
    );
  });

  it('of a rule whose lists multiply to 65 million is computed without multiplying them', () => {
    expect(uncoveredBy([wide(90)], [wide(90)], bounds)).toEqual({ parts: [] });
    expect(uncoveredBy([], [wide(90)], bounds)).toMatchObject({ parts: { length: 256 }, cut: 'parts' });
    const almost = { ...wide(90), verbs: names('v', 89) };
    expect(uncoveredBy([almost], [wide(90)], bounds).parts).toContainEqual({
      apiGroups: ['g0'],
      resources: ['r0'],
      verbs: ['v89'],
      resourceNames: ['n0'],
    });
    const halves = [
      { ...wide(90), verbs: names('v', 90).slice(0, 45) },
      { ...wide(90), verbs: names('v', 90).slice(45) },
    ];
    expect(uncoveredBy(halves, [wide(90)], bounds)).toEqual({ parts: [] });
  });

  it('is given up by name when each rule allows other combinations', () => {
    const held = Array.from({ length: 60 }, (_, i) => {
      const without = (list: string[]) => list.filter((_one, at) => at !== i);
      const { apiGroups = [], resources = [], verbs, resourceNames = [] } = wide(60);
      return [
        { ...wide(60), apiGroups: without(apiGroups) },
        { ...wide(60), resources: without(resources) },
        { ...wide(60), verbs: without(verbs) },
        { ...wide(60), resourceNames: without(resourceNames), apiGroups: [`g${i}`] },
      ];
    }).flat();
    const found = uncoveredBy(held, [{ ...wide(60), resources: [...names('r', 60), 'other'] }], {
      ...bounds,
      work: 2_000,
    });
    expect(found.cut).toBe('work');
  });

  it('does not depend on how many stars end a path', () => {
    const stars = `/${'*'.repeat(1_000_000)}`;
    expect(coversPath(stars, '/a')).toBe(true);
    expect(coversPath(`${stars}a*`, '/a')).toBe(false);
  });
});

/** All combinations of a rule's lists. */
function brokenDown(rule: PolicyRule): PolicyRule[] {
  const { verbs, apiGroups = [], resources = [], resourceNames, nonResourceURLs = [] } = rule;
  const parts: PolicyRule[] = [];
  for (const verb of verbs) {
    for (const group of apiGroups) {
      for (const resource of resources) {
        const part = { apiGroups: [group], resources: [resource], verbs: [verb] };
        if (!resourceNames?.length) parts.push(part);
        else for (const name of resourceNames) parts.push({ ...part, resourceNames: [name] });
      }
    }
    for (const url of nonResourceURLs) parts.push({ nonResourceURLs: [url], verbs: [verb] });
  }
  return parts;
}

/** Kubernetes' `ruleCovers`, for a part. */
function allows(rule: PolicyRule, part: PolicyRule): boolean {
  const [verb = ''] = part.verbs;
  const [path] = part.nonResourceURLs ?? [];
  if (path !== undefined) {
    const paths = rule.nonResourceURLs ?? [];
    return rule.verbs.some((one) => one === '*' || one === verb) && paths.some((one) => coversPath(one, path));
  }
  const [group = ''] = part.apiGroups ?? [];
  const [whole = ''] = part.resources ?? [];
  const [resource = '', subresource] = whole.split('/');
  const [name] = part.resourceNames ?? [];
  if (name === undefined && rule.resourceNames?.length) return false;
  if (resource === '*' && subresource) {
    return ruleAllows(
      { ...rule, resources: (rule.resources ?? []).filter((one) => one === '*' || one === whole) },
      { verb, group, resource, subresource, name },
    );
  }
  return ruleAllows(rule, { verb, group, resource, subresource, name });
}
