import type { PolicyRule } from '../../../../shared/generated/types.ts';
import { withoutEnding } from '../../../../shared/text.ts';

/** The part of some rules that other rules do not allow. */
export interface Uncovered {
  /** Rules of one verb and one resource, name or path; at most as many as the caller's limit. */
  readonly parts: readonly PolicyRule[];
  /** Not all of them: there are more than the limit, or finding them takes too many comparisons. */
  readonly cut?: 'parts' | 'work';
}

/** The most parts to return, and comparisons of a rule with a value. */
export interface CoverageBounds {
  readonly parts: number;
  readonly work: number;
}

/** For rules that no client has written. */
export const unbounded: CoverageBounds = { parts: Number.POSITIVE_INFINITY, work: Number.POSITIVE_INFINITY };

/**
 * The part of `wanted` that the `held` rules do not allow (component-helpers, `policy_comparator.go`). Kubernetes breaks each rule
 * down into all combinations of its lists, which multiply; here values that the same rules allow are compared once, and what one
 * rule allows as a whole not at all.
 */
export function uncoveredBy(
  held: readonly PolicyRule[],
  wanted: readonly PolicyRule[],
  bounds: CoverageBounds,
): Uncovered {
  const byVerb = new Map<string, Held[]>();
  for (const [id, rule] of held.entries()) {
    const one = new Held(id, rule);
    for (const verb of one.verbs) {
      const there = byVerb.get(verb);
      if (there) there.push(one);
      else byVerb.set(verb, [one]);
    }
  }
  const search: Search = { parts: bounds.parts, work: bounds.work };
  const parts: PolicyRule[] = [];
  for (const rule of wanted) {
    const candidates = new Set(['*', ...rule.verbs].flatMap((verb) => byVerb.get(verb) ?? []));
    for (const dimensions of [resourceDimensions(rule), pathDimensions(rule)]) {
      const found = new Combinations(dimensions, search).uncovered([...candidates], 0);
      if (search.work < 0) return { parts, cut: 'work' };
      for (const part of found) {
        if (parts.length === bounds.parts) return { parts, cut: 'parts' };
        parts.push(part);
      }
    }
  }
  return { parts };
}

/** The parts and comparisons that are left. */
interface Search {
  readonly parts: number;
  work: number;
}

/** A rule that a user holds, with sets for its lists. */
class Held {
  readonly id: number;
  readonly verbs: ReadonlySet<string>;
  readonly groups: ReadonlySet<string>;
  readonly resources: ReadonlySet<string>;
  /** Empty: all names. */
  readonly names: ReadonlySet<string>;
  readonly paths: readonly string[];

  constructor(id: number, { verbs, apiGroups, resources, resourceNames, nonResourceURLs = [] }: PolicyRule) {
    this.id = id;
    this.verbs = new Set(verbs);
    this.groups = new Set(apiGroups);
    this.resources = new Set(resources);
    this.names = new Set(resourceNames);
    this.paths = nonResourceURLs;
  }
}

/** One of the lists that a rule combines. */
interface Dimension {
  /** Without repetitions. */
  readonly values: readonly string[];
  /** Whether a rule allows a value of this dimension. */
  readonly allows: (rule: Held, value: string) => boolean;
  readonly part: (value: string) => Partial<PolicyRule>;
}

class Combinations {
  readonly #dimensions: readonly Dimension[];
  readonly #search: Search;

  constructor(dimensions: readonly Dimension[], search: Search) {
    this.#dimensions = dimensions;
    this.#search = search;
  }

  /** The combinations from a dimension on that none of the rules allows; all of them allow the values chosen before. */
  uncovered(rules: readonly Held[], from: number): PolicyRule[] {
    const dimension = this.#dimensions[from];
    if (!dimension) return rules.length > 0 ? [] : [{ verbs: [] }];
    if (rules.some((rule) => this.#allowsAll(rule, from))) return [];
    const cached = new Map<string, readonly PolicyRule[]>();
    const found: PolicyRule[] = [];
    for (const value of dimension.values) {
      const allowing = rules.filter((rule) => this.#allows(dimension, rule, value));
      if (this.#search.work < 0) return found;
      const key = allowing.map(({ id }) => id).join();
      const rest = cached.get(key) ?? this.uncovered(allowing, from + 1);
      cached.set(key, rest);
      for (const part of rest) {
        found.push({ ...part, ...dimension.part(value) });
        if (found.length > this.#search.parts) return found;
      }
    }
    return found;
  }

  #allowsAll(rule: Held, from: number): boolean {
    return this.#dimensions
      .slice(from)
      .every((dimension) => dimension.values.every((value) => this.#allows(dimension, rule, value)));
  }

  #allows({ allows }: Dimension, rule: Held, value: string): boolean {
    this.#search.work -= 1 + rule.paths.length;
    return this.#search.work >= 0 && allows(rule, value);
  }
}

function resourceDimensions({ verbs, apiGroups = [], resources = [], resourceNames }: PolicyRule): Dimension[] {
  return [
    {
      values: [...new Set(apiGroups)],
      allows: ({ groups }, value) => groups.has(value) || groups.has('*'),
      part: (value) => ({ apiGroups: [value] }),
    },
    {
      values: [...new Set(resources)],
      allows: coversResource,
      part: (value) => ({ resources: [value] }),
    },
    verbsOf(verbs),
    namesOf(resourceNames),
  ];
}

function pathDimensions({ verbs, nonResourceURLs = [] }: PolicyRule): Dimension[] {
  const paths: Dimension = {
    values: [...new Set(nonResourceURLs)],
    allows: (rule, value) => rule.paths.some((one) => coversPath(one, value)),
    part: (value) => ({ nonResourceURLs: [value] }),
  };
  return [paths, verbsOf(verbs)];
}

function verbsOf(verbs: readonly string[]): Dimension {
  return {
    values: [...new Set(verbs)],
    allows: (rule, value) => rule.verbs.has(value) || rule.verbs.has('*'),
    part: (value) => ({ verbs: [value] }),
  };
}

/** A rule without names is for all names; only another such rule allows it. */
function namesOf(names: readonly string[] | undefined): Dimension {
  if (!names?.length) return { values: [''], allows: (rule) => rule.names.size === 0, part: () => ({}) };
  return {
    values: [...new Set(names)],
    allows: (rule, value) => rule.names.size === 0 || rule.names.has(value),
    part: (value) => ({ resourceNames: [value] }),
  };
}

export function coversPath(allowed: string, path: string): boolean {
  return allowed === path || (allowed.endsWith('*') && path.startsWith(withoutEnding(allowed, '*')));
}

function coversResource({ resources }: Held, resource: string): boolean {
  if (resources.has('*') || resources.has(resource)) return true;
  const slash = resource.indexOf('/');
  return slash >= 0 && resources.has(`*/${resource.slice(slash + 1)}`);
}
