import { isDeepStrictEqual } from 'node:util';
import { formatTime, parseTime } from '../../../shared/clock.ts';
import { messageOf } from '../../../shared/errors.ts';
import type { HorizontalPodAutoscaler, HorizontalPodAutoscalerStatus, Pod } from '../../../shared/generated/types.ts';
import type { Change } from '../../../shared/informer.ts';
import { keyOf } from '../../../shared/object.ts';
import { withCondition } from '../../../shared/pod.ts';
import { formatSelector, matchesLabels } from '../../../shared/selector.ts';
import type { Controller, ControllerDeps } from '../controller.ts';
import { Expectations, unsatisfiedRequeueMs } from '../expectations.ts';
import { statusPatch } from '../status-patch.ts';
import { behaviorOf, type Past, pruned } from './behavior.ts';
import { evaluate, type MetricInput, type MetricResult, needsUsage } from './metrics.ts';
import { type AutoscalerPlan, planAutoscaler, type SelectorFault } from './plan.ts';
import { MetricFault } from './replicas.ts';
import { rivalsOf, type Target, targetOf } from './target.ts';

/** How often an autoscaler computes: Kubernetes' --horizontal-pod-autoscaler-sync-period. */
const intervalMs = 15_000;

interface Memory {
  /** Absent until the target was found. */
  readonly past?: Past;
  /** When it computes next, on the monotonic clock. */
  readonly dueAt: number;
}

/** Sets the replicas of autoscalers' targets by the usage of their pods, every 15 seconds. */
export function createHorizontalPodAutoscalerController(deps: ControllerDeps): Controller {
  const { client, informers, clock, events } = deps;
  const autoscalers = informers.of('HorizontalPodAutoscaler');
  const pods = informers.of('Pod');
  const expectations = new Expectations(clock);
  /** By uid. */
  const memories = new Map<string, Memory>();

  function* keysOf({ key, before, after }: Change): Iterable<string> {
    if (before && before.metadata.uid !== after?.metadata.uid) memories.delete(before.metadata.uid);
    if (after) yield key;
  }

  async function reconcile(key: string): Promise<number | undefined> {
    const autoscaler = autoscalers.get(key);
    if (!autoscaler || autoscaler.metadata.deletionTimestamp) return undefined;
    if (!expectations.satisfied(key, informers.revision)) return unsatisfiedRequeueMs;
    const at = clock.monotonic();
    const memory = memories.get(autoscaler.metadata.uid);
    if (memory && memory.dueAt > at) return memory.dueAt - at;
    const target = targetOf(autoscaler, informers);
    const found = typeof target === 'string' ? undefined : target;
    const past = memory?.past ?? pastOf(autoscaler, found, at);
    const metrics = found ? await measure(autoscaler, found) : [];
    const current = typeof target === 'string' ? { fault: target } : target.replicas;
    const plan = planAutoscaler({ autoscaler, current, metrics, past, at, now: clock.now() });
    for (const { reason, message } of plan.events) events.event(autoscaler, 'Warning', reason, message);
    const failure = await carryOut(autoscaler, found, plan);
    const changed = plan.scale && !failure && found ? plan.scale.replicas - found.replicas : 0;
    if (found) remember(autoscaler, past, { at, recommendation: plan.recommendation, changed });
    else memories.set(autoscaler.metadata.uid, { dueAt: at + intervalMs });
    await writeStatus(autoscaler, failure ? failedStatus(autoscaler, plan, failure) : plan.status);
    return intervalMs;
  }

  function remember(
    { metadata, spec }: HorizontalPodAutoscaler,
    { recommendations, changes }: Past,
    step: { readonly at: number; readonly recommendation: number | undefined; readonly changed: number },
  ): void {
    const { at, recommendation, changed } = step;
    const past: Past = {
      recommendations:
        recommendation === undefined ? recommendations : [...recommendations, { replicas: recommendation, at }],
      changes: changed === 0 ? changes : [...changes, { by: changed, at: clock.monotonic() }],
    };
    memories.set(metadata.uid, { past: pruned(past, behaviorOf(spec), clock.monotonic()), dueAt: at + intervalMs });
  }

  /** What the metrics say of the target's pods. */
  async function measure(
    autoscaler: HorizontalPodAutoscaler,
    { selector, replicas }: Target,
  ): Promise<MetricResult[] | SelectorFault> {
    const { namespace = '' } = autoscaler.metadata;
    if (selector.nothing || selector.requirements.length === 0) return noSelector;
    const matching = [...pods.by('namespace', namespace)].filter(({ metadata }) =>
      matchesLabels(selector, metadata.labels),
    );
    const labelSelector = formatSelector(selector);
    const rivals = rivalsOf(autoscaler, matching, informers);
    if (rivals.length > 0) return ambiguous(labelSelector, [autoscaler, ...rivals]);
    const specs = autoscaler.spec.metrics ?? [];
    const metrics = needsUsage(specs) ? await usageOf(namespace, labelSelector) : [];
    const input: MetricInput = { pods: matching as Pod[], metrics, currentReplicas: replicas, now: clock.now() };
    return specs.map((spec) => evaluate(spec, input));
  }

  async function usageOf(namespace: string, labelSelector: string): Promise<MetricInput['metrics']> {
    try {
      return (await client.list('PodMetrics', { namespace, labelSelector })).items;
    } catch (error) {
      return new MetricFault(`unable to fetch metrics from resource metrics API: ${messageOf(error)}`);
    }
  }

  /** Returns the failure. */
  async function carryOut(
    autoscaler: HorizontalPodAutoscaler,
    target: Target | undefined,
    { scale }: AutoscalerPlan,
  ): Promise<string | undefined> {
    if (!scale || !target) return undefined;
    const { namespace } = autoscaler.metadata;
    // Only if its size has not changed since it was read.
    const body = [
      { op: 'test', path: '/spec/replicas', value: target.replicas },
      { op: 'replace', path: '/spec/replicas', value: scale.replicas },
    ];
    const options = { namespace, subresource: 'scale' } as const;
    const size = `New size: ${scale.replicas}; reason: ${scale.reason}`;
    try {
      const scaled = await client.patch(target.kind, target.name, { type: 'json', body }, options);
      expectations.expect(keyOf(autoscaler), scaled);
    } catch (error) {
      events.event(autoscaler, 'Warning', 'FailedRescale', `${size}; error: ${messageOf(error)}`);
      return messageOf(error);
    }
    events.event(autoscaler, 'Normal', 'SuccessfulRescale', size);
    return undefined;
  }

  function failedStatus(
    autoscaler: HorizontalPodAutoscaler,
    { status }: AutoscalerPlan,
    failure: string,
  ): HorizontalPodAutoscalerStatus {
    const { lastScaleTime, desiredReplicas } = autoscaler.status ?? {};
    const { lastScaleTime: _notScaled, ...rest } = status;
    const conditions = withCondition(status.conditions, {
      type: 'AbleToScale',
      status: 'False',
      reason: 'FailedUpdateScale',
      message: `the HPA controller was unable to update the target scale: ${failure}`,
      lastTransitionTime: formatTime(clock.now()),
    });
    return { ...rest, ...(lastScaleTime ? { lastScaleTime } : {}), desiredReplicas: desiredReplicas ?? 0, conditions };
  }

  async function writeStatus(
    autoscaler: HorizontalPodAutoscaler,
    status: HorizontalPodAutoscalerStatus,
  ): Promise<void> {
    if (isDeepStrictEqual(status, autoscaler.status)) return;
    const { name, namespace } = autoscaler.metadata;
    const body = statusPatch(autoscaler.status, status);
    const options = { namespace, subresource: 'status' } as const;
    const kind = 'HorizontalPodAutoscaler';
    expectations.expect(keyOf(autoscaler), await client.patch(kind, name, { type: 'merge', body }, options));
  }

  /** Of an autoscaler seen for the first time: the present size is its recommendation, an earlier change is of unknown size. */
  function pastOf({ status }: HorizontalPodAutoscaler, target: Target | undefined, at: number): Past {
    const scaledAt = parseTime(status?.lastScaleTime);
    const ageMs = scaledAt === undefined ? undefined : Math.max(0, clock.now() - scaledAt);
    return {
      recommendations: target ? [{ replicas: target.replicas, at }] : [],
      changes: ageMs === undefined ? [] : [{ by: undefined, at: at - ageMs }],
    };
  }

  return {
    name: 'horizontal-pod-autoscaler',
    kinds: ['HorizontalPodAutoscaler'],
    workers: 2,
    keysOf,
    reconcile,
  };
}

const noSelector: SelectorFault = {
  event: 'SelectorRequired',
  reason: 'InvalidSelector',
  message: "the HPA target's scale is missing a selector",
  error: 'selector is required',
};

function ambiguous(selector: string, autoscalers: readonly HorizontalPodAutoscaler[]): SelectorFault {
  const names = autoscalers.map(keyOf).sort().join(' ');
  const error = `pods by selector ${selector} are controlled by multiple HPAs: [${names}]`;
  return { event: 'AmbiguousSelector', reason: 'AmbiguousSelector', message: error, error };
}
