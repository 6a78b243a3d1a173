import type { Pod } from '../../shared/generated/types.ts';
import { keyOf } from '../../shared/object.ts';
import { unschedulableMessage } from '../../shared/scheduling/explain.ts';
import type { NodeIndex } from '../../shared/scheduling/node-index.ts';
import type { NodeInfo, PodInfo } from '../../shared/scheduling/node-info.ts';
import type { Plugin, Rejections } from '../../shared/scheduling/plugin.ts';
import type { Budgets } from './budgets.ts';
import type { EvictionDeps } from './evictions.ts';
import { Evictions } from './evictions.ts';
import { findPreemption, type PreemptionInput } from './preempt.ts';
import type { QueuedPod } from './queue.ts';

export interface PreemptorDeps extends Omit<EvictionDeps, 'isNominated' | 'refused'> {
  readonly index: NodeIndex;
  readonly plugins: readonly Plugin[];
  readonly budgets: Budgets;
  /** The pod has to be scheduled again: it is no longer nominated, or one of its victims stays. */
  activate(key: string): void;
}

/** The result of one attempt. */
export interface PreemptionResult {
  /** The end of the pod's message, in Kubernetes' words. */
  readonly message: string;
  /** Only room of nominated pods was in the way: the pod fits now. */
  readonly fits: boolean;
}

/** Preempts pods of lower priority for an unschedulable pod, and nominates it to their node. */
export class Preemptor {
  readonly #deps: PreemptorDeps;
  readonly #evictions: Evictions;
  readonly #input: PreemptionInput;

  constructor(deps: PreemptorDeps, signal: AbortSignal) {
    this.#deps = deps;
    const { index } = deps;
    const nominated = (preemptor: Pod): PodInfo | undefined => {
      const info = index.pod(keyOf(preemptor));
      return info?.uid === preemptor.metadata.uid && info.nominated ? info : undefined;
    };
    const evictions = new Evictions(
      {
        ...deps,
        isNominated: (preemptor, node) => nominated(preemptor)?.node?.name === node,
        refused: (preemptor) => {
          const info = nominated(preemptor);
          if (info) deps.activate(info.key);
        },
      },
      signal,
    );
    this.#evictions = evictions;
    this.#input = {
      ...deps,
      evicting: () => [...evictions.keys()].flatMap((key) => index.pod(key) ?? []),
      isRefused: ({ uid }) => evictions.isRefused(uid),
    };
  }

  /**
   * `nominated`: the node that the pod was nominated to until now. The room of nominated pods counts for all; a nominated pod of lower
   * priority is a victim without cost.
   */
  preempt({ info, pod }: QueuedPod, rejections: Rejections, nominated: NodeInfo | undefined): PreemptionResult {
    const { index, activate } = this.#deps;
    const no = (why: string): PreemptionResult => ({ message: ` preemption: ${why}`, fits: false });
    if (rejections.length === 0) return { message: '', fits: false };
    if (pod.spec.preemptionPolicy === 'Never') {
      if (nominated) index.nominate(info, nominated);
      return no('not eligible due to preemptionPolicy=Never.');
    }
    if (nominated && this.#victimsTerminating(nominated, info, rejections)) {
      index.nominate(info, nominated);
      return no('not eligible due to a terminating pod on the nominated node.');
    }
    const found = findPreemption(info, rejections, this.#input);
    if (!found.node) return no(unschedulableMessage(found.reasons));
    const displaced = found.victims.filter((victim) => victim.nominated);
    for (const victim of displaced) index.forget(victim);
    index.nominate(info, found.node);
    for (const victim of found.victims) {
      if (!displaced.includes(victim) && !victim.deleting) this.#evictions.evict(victim.key, pod, found.node.name);
    }
    for (const victim of displaced) activate(victim.key);
    return { message: '', fits: displaced.length === found.victims.length };
  }

  /** Whether victims of an earlier preemption are still terminating (Kubernetes, `PodEligibleToPreemptOthers`). */
  #victimsTerminating(nominated: NodeInfo, { priority }: PodInfo, rejections: Rejections): boolean {
    const rejection = rejections.find(([node]) => node === nominated)?.[1];
    if (!rejection?.resolvable) return false;
    for (const pod of nominated.pods) {
      if (pod.priority < priority && (pod.preempted || this.#evictions.has(pod.key))) return true;
    }
    return false;
  }
}
