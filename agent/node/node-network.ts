import { backoffMs } from '../../shared/backoff.ts';
import { type Clock, pause } from '../../shared/clock.ts';
import { messageOf } from '../../shared/errors.ts';
import type { Log } from '../../shared/log.ts';
import type { Cidr, Ipv4 } from '../../shared/net/ipv4.ts';
import type { Random } from '../../shared/random.ts';
import { Wakeup } from '../../shared/wakeup.ts';
import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import { distinctServers, type Endpoint, parseApiServer } from '../network/api-service.ts';
import type { PodNetwork } from '../network/network.ts';
import type { NodeAssigned } from '../session/assigned-kinds.ts';
import { Unusable } from '../session/unusable.ts';
import { type NetworkSettings, parseSettings } from './network-settings.ts';
import { acceptPeers, type Peer, parsePeer } from './peers.ts';

export interface NodeNetworkDeps {
  /** Absent on hollow nodes, whose pods have addresses that are not routed. */
  readonly network: Pick<PodNetwork, 'setup' | 'setPeers' | 'setApi' | 'cleanup'> | undefined;
  readonly node: { readonly name: string; readonly address: Ipv4 };
  readonly assigned: Pick<NodeAssigned, 'of' | 'subscribe'>;
  readonly checkpoint: Pick<Checkpoint, 'put'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The node can give pods addresses of this range now. */
  readonly ready: (podCIDR: Cidr) => void;
}

const retry = { firstMs: 200, capMs: 10_000 };

/**
 * Brings the node's pod network to the newest settings, peers and servers of the API, with retries. What was in use is kept in the
 * checkpoint as the document `node`.
 */
export class NodeNetwork {
  readonly #deps: NodeNetworkDeps;
  readonly #wakeup = new Wakeup();
  #settings: NetworkSettings | undefined;
  #prepared: NetworkSettings | undefined;
  /** Undefined until the control plane or the checkpoint names them: existing routes stay. */
  #named: readonly Peer[] | undefined;
  #accepted: readonly Peer[] = [];
  /** Reasons that were logged, by peer. */
  #refused: ReadonlyMap<string, string> = new Map();
  /** Accepted, and not applied yet. */
  #peers: readonly Peer[] | undefined;
  #apiServers: readonly Endpoint[] = [];
  /** The servers, or the address of their service, have changed and are not applied yet. */
  #apiChanged = false;
  #pods: readonly string[] | undefined;

  constructor(deps: NodeNetworkDeps) {
    this.#deps = deps;
    const { assigned, node } = deps;
    assigned.subscribe(['Peer'], () => {
      this.#setPeers([...assigned.of('Peer').values()].filter(({ name }) => name !== node.name));
      this.#save();
    });
    assigned.subscribe(['ApiServer'], () => {
      this.#setApiServers([...assigned.of('ApiServer').values()]);
      this.#save();
    });
  }

  get settings(): NetworkSettings | undefined {
    return this.#settings;
  }

  /** The peers whose ranges are routed. */
  get peers(): readonly Peer[] {
    return this.#accepted;
  }

  /** Takes over the document `node` of the checkpoint. */
  restore(document: unknown): void {
    const settings = parseSettings(document);
    if (!settings) return;
    this.#setSettings(settings);
    const { clusterCIDR, peers, apiServers } = document as Record<string, unknown>;
    // A checkpoint of an earlier version does not name the range that peers must be in.
    if (clusterCIDR !== undefined) this.#setPeers(usable(peers, parsePeer));
    this.#setApiServers(usable(apiServers, parseApiServer));
  }

  /** What a welcome says. The service of the API stays if it names none. */
  registered(settings: NetworkSettings): void {
    const kubernetes = settings.kubernetes ?? this.#settings?.kubernetes;
    this.#setSettings({ ...settings, ...(kubernetes ? { kubernetes } : {}) });
    this.#save();
  }

  /** The pods that were on the node before this process: what belongs to others is removed. */
  setPods(uids: readonly string[]): void {
    this.#pods = uids;
    this.#wakeup.wake();
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
        log.warn({ component: 'network', err: messageOf(error) }, 'the pod network is not set up yet');
        await pause(clock, backoffMs(attempt++, retry, random), signal);
      }
    }
  }

  #setSettings(settings: NetworkSettings): void {
    this.#settings = settings;
    this.#apiChanged = true;
    this.#choosePeers();
    this.#wakeup.wake();
  }

  #setPeers(peers: readonly Peer[]): void {
    this.#named = peers;
    this.#choosePeers();
    this.#wakeup.wake();
  }

  #setApiServers(servers: readonly Endpoint[]): void {
    this.#apiServers = servers;
    this.#apiChanged = true;
    this.#wakeup.wake();
  }

  #save(): void {
    const { checkpoint } = this.#deps;
    checkpoint.put('node', { ...this.#settings, peers: this.#accepted, apiServers: this.#apiServers });
  }

  /** Refused peers are left out, with a line in the log. */
  #choosePeers(): void {
    const { node, log, network } = this.#deps;
    if (!network || !this.#settings || !this.#named) return;
    const own = { ...this.#settings, address: node.address };
    const { accepted, refused } = acceptPeers(this.#named, own, this.#accepted);
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
      // Only before the first pod of this process: the list does not name later ones.
      if (!before) await network?.cleanup(this.#pods, signal);
      this.#prepared = settings;
      ready(podCIDR);
    }
    const peers = this.#peers;
    if (peers) await network?.setPeers(peers, signal);
    if (this.#peers === peers) this.#peers = undefined;
    if (this.#apiChanged) await this.#applyApi(signal);
  }

  async #applyApi(signal: AbortSignal): Promise<void> {
    const kubernetes = this.#settings?.kubernetes;
    const service = kubernetes && { address: kubernetes.host, port: kubernetes.port };
    this.#apiChanged = false;
    try {
      await this.#deps.network?.setApi(service && { service, servers: distinctServers(this.#apiServers) }, signal);
    } catch (error) {
      this.#apiChanged = true;
      throw error;
    }
  }
}

/** The values of a list of the checkpoint that can still be used. */
function usable<T>(list: unknown, parse: (value: unknown) => T): T[] {
  return (Array.isArray(list) ? list : []).flatMap((value) => {
    try {
      return [parse(value)];
    } catch (error) {
      if (error instanceof Unusable) return [];
      throw error;
    }
  });
}
