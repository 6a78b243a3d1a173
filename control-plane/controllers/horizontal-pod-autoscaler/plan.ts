import { formatTime } from '../../../shared/clock.ts';
import type {
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerCondition,
  HorizontalPodAutoscalerStatus,
  MetricStatus,
} from '../../../shared/generated/types.ts';
import { withCondition } from '../../../shared/pod.ts';
import { behaviorOf, downLimit, type Past, stabilized, upLimit } from './behavior.ts';
import type { MetricResult } from './metrics.ts';

export interface AutoscalerState {
  readonly autoscaler: HorizontalPodAutoscaler;
  /** The replicas that the target has, or why it could not be read. */
  readonly current: number | { readonly fault: string };
  /** What the metrics say; a fault when they could not be asked. Not needed when the target is out of bounds. */
  readonly metrics: readonly MetricResult[] | SelectorFault;
  readonly past: Past;
  /** On the monotonic clock of `past`, milliseconds. */
  readonly at: number;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** Why the pods of the target are not known. */
export interface SelectorFault {
  /** Of the event. */
  readonly event: string;
  readonly reason: string;
  readonly message: string;
  readonly error: string;
}

export interface AutoscalerPlan {
  /** The replicas to set, with the reason for people. */
  readonly scale?: { readonly replicas: number; readonly reason: string };
  /** The status, if the scaling succeeds. */
  readonly status: HorizontalPodAutoscalerStatus;
  readonly events: readonly { readonly reason: string; readonly message: string }[];
  /** The replicas by the metrics, before all limits. */
  readonly recommendation?: number;
}

type Conditions = readonly HorizontalPodAutoscalerCondition[];

/** Decides how many replicas an autoscaler's target should have (Kubernetes' reconcileAutoscaler). Events are warnings. */
export function planAutoscaler(state: AutoscalerState): AutoscalerPlan {
  const { autoscaler, current, now } = state;
  const { minReplicas: min = 1, maxReplicas: max = 1 } = autoscaler.spec;
  const before: HorizontalPodAutoscalerStatus = autoscaler.status ?? {};
  const set = (conditions: Conditions | undefined, type: string, [status, reason, message]: Words): Conditions =>
    withCondition(conditions ?? [], { type, status, reason, message, lastTransitionTime: formatTime(now) });
  if (typeof current !== 'number') {
    const message = `the HPA controller was unable to get the target's current scale: ${current.fault}`;
    const conditions = set(before.conditions, 'AbleToScale', ['False', 'FailedGetScale', message]);
    return {
      status: { ...before, conditions: [...conditions] },
      events: [{ reason: 'FailedGetScale', message: current.fault }],
    };
  }
  const seen = "the HPA controller was able to get the target's current scale";
  let conditions = set(before.conditions, 'AbleToScale', ['True', 'SucceededGetScale', seen]);
  const statusWith = (more: HorizontalPodAutoscalerStatus): HorizontalPodAutoscalerStatus => {
    const { lastScaleTime } = before;
    return {
      ...(lastScaleTime ? { lastScaleTime } : {}),
      currentReplicas: current,
      ...more,
      conditions: [...conditions],
    };
  };
  const rescaled = (replicas: number, reason: string, currentMetrics?: MetricStatus[]) => {
    const message = `the HPA controller was able to update the target scale to ${replicas}`;
    conditions = set(conditions, 'AbleToScale', ['True', 'SucceededRescale', message]);
    const metrics = currentMetrics ? { currentMetrics } : {};
    const status = statusWith({ desiredReplicas: replicas, lastScaleTime: formatTime(now), ...metrics });
    return { scale: { replicas, reason }, status };
  };
  if (current === 0 && min !== 0) {
    const message = 'scaling is disabled since the replica count of the target is zero';
    conditions = set(conditions, 'ScalingActive', ['False', 'ScalingDisabled', message]);
    return { status: statusWith({ desiredReplicas: 0 }), events: [] };
  }
  if (current > max) return { ...rescaled(max, 'Current number of replicas above Spec.MaxReplicas'), events: [] };
  if (current < min) return { ...rescaled(min, 'Current number of replicas below Spec.MinReplicas'), events: [] };

  const combined = combine(state, current);
  conditions = set(conditions, 'ScalingActive', combined.active);
  const { currentMetrics, events, best } = combined;
  const measured = currentMetrics ? { currentMetrics } : {};
  if (!best) return { status: statusWith({ desiredReplicas: before.desiredReplicas ?? 0, ...measured }), events };
  const limited = withinLimits(state, { current, wanted: best.replicas, min, max });
  conditions = set(conditions, 'AbleToScale', limited.able);
  conditions = set(conditions, 'ScalingLimited', limited.limited);
  const recommendation = best.replicas;
  if (limited.replicas === current) {
    return { status: statusWith({ desiredReplicas: current, ...measured }), events, recommendation };
  }
  const reason = best.replicas > current ? `${best.name} above target` : 'All metrics below target';
  return { ...rescaled(limited.replicas, reason, currentMetrics), events, recommendation };
}

/** A condition's status, reason and message. */
type Words = readonly [status: 'True' | 'False', reason: string, message: string];

interface Combined {
  readonly best?: { readonly replicas: number; readonly name: string };
  readonly active: Words;
  readonly currentMetrics?: MetricStatus[];
  readonly events: readonly { readonly reason: string; readonly message: string }[];
}

/** The metric that asks for most. One that fails holds back a scale-down. */
function combine({ metrics }: AutoscalerState, current: number): Combined {
  if ('error' in metrics) {
    const { event, reason, message, error } = metrics;
    const events = [
      { reason: event, message: error },
      { reason: 'FailedComputeMetricsReplicas', message: error },
    ];
    return { active: ['False', reason, message], events };
  }
  const currentMetrics = metrics.map((one) => ('status' in one ? one.status : { type: '' }));
  const failed = metrics.flatMap((one) => ('status' in one ? [] : [one]));
  const events = failed.map(({ reason, message }) => ({ reason, message }));
  let best: { replicas: number; name: string } | undefined;
  for (const one of metrics) {
    if ('status' in one && (!best || best.replicas === 0 || one.replicas > best.replicas)) best = one;
  }
  const [first] = failed;
  if (first && (!best || best.replicas < current)) {
    const message = `invalid metrics (${failed.length} invalid out of ${metrics.length}), first error is: ${first.first}`;
    const why = `the HPA was unable to compute the replica count: ${first.message}`;
    return {
      active: ['False', first.reason, why],
      currentMetrics,
      events: [...events, { reason: 'FailedComputeMetricsReplicas', message }],
    };
  }
  const found = `the HPA was able to successfully calculate a replica count from ${best?.name ?? ''}`;
  return { ...(best ? { best } : {}), active: ['True', 'ValidMetricFound', found], currentMetrics, events };
}

interface Wanted {
  readonly current: number;
  readonly wanted: number;
  readonly min: number;
  readonly max: number;
}

interface Limited {
  readonly replicas: number;
  readonly able: Words;
  readonly limited: Words;
}

/** The wanted replicas after stabilization, policies and bounds. */
function withinLimits({ autoscaler, past, at }: AutoscalerState, { current, wanted, min, max }: Wanted): Limited {
  const behavior = behaviorOf(autoscaler.spec);
  const stable = stabilized(wanted, current, behavior, past, at);
  const able: Words =
    stable === wanted
      ? ['True', 'ReadyForNewScale', 'recommended size matches current size']
      : wanted >= current
        ? ['True', 'ScaleUpStabilized', recent('lower', 'lowest')]
        : ['True', 'ScaleDownStabilized', recent('higher', 'highest')];
  const up = upLimit(current, behavior, past, at);
  const down = downLimit(current, behavior, past, at);
  if (stable > Math.min(up, max) && stable > current) {
    const limited: Words =
      up < max
        ? ['True', 'ScaleUpLimit', 'the desired replica count is increasing faster than the maximum scale rate']
        : ['True', 'TooManyReplicas', 'the desired replica count is more than the maximum replica count'];
    return { replicas: Math.min(up, max), able, limited };
  }
  if (stable < Math.max(down, min) && stable < current) {
    const limited: Words =
      down > min
        ? ['True', 'ScaleDownLimit', 'the desired replica count is decreasing faster than the maximum scale rate']
        : ['True', 'TooFewReplicas', 'the desired replica count is less than the minimum replica count'];
    return { replicas: Math.max(down, min), able, limited };
  }
  const inside: Words = ['False', 'DesiredWithinRange', 'the desired count is within the acceptable range'];
  return { replicas: stable, able, limited: inside };
}

function recent(were: string, applied: string): string {
  return `recent recommendations were ${were} than current one, applying the ${applied} recent recommendation`;
}
