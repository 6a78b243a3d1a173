import type { Pod } from '../../shared/generated/types.ts';
import { unschedulableMessage } from '../../shared/scheduling/explain.ts';
import type { NodeIndex } from '../../shared/scheduling/node-index.ts';
import type { NodeInfo, PodInfo } from '../../shared/scheduling/node-info.ts';
import type { Plugin, Rejection } from '../../shared/scheduling/plugin.ts';
import type { Budgets } from './budgets.ts';
import type { EvictionDeps } from './evictions.ts';
import { Evictions } from './evictions.ts';
import { findPreemption, type PreemptionInput } from './preempt.ts';
import type { QueuedPod } from './queue.ts';

export interface PreemptorDeps extends Omit<EvictionDeps, 'waits' | 'refused'> {
  readonly index: NodeIndex;
  readonly plugins: readonly Plugin[];
  readonly budgets: Budgets;
  /** The pod has to be decided again: it lost the place that was kept for it, or may find another now. */
  again(key: string): void;
}

/** What came of a try. */
export interface PreemptionResult {
  /** What the pod's sentence says about it, in Kubernetes' words. */
  readonly message: string;
  /** Only kept places were in the way: the pod fits now. */
  readonly fits: boolean;
}

/** Makes room for pods that fit nowhere by evicting less important ones, and keeps the room until they have gone. */
export class Preemptor {
  readonly #deps: PreemptorDeps;
  readonly #evictions: Evictions;
  readonly #input: PreemptionInput;

  constructor(deps: PreemptorDeps, signal: AbortSignal) {
    this.#deps = deps;
    const { index } = deps;
    const kept = (by: Pod): PodInfo | undefined => {
      const entry = index.pod(`${by.metadata.namespace}/${by.metadata.name}`);
      return entry?.uid === by.metadata.uid && entry.reserved ? entry : undefined;
    };
    const evictions = new Evictions(
      {
        ...deps,
        waits: (by, node) => kept(by)?.node?.name === node,
        refused: (by) => {
          const entry = kept(by);
          if (entry) deps.again(entry.key);
        },
      },
      signal,
    );
    this.#evictions = evictions;
    this.#input = {
      ...deps,
      underway: () => [...evictions.keys()].flatMap((key) => index.pod(key) ?? []),
      isRefused: ({ uid }) => evictions.isRefused(uid),
    };
  }

  /**
   * `kept`: the node on which room was kept for the pod until now. A place that is kept counts for all; where one of lower priority is in the
   * way, it is a victim that costs nothing.
   */
  preempt(
    { entry, pod }: QueuedPod,
    rejections: readonly (readonly [NodeInfo, Rejection])[],
    kept: NodeInfo | undefined,
  ): PreemptionResult {
    const { index, again } = this.#deps;
    const no = (why: string): PreemptionResult => ({ message: ` preemption: ${why}`, fits: false });
    if (rejections.length === 0) return { message: '', fits: false };
    if (pod.spec.preemptionPolicy === 'Never') {
      if (kept) index.reserve(entry, kept);
      return no('not eligible due to preemptionPolicy=Never.');
    }
    if (kept && this.#mayWaitOn(kept, entry, rejections)) {
      index.reserve(entry, kept);
      return no('not eligible due to a terminating pod on the nominated node.');
    }
    const found = findPreemption(entry, rejections, this.#input);
    if (!found.node) return no(unschedulableMessage(found.reasons));
    const displaced = found.victims.filter((victim) => victim.reserved);
    for (const victim of displaced) index.forget(victim);
    index.reserve(entry, found.node);
    for (const victim of found.victims) {
      if (!displaced.includes(victim) && !victim.deleting) this.#evictions.evict(victim.key, pod, found.node.name);
    }
    for (const victim of displaced) again(victim.key);
    return { message: '', fits: displaced.length === found.victims.length };
  }

  /** Kubernetes' `PodEligibleToPreemptOthers`: victims of an earlier preemption are on their way out. */
  #mayWaitOn(kept: NodeInfo, { priority }: PodInfo, rejections: readonly (readonly [NodeInfo, Rejection])[]): boolean {
    const rejection = rejections.find(([node]) => node === kept)?.[1];
    if (!rejection?.resolvable) return false;
    for (const pod of kept.pods) {
      if (pod.priority < priority && (pod.preempted || this.#evictions.has(pod.key))) return true;
    }
    return false;
  }
}
