import { backoffMs } from '../../shared/backoff.ts';
import type { Clock } from '../../shared/clock.ts';
import { messageOf } from '../../shared/errors.ts';
import type { Log } from '../../shared/log.ts';
import type { Cidr, Ipv4 } from '../../shared/net/ipv4.ts';
import type { Random } from '../../shared/random.ts';
import type { Peer } from '../../shared/session.ts';
import { Wakeup } from '../../shared/wakeup.ts';
import type { ApiService } from '../network/api-service.ts';
import type { PodNetwork } from '../network/network.ts';
import type { NetworkSettings } from '../session/welcome.ts';
import { acceptPeers, type KnownPeer } from './peers.ts';

export interface NodeNetworkDeps {
  /** Absent on hollow nodes: addresses are only numbers there. */
  readonly network: Pick<PodNetwork, 'setup' | 'setPeers' | 'setApi' | 'cleanup'> | undefined;
  /** This node's own. */
  readonly address: Ipv4;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The node can give pods addresses of this range now. */
  readonly ready: (podCIDR: Cidr) => void;
}

const retry = { firstMs: 200, capMs: 10_000 };

/** Brings the node's pod network to the newest settings and peers that it was given, and tries again until it is. */
export class NodeNetwork {
  readonly #deps: NodeNetworkDeps;
  readonly #wakeup = new Wakeup();
  #settings: NetworkSettings | undefined;
  #prepared: NetworkSettings | undefined;
  /** Undefined until the control plane, or a checkpoint, names them: the routes that there are stay. */
  #told: readonly Peer[] | undefined;
  #accepted: readonly KnownPeer[] = [];
  /** Reasons that were logged, by peer. */
  #refused: ReadonlyMap<string, string> = new Map();
  /** Accepted, and not applied yet. */
  #peers: readonly KnownPeer[] | undefined;
  /** Not applied yet: what connections to the service of the API are led to. */
  #api: { readonly wanted: ApiService | undefined } | undefined;
  #pods: readonly string[] | undefined;

  constructor(deps: NodeNetworkDeps) {
    this.#deps = deps;
  }

  get settings(): NetworkSettings | undefined {
    return this.#settings;
  }

  /** The peers whose ranges are routed. */
  get peers(): readonly KnownPeer[] {
    return this.#accepted;
  }

  setSettings(settings: NetworkSettings): void {
    this.#settings = settings;
    this.#choosePeers();
    this.#wakeup.ring();
  }

  /** Those that may not be routed are left out, with a line in the log. */
  setPeers(told: readonly Peer[]): void {
    this.#told = told;
    this.#choosePeers();
    this.#wakeup.ring();
  }

  /** Undefined: the service's address leads nowhere. */
  setApi(wanted: ApiService | undefined): void {
    this.#api = { wanted };
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

  #choosePeers(): void {
    const { address, log, network } = this.#deps;
    if (!network || !this.#settings || !this.#told) return;
    const { accepted, refused } = acceptPeers(this.#told, { ...this.#settings, address }, this.#accepted);
    for (const { name, reason } of refused) {
      if (this.#refused.get(name) !== reason)
        log.warn({ component: 'network', peer: name, reason }, 'a node is not routed');
    }
    this.#refused = new Map(refused.map(({ name, reason }) => [name, reason]));
    this.#accepted = accepted;
    this.#peers = accepted;
  }

  async #apply(signal: AbortSignal): Promise<void> {
    const { network, ready } = this.#deps;
    const settings = this.#settings;
    if (!settings || !this.#pods) return;
    const { podCIDR, clusterCIDR } = settings;
    const before = this.#prepared;
    if (podCIDR !== before?.podCIDR || clusterCIDR !== before.clusterCIDR) {
      await network?.setup({ podCIDR, clusterCIDR }, signal);
      // Only before the first pod of this process: later there may be pods that the list does not have.
      if (!before) await network?.cleanup(this.#pods, signal);
      this.#prepared = settings;
      ready(podCIDR);
    }
    const peers = this.#peers;
    if (peers) await network?.setPeers(peers, signal);
    if (this.#peers === peers) this.#peers = undefined;
    const api = this.#api;
    if (api) await network?.setApi(api.wanted, signal);
    if (this.#api === api) this.#api = undefined;
  }
}
