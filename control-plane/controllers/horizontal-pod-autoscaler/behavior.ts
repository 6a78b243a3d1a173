import type { HorizontalPodAutoscalerSpec, HPAScalingRules } from '../../../shared/generated/types.ts';

/** The rules of one direction. */
export interface Rules {
  readonly windowMs: number;
  readonly selectPolicy: string;
  readonly policies: readonly Policy[];
}

interface Policy {
  readonly type: string;
  readonly value: number;
  readonly periodMs: number;
}

export interface Behavior {
  readonly up: Rules;
  readonly down: Rules;
}

/** What an autoscaler has computed and done. Times on the monotonic clock, milliseconds. */
export interface Past {
  readonly recommendations: readonly { readonly replicas: number; readonly at: number }[];
  /** `by` undefined: a change of unknown size, by a controller before this one. */
  readonly changes: readonly { readonly by: number | undefined; readonly at: number }[];
}

/** Kubernetes' defaults: up at once, by 4 pods or 100 percent per 15 s; down after five minutes, without a limit. */
export function behaviorOf({ behavior }: HorizontalPodAutoscalerSpec): Behavior {
  const percent = { type: 'Percent', value: 100, periodSeconds: 15 };
  return {
    up: rulesOf(behavior?.scaleUp, 0, [{ type: 'Pods', value: 4, periodSeconds: 15 }, percent]),
    down: rulesOf(behavior?.scaleDown, 300, [percent]),
  };
}

function rulesOf(
  given: HPAScalingRules | undefined,
  windowSeconds: number,
  defaults: NonNullable<HPAScalingRules['policies']>,
): Rules {
  const { stabilizationWindowSeconds = windowSeconds, selectPolicy = 'Max', policies = [] } = given ?? {};
  return {
    windowMs: stabilizationWindowSeconds * 1000,
    selectPolicy,
    policies: (policies.length > 0 ? policies : defaults).map(({ type = '', value = 0, periodSeconds = 0 }) => ({
      type,
      value,
      periodMs: periodSeconds * 1000,
    })),
  };
}

/** The recommendation within the least and the most of the windows (Kubernetes' stabilizeRecommendationWithBehaviors). */
export function stabilized(
  wanted: number,
  current: number,
  { up, down }: Behavior,
  { recommendations }: Past,
  now: number,
): number {
  let [least, most] = [wanted, wanted];
  for (const { replicas, at } of recommendations) {
    if (at > now - up.windowMs) least = Math.min(least, replicas);
    if (at > now - down.windowMs) most = Math.max(most, replicas);
  }
  return Math.min(Math.max(current, least), most);
}

/** The most replicas that the policies for scaling up allow now; never below `current`. */
export function upLimit(current: number, { up }: Behavior, past: Past, now: number): number {
  const limits = limitsOf({ current, rules: up, past, now }, (start, { type, value }) =>
    type === 'Pods' ? start + value : Math.ceil(rounded(start * (1 + value / 100))),
  );
  return Math.max(current, up.selectPolicy === 'Min' ? Math.min(...limits) : Math.max(...limits));
}

/** The fewest replicas that the policies for scaling down allow now; never above `current`. */
export function downLimit(current: number, { down }: Behavior, past: Past, now: number): number {
  const limits = limitsOf({ current, rules: down, past, now }, (start, { type, value }) =>
    type === 'Pods' ? start - value : Math.trunc(rounded(start * (1 - value / 100))),
  );
  return Math.min(current, down.selectPolicy === 'Min' ? Math.max(...limits) : Math.min(...limits));
}

interface LimitInput {
  readonly current: number;
  readonly rules: Rules;
  readonly past: Past;
  readonly now: number;
}

/** What each policy allows, from the replicas at the start of its period. */
function limitsOf(
  { current, rules: { selectPolicy, policies }, past, now }: LimitInput,
  limitBy: (start: number, policy: Policy) => number,
): number[] {
  if (selectPolicy === 'Disabled') return [current];
  return policies.map((policy) => {
    const recent = past.changes.filter(({ at }) => at > now - policy.periodMs);
    if (recent.some(({ by }) => by === undefined)) return current;
    return limitBy(current - recent.reduce((total, { by = 0 }) => total + by, 0), policy);
  });
}

/** Without the error of binary fractions: 10 × 1.1 is 11. */
function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}

/** The past without what no window and no policy needs any more. */
export function pruned({ recommendations, changes }: Past, { up, down }: Behavior, now: number): Past {
  const window = Math.max(up.windowMs, down.windowMs);
  const period = Math.max(...[...up.policies, ...down.policies].map(({ periodMs }) => periodMs));
  return {
    recommendations: recommendations.filter(({ at }) => at > now - window),
    changes: changes.filter(({ at }) => at > now - period),
  };
}
