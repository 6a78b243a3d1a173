import type { Pod } from '../../shared/generated/types.ts';
import { podReferences } from '../../shared/pod-references.ts';
import type { PodWorker } from '../pod/worker.ts';

/** Which pods of the node use which claims. */
export class UsedClaims {
  readonly #workers: ReadonlyMap<string, PodWorker>;
  /** Claim → the uid of the pod that has it alone. */
  readonly #alone = new Map<string, string>();

  /** `workers`: by uid. */
  constructor(workers: ReadonlyMap<string, PodWorker>) {
    this.#workers = workers;
  }

  /** Whether a pod that names the claim is on the node and has not ended. */
  isUsed(claim: string): boolean {
    return [...this.#workers.values()].some(({ pod, active }) => active && names(pod, claim));
  }

  /**
   * Takes a claim that one pod may use at a time; false while another pod has it: one that took it in this process, or that was started by
   * a former one, and has not ended.
   */
  takeAlone({ metadata: { uid } }: Pod, claim: string): boolean {
    for (const [other, worker] of this.#workers) {
      if (other === uid || !worker.active || !names(worker.pod, claim)) continue;
      if (this.#alone.get(claim) === other || worker.memory.nextSandbox > 0) return false;
    }
    for (const [known, holder] of this.#alone) if (!this.#workers.has(holder)) this.#alone.delete(known);
    this.#alone.set(claim, uid);
    return true;
  }
}

function names(pod: Pod, claim: string): boolean {
  const { namespace = '' } = pod.metadata;
  return claim.startsWith(`${namespace}/`) && podReferences(pod).claims.has(claim.slice(namespace.length + 1));
}
