import { formatTime } from '../../shared/clock.ts';
import type { ContainerStatus, PodCondition, PodStatus } from '../../shared/generated/types.ts';
import { containersOf } from './containers.ts';
import type { PodView } from './model.ts';
import { isResizing } from './resources.ts';

export interface ConditionFacts {
  readonly view: PodView;
  readonly phase: string;
  readonly inits: readonly ContainerStatus[];
  readonly apps: readonly ContainerStatus[];
  readonly hasSandbox: boolean;
  readonly previous: PodStatus | undefined;
  readonly now: number;
}

/** The condition types that a node writes; others are kept. */
const own = ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady'] as const;
/** Present only while it is true. */
const inProgress = 'PodResizeInProgress';
type Own = (typeof own)[number];
type Verdict = Pick<PodCondition, 'status' | 'reason' | 'message'>;

/** The node's conditions of the pod in the kubelet's order and words, then those of other writers. */
export function podConditions(facts: ConditionFacts): PodCondition[] {
  const { previous, view, now } = facts;
  const before = previous?.conditions ?? [];
  const verdicts: Record<Own, Verdict> = {
    PodReadyToStartContainers: { status: facts.hasSandbox ? 'True' : 'False' },
    Initialized: initialized(facts),
    Ready: ready(facts),
    ContainersReady: containersReady(facts),
  };
  const conditions = own.map((type): PodCondition => {
    const old = before.find((condition) => condition.type === type);
    const verdict = verdicts[type];
    const kept = old?.status === verdict.status ? old.lastTransitionTime : undefined;
    return { type, ...verdict, lastTransitionTime: kept ?? formatTime(now) };
  });
  const others = before.filter(({ type }) => type !== inProgress && !own.some((mine) => mine === type));
  if (isPodResizing(view)) {
    const old = before.find(({ type }) => type === inProgress);
    conditions.push(old ?? { type: inProgress, status: 'True', lastTransitionTime: formatTime(now) });
  }
  if (!others.some(({ type }) => type === 'PodScheduled')) {
    const at = view.pod.metadata.creationTimestamp || formatTime(now);
    others.push({ type: 'PodScheduled', status: 'True', lastTransitionTime: at });
  }
  return [...conditions, ...others];
}

function isPodResizing(view: PodView): boolean {
  return containersOf(view.pod).some(({ spec }) =>
    view.observed.containers.some(
      (state) => state.name === spec.name && state.state === 'running' && isResizing(view, spec, state),
    ),
  );
}

function initialized({ inits, phase, view }: ConditionFacts): Verdict {
  if (phase === 'Succeeded') return { status: 'True', reason: 'PodCompleted' };
  const sidecars = new Set(
    (view.pod.spec.initContainers ?? []).filter((c) => c.restartPolicy === 'Always').map(({ name }) => name),
  );
  const waiting = inits.filter((status) => (sidecars.has(status.name) ? !status.started : !status.ready));
  if (waiting.length === 0 || phase === 'Running') return { status: 'True' };
  return {
    status: 'False',
    reason: 'ContainersNotInitialized',
    message: `containers with incomplete status: [${names(waiting)}]`,
  };
}

function containersReady({ inits, apps, phase, view }: ConditionFacts): Verdict {
  if (phase === 'Succeeded') return { status: 'False', reason: 'PodCompleted' };
  if (phase === 'Failed') return { status: 'False', reason: 'PodFailed' };
  const sidecars = inits.filter(({ name }) =>
    view.pod.spec.initContainers?.some((container) => container.name === name && container.restartPolicy === 'Always'),
  );
  const unready = [...sidecars, ...apps].filter((status) => !status.ready);
  if (unready.length === 0) return { status: 'True' };
  return {
    status: 'False',
    reason: 'ContainersNotReady',
    message: `containers with unready status: [${names(unready)}]`,
  };
}

function ready(facts: ConditionFacts): Verdict {
  const containers = containersReady(facts);
  if (containers.status !== 'True') return containers;
  const messages = (facts.view.pod.spec.readinessGates ?? []).flatMap(({ conditionType }) => {
    const gate = facts.view.pod.status?.conditions?.find(({ type }) => type === conditionType);
    if (gate?.status === 'True') return [];
    return [
      `${gate ? 'the status of pod readiness gate' : 'corresponding condition of pod readiness gate'} "${conditionType}" ${gate ? `is not "True", but ${gate.status}` : 'does not exist.'}`,
    ];
  });
  if (messages.length === 0) return { status: 'True' };
  return { status: 'False', reason: 'ReadinessGatesNotReady', message: messages.join(', ') };
}

function names(statuses: readonly ContainerStatus[]): string {
  return statuses.map(({ name }) => name).join(' ');
}
