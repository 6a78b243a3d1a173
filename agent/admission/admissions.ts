import type { Pod } from '../../shared/generated/types.ts';
import type { InsufficientResource } from '../../shared/scheduling/insufficient-resources.ts';
import { admitPod, type NodeView, outOf } from './admit.ts';
import { isCritical, type Missing, podsToPreempt } from './preempt.ts';
import type { Refusal } from './refusal.ts';

const preempted: Refusal = { reason: 'Preempting', message: 'Preempted in order to admit critical pod' };

export interface AdmissionDeps {
  /** Undefined while the control plane has not sent the node's own state: every assigned pod is admitted then. */
  node(): NodeView | undefined;
  event(pod: Pod, type: 'Warning', reason: string, message: string): void;
  /** Fails a pod that was admitted before. */
  fail(pod: Pod, refusal: Refusal): void;
}

/** Admits or rejects new pods, and holds back those whose resources are still being freed by preemption. */
export class Admissions {
  readonly #deps: AdmissionDeps;
  /** The victims that have to end before a critical pod starts, by uid. */
  readonly #victims = new Map<string, Set<string>>();

  constructor(deps: AdmissionDeps) {
    this.#deps = deps;
  }

  /** Why the pod is rejected; undefined when it is admitted. `others`: the active pods. */
  refusal(pod: Pod, others: readonly Pod[]): Refusal | undefined {
    const node = this.#deps.node();
    if (!node) return undefined;
    const { shortages, refusals } = admitPod(pod, others, node);
    const [short] = shortages;
    // A critical pod preempts others for resources, unless another predicate fails: preemption does not help against that.
    const why = isCritical(pod)
      ? (refusals[0] ?? this.#preempt(pod, others, shortages))
      : short
        ? outOf(short)
        : refusals[0];
    if (!why) return undefined;
    this.#deps.event(pod, 'Warning', why.reason, why.message);
    return { reason: why.reason, message: `Pod was rejected: ${why.message}` };
  }

  /** Whether all victims of the pod have ended. */
  mayStart(uid: string): boolean {
    return !this.#victims.has(uid);
  }

  /** A pod has ended, or is gone. Returns the pods that may start now, by uid. */
  ended(uid: string): string[] {
    this.#victims.delete(uid);
    const ready: string[] = [];
    for (const [waiting, victims] of this.#victims) {
      if (!victims.delete(uid) || victims.size > 0) continue;
      this.#victims.delete(waiting);
      ready.push(waiting);
    }
    return ready;
  }

  /** Makes others end for a critical pod. Returns why that is not possible. */
  #preempt(pod: Pod, others: readonly Pod[], shortages: readonly InsufficientResource[]): Refusal | undefined {
    if (shortages.length === 0) return undefined;
    const victims = podsToPreempt(pod, others, shortages);
    if (!Array.isArray(victims)) return unrecoverable(victims);
    this.#victims.set(pod.metadata.uid, new Set(victims.map(({ metadata }) => metadata.uid)));
    for (const victim of victims) {
      this.#deps.event(victim, 'Warning', preempted.reason, preempted.message);
      this.#deps.fail(victim, preempted);
    }
    return undefined;
  }
}

function unrecoverable(missing: Missing): Refusal {
  const list = [...missing].map(([resource, amount]) => `(res: ${resource}, q: ${amount}), `).join('');
  const why = `no set of running pods found to reclaim resources: [${list}]`;
  const message = `Unexpected error while attempting to recover from admission failure: preemption: error finding a set of pods to preempt: ${why}`;
  return { reason: 'UnexpectedAdmissionError', message };
}
