import type { Pod } from '../../shared/generated/types.ts';
import type { InsufficientResource } from '../../shared/scheduling/insufficient-resources.ts';
import { admitPod, type NodeView, outOf } from './admit.ts';
import { isCritical, type Missing, podsToPreempt } from './preempt.ts';
import type { Refusal } from './refusal.ts';

const preempted: Refusal = { reason: 'Preempting', message: 'Preempted in order to admit critical pod' };

export interface AdmissionDeps {
  /** Undefined: the control plane says nothing of the node, and everything that it assigns is taken. */
  node(): NodeView | undefined;
  event(pod: Pod, type: 'Warning', reason: string, message: string): void;
  /** Ends a pod that the node has admitted. */
  fail(pod: Pod, refusal: Refusal): void;
}

/** Decides on pods as they come to the node, and holds those back whose room is still being freed. */
export class Admissions {
  readonly #deps: AdmissionDeps;
  /** Pod → those that have to end before it starts, by uid. */
  readonly #awaited = new Map<string, Set<string>>();

  constructor(deps: AdmissionDeps) {
    this.#deps = deps;
  }

  /** Why the pod is refused; undefined when it is admitted. `others`: admitted before, and not ended. */
  refusal(pod: Pod, others: readonly Pod[]): Refusal | undefined {
    const node = this.#deps.node();
    if (!node) return undefined;
    const { shortages, refusals } = admitPod(pod, others, node);
    const [short] = shortages;
    // Resources come first, but a critical pod takes them where nothing else stands against it.
    const why = isCritical(pod)
      ? (refusals[0] ?? this.#makeRoom(pod, others, shortages))
      : short
        ? outOf(short)
        : refusals[0];
    if (!why) return undefined;
    this.#deps.event(pod, 'Warning', why.reason, why.message);
    return { reason: why.reason, message: `Pod was rejected: ${why.message}` };
  }

  /** Whether all that had to make way for the pod has. */
  hasRoom(uid: string): boolean {
    return !this.#awaited.has(uid);
  }

  /** A pod has ended, or is gone. Returns who may start now. */
  ended(uid: string): string[] {
    this.#awaited.delete(uid);
    const ready: string[] = [];
    for (const [waiting, victims] of this.#awaited) {
      if (!victims.delete(uid) || victims.size > 0) continue;
      this.#awaited.delete(waiting);
      ready.push(waiting);
    }
    return ready;
  }

  /** Why no room can be made for a critical pod. */
  #makeRoom(pod: Pod, others: readonly Pod[], shortages: readonly InsufficientResource[]): Refusal | undefined {
    if (shortages.length === 0) return undefined;
    const victims = podsToPreempt(pod, others, shortages);
    if (!Array.isArray(victims)) return unrecoverable(victims);
    this.#awaited.set(pod.metadata.uid, new Set(victims.map(({ metadata }) => metadata.uid)));
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
