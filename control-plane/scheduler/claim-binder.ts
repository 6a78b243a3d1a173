import type { Client } from '../../shared/client.ts';
import type { Clock } from '../../shared/clock.ts';
import { isApiError, messageOf } from '../../shared/errors.ts';
import type { PersistentVolumeClaim } from '../../shared/generated/types.ts';
import type { Log } from '../../shared/log.ts';
import { type ClaimChoice, claimsOfPod, placeClaims } from '../../shared/scheduling/claim-placement.ts';
import type { NodeIndex } from '../../shared/scheduling/node-index.ts';
import type { NodeInfo } from '../../shared/scheduling/node-info.ts';
import type { ClusterEvent } from '../../shared/scheduling/plugin.ts';
import { claimKey } from '../../shared/scheduling/volume-index.ts';
import { annotations, isFullyBound, reservationOf } from '../../shared/storage/claims.ts';
import type { QueuedPod, SchedulingQueue } from './queue.ts';

/** The pod is tried again this long after a write failed. */
const retryMs = 1_000;
const noEvents: ReadonlySet<ClusterEvent> = new Set();

export interface ClaimBinderDeps {
  readonly client: Pick<Client, 'patch'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly index: NodeIndex;
  readonly queue: SchedulingQueue;
}

/**
 * Has the claims of a pod bound before the pod is. The node that was chosen is written to each claim that a provisioner makes a volume
 * for, and each existing volume that was chosen is reserved for its claim. The pod keeps its room on the node meanwhile, as a nominated
 * pod, and is decided on again once its claims are bound: by then they lead to the node. After a crash the next leader finds the same.
 */
export class ClaimBinder {
  readonly #deps: ClaimBinderDeps;
  /** The pods that wait for a claim, by its key. */
  readonly #waiting = new Map<string, Set<QueuedPod>>();

  constructor(deps: ClaimBinderDeps) {
    this.#deps = deps;
  }

  /** Whether the pod must wait for its claims on the node; it then does. */
  holds(queued: QueuedPod, node: NodeInfo): boolean {
    const { index, queue } = this.#deps;
    const { info } = queued;
    if (!info.shape.spec.claims) return false;
    const { choices } = placeClaims(claimsOfPod(info.shape, index.volumes), node, index.volumes);
    if (choices.length === 0) return false;
    index.nominate(info, node);
    queued.message = undefined;
    queue.addUnschedulable(queued, noEvents);
    for (const choice of choices) {
      const { name } = choice.claim.metadata;
      const key = claimKey(info.shape.namespace, name);
      const pods = this.#waiting.get(key);
      if (pods) pods.add(queued);
      else this.#waiting.set(key, new Set([queued]));
      void this.#write(queued, choice, node.name);
    }
    return true;
  }

  /** The pods that wait for the claim are tried again when it is bound, or no longer for their node. */
  claimChanged(key: string, claim: PersistentVolumeClaim | undefined): void {
    const pods = this.#waiting.get(key);
    if (!pods) return;
    const selected = claim?.metadata.annotations?.[annotations.selectedNode];
    for (const queued of pods) {
      if (claim && !isFullyBound(claim) && selected === queued.info.node?.name) continue;
      pods.delete(queued);
      this.#activate(queued);
    }
    if (pods.size === 0) this.#waiting.delete(key);
  }

  async #write(queued: QueuedPod, { claim, volume }: ClaimChoice, node: string): Promise<void> {
    const { client, clock, log } = this.#deps;
    const { name, namespace = '', resourceVersion } = claim.metadata;
    try {
      if (volume) {
        const body = reservationOf(volume, claim);
        if (body) await client.patch('PersistentVolume', volume.metadata.name, { type: 'merge', body });
      } else {
        if (claim.metadata.annotations?.[annotations.selectedNode] === node) return;
        const metadata = { resourceVersion, annotations: { [annotations.selectedNode]: node } };
        await client.patch('PersistentVolumeClaim', name, { type: 'merge', body: { metadata } }, { namespace });
      }
    } catch (error) {
      const level = isApiError(error, 'Conflict', 'NotFound') ? 'debug' : 'warn';
      log[level]({ key: queued.info.key, claim: name, err: messageOf(error) }, 'claim not bound');
      clock.timer(retryMs, () => this.#activate(queued));
    }
  }

  #activate(queued: QueuedPod): void {
    const { queue } = this.#deps;
    if (queue.get(queued.info.key) === queued && queued.state === 'unschedulable') queue.activate(queued);
  }
}
