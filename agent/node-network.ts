import { backoffMs } from '../shared/backoff.ts';
import type { Clock } from '../shared/clock.ts';
import { messageOf } from '../shared/errors.ts';
import type { Log } from '../shared/log.ts';
import type { Random } from '../shared/random.ts';
import type { Peer } from '../shared/session.ts';
import { Wakeup } from '../shared/wakeup.ts';
import type { PodNetwork } from './network/network.ts';

export interface NodeNetworkDeps {
  /** Absent on hollow nodes: addresses are only numbers there. */
  readonly network: Pick<PodNetwork, 'setup' | 'setPeers' | 'cleanup'> | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly clusterCIDR?: string;
  /** The node can give pods addresses of this range now. */
  readonly ready: (podCIDR: string) => void;
}

const retry = { firstMs: 200, capMs: 10_000 };

/** Brings the node's pod network to the newest range and peers it was told, and tries again until it is. */
export class NodeNetwork {
  readonly #deps: NodeNetworkDeps;
  readonly #wakeup = new Wakeup();
  #podCIDR: string | undefined;
  #preparedCIDR: string | undefined;
  #peers: readonly Peer[] | undefined;
  #pods: readonly string[] | undefined;

  constructor(deps: NodeNetworkDeps) {
    this.#deps = deps;
  }

  get podCIDR(): string | undefined {
    return this.#podCIDR;
  }

  setRange(podCIDR: string): void {
    if (!podCIDR || this.#podCIDR === podCIDR) return;
    this.#podCIDR = podCIDR;
    this.#wakeup.ring();
  }

  setPeers(peers: readonly Peer[]): void {
    this.#peers = peers;
    this.#wakeup.ring();
  }

  /** The pods that were on the node before this process: what belongs to others is removed. */
  setPods(uids: readonly string[]): void {
    this.#pods = uids;
    this.#wakeup.ring();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#deps;
    for (let attempt = 0; !signal.aborted; ) {
      try {
        if (attempt === 0) await this.#wakeup.wait(signal);
        await this.#apply(signal);
        attempt = 0;
      } catch (error) {
        if (signal.aborted) return;
        log.warn({ component: 'network', err: messageOf(error) }, 'the pod network is not as it should be yet');
        await clock.sleep(backoffMs(attempt++, retry, random), signal).catch(() => undefined);
      }
    }
  }

  async #apply(signal: AbortSignal): Promise<void> {
    const { network, clusterCIDR, ready } = this.#deps;
    const podCIDR = this.#podCIDR;
    if (!podCIDR || !this.#pods) return;
    if (podCIDR !== this.#preparedCIDR) {
      await network?.setup({ podCIDR, ...(clusterCIDR ? { clusterCIDR } : {}) }, signal);
      // Only before the first pod of this process: later there may be pods that the list does not have.
      if (!this.#preparedCIDR) await network?.cleanup(this.#pods, signal);
      this.#preparedCIDR = podCIDR;
      ready(podCIDR);
    }
    const peers = this.#peers;
    if (!peers) return;
    await network?.setPeers(
      peers.map(({ address, podCIDR }) => ({ address, podCIDR })),
      signal,
    );
    if (this.#peers === peers) this.#peers = undefined;
  }
}
