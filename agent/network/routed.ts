import { readFile, writeFile } from 'node:fs/promises';
import { messageOf } from '../../shared/errors.ts';
import type { Log } from '../../shared/log.ts';
import { type Cidr, type Ipv4, parseIpv4 } from '../../shared/net/ipv4.ts';
import { type IfName, parseIfName } from '../../shared/net/names.ts';
import type { ApiService } from './api-service.ts';
import { type Run, type RunOptions, systemRun } from './command.ts';
import {
  deleteLines,
  interfaceName,
  interfacePrefix,
  isPodInterface,
  nodeLines,
  parseRoute,
  peerLines,
  podInterface,
  podLines,
  type Route,
  rangeLines,
  reachLines,
  routeProtocol,
} from './commands.ts';
import { NetworkError } from './error.ts';
import { Firewall } from './firewall.ts';
import type { Attachment, Peer, PodNetwork } from './network.ts';
import { type Line, type NetnsPath, netnsPath, script } from './script.ts';
import { type SysctlPath, type Sysctls, type SysctlValue, sysctls } from './sysctl.ts';

export interface RoutedNetworkOptions {
  /** Path of the node's network namespace; absent: that of this process. */
  readonly netns?: string;
  /** Bytes; absent: that of the interface of the default route. */
  readonly mtu?: number;
}

const defaultMtu = 1500;
const nodeSysctls = sysctls({
  'net.ipv4.ip_forward': '1',
  'net.ipv4.conf.all.rp_filter': '0',
  'net.ipv4.conf.default.rp_filter': '0',
});

/**
 * Pods connected by routes only: each pod has one end of a veth pair, its address is a /32 route on its node, and each node's range is a
 * route on the others. No bridge, no overlay, no translation between pods.
 *
 *      pod                                node A                             node B
 *     [eth0 10.1.0.2/32]──pair──[cor3f… ← 10.1.0.2/32]   eth0 ←──── 10.1.0.0/24 via A
 *       default via 169.254.1.1 (a permanent neighbour: the node's end)
 *
 * The kernel keeps the state: the agent's routes carry `routeProtocol`, and a new agent finds them. One agent runs in a network namespace:
 * all routes with the mark are its own.
 */
export class RoutedNetwork implements PodNetwork {
  readonly #run: Run;
  readonly #log: Log;
  readonly #netns: NetnsPath | undefined;
  readonly #nodeNetns: NetnsPath;
  readonly #firewall: Firewall;
  #mtu: number;
  readonly #fixedMtu: boolean;
  #ranges: { podCIDR: Cidr; clusterCIDR?: Cidr } | undefined;
  #peers: readonly Peer[] = [];

  constructor(deps: { log: Log; run?: Run }, options: RoutedNetworkOptions = {}) {
    this.#run = deps.run ?? systemRun;
    this.#log = deps.log;
    this.#netns = options.netns === undefined ? undefined : netnsPath(options.netns);
    this.#nodeNetns = this.#netns ?? netnsPath(`/proc/${process.pid}/ns/net`);
    this.#fixedMtu = options.mtu !== undefined;
    this.#mtu = options.mtu ?? defaultMtu;
    const onNode: Run = (command, args, runOptions) => this.#onNode(command, args, runOptions ?? {});
    this.#firewall = new Firewall({ run: onNode, log: deps.log }, 'coracle');
  }

  async setup(ranges: { podCIDR: Cidr; clusterCIDR?: Cidr }, signal?: AbortSignal): Promise<void> {
    this.#ranges = ranges;
    await this.#sysctls(this.#netns, nodeSysctls);
    if (!this.#fixedMtu) this.#mtu = await this.#outwardMtu(signal);
    await this.#ip(rangeLines(ranges.podCIDR, await this.#routes(signal)), signal);
    await this.#acceptForwarding(signal);
    await this.#firewall.setup(signal);
    await this.#setFirewallRanges(signal);
  }

  async attach(attachment: Attachment, signal?: AbortSignal): Promise<void> {
    const { podUid, netns } = attachment;
    const name = interfaceName(podUid);
    const inPod = podLines(attachment, name, this.#mtu, this.#nodeNetns);
    // The slower one starts first. Both are awaited: after a failure nothing runs on.
    const making = this.#ipIn(netns, inPod, signal);
    const [made, set] = await Promise.allSettled([making, this.#sysctls(netns, attachment.sysctls, signal)]);
    if (made.status === 'rejected') {
      if (!/File exists/.test(messageOf(made.reason))) throw made.reason;
      if (await this.#isWhole(attachment, signal)) return void (await this.#firewall.setHostPorts(attachment, signal));
      // Left by an interrupted attachment, or by a former namespace of the pod: start over.
      await this.#deleteLink(undefined, name, signal);
      await this.#deleteLink(netns, podInterface, signal);
      await this.#ipIn(netns, inPod, signal);
    }
    if (set.status === 'rejected') throw set.reason;
    await this.#firewall.setHostPorts(attachment, signal);
    await this.#ip(nodeLines(attachment, name), signal);
  }

  async detach(podUid: string, signal?: AbortSignal): Promise<void> {
    await this.#firewall.removeHostPorts(podUid, signal);
    await this.#deleteLink(undefined, interfaceName(podUid), signal);
  }

  async attached(podUids: readonly string[], signal?: AbortSignal): Promise<ReadonlyMap<string, Ipv4>> {
    const routes = await this.#routes(signal);
    const addresses = new Map<string, Ipv4>();
    for (const { dev, dst, gateway } of routes) {
      const address = gateway === undefined ? parseIpv4(dst) : undefined;
      if (dev && address) addresses.set(dev, address);
    }
    const found = new Map<string, Ipv4>();
    for (const uid of podUids) {
      const address = addresses.get(interfaceName(uid));
      if (address !== undefined) found.set(uid, address);
    }
    return found;
  }

  async setPeers(peers: readonly Peer[], signal?: AbortSignal): Promise<void> {
    const reached = await this.#reach(peers, signal);
    for (const peer of peers.filter(({ address }) => !reached.has(address))) {
      const fields = { component: 'network', peer: peer.address, podCIDR: peer.podCIDR };
      this.#log.warn(fields, 'a node is not a direct neighbour: its pods cannot be reached from here');
    }
    await this.#ip(peerLines(peers, await this.#routes(signal), reached), signal);
    // Without those that are no neighbours: their addresses are not known to be nodes.
    this.#peers = peers.filter(({ address }) => reached.has(address));
    await this.#setFirewallRanges(signal);
  }

  async setApi(api: ApiService | undefined, signal?: AbortSignal): Promise<void> {
    await this.#firewall.setApi(api, signal);
  }

  async cleanup(podUids: readonly string[], signal?: AbortSignal): Promise<void> {
    const expected = new Set(podUids.map((uid) => interfaceName(uid)));
    const listed = await this.#onNode('ip', ['-json', 'link', 'show', 'type', 'veth'], { signal });
    const podLinks = parseLinks(listed).filter(({ ifname }) => isPodInterface(ifname));
    for (const { ifname } of podLinks) if (!expected.has(ifname)) await this.#deleteLink(undefined, ifname, signal);
    for (const uid of this.#firewall.podUids)
      if (!podUids.includes(uid)) await this.#firewall.removeHostPorts(uid, signal);
  }

  /** Whether the attachment is complete in this namespace. */
  async #isWhole({ podUid, netns, address }: Attachment, signal?: AbortSignal): Promise<boolean> {
    if ((await this.attached([podUid], signal)).get(podUid) !== address) return false;
    const show = ['ip', '-json', '-4', 'address', 'show'];
    const links = await this.#run('nsenter', [`--net=${netns}`, ...show], { signal });
    return links.includes(`"local":"${address}"`);
  }

  /** The interface through which each peer is a direct neighbour. */
  async #reach(peers: readonly Peer[], signal?: AbortSignal): Promise<Map<string, IfName>> {
    if (peers.length === 0) return new Map();
    // -force goes on after a peer without a route.
    const answers = await this.#onNode('ip', ['-json', '-force', '-batch', '-'], {
      input: script(reachLines(peers)),
      signal,
      partial: true,
    });
    const reached = new Map<string, IfName>();
    for (const { dst, gateway, dev } of parseRoutes(answers)) {
      if (gateway === undefined && dev !== undefined && dev !== 'lo') reached.set(dst, dev);
    }
    return reached;
  }

  async #routes(signal?: AbortSignal): Promise<Route[]> {
    return parseRoutes(
      await this.#onNode('ip', ['-json', '-4', 'route', 'show', 'proto', String(routeProtocol)], { signal }),
    );
  }

  async #outwardMtu(signal?: AbortSignal): Promise<number> {
    const listed = await this.#onNode('ip', ['-json', '-4', 'route', 'show', 'default'], { signal });
    const [route] = parseLines(listed) as Array<{ dev?: unknown }>;
    const dev = parseIfName(route?.dev);
    if (!dev) return defaultMtu;
    const [link] = parseLinks(await this.#onNode('ip', ['-json', 'link', 'show', 'dev', dev], { signal }));
    return link?.mtu ?? defaultMtu;
  }

  /** Accepts forwarded packets of pods where Docker (or another program) has made the machine drop them. */
  async #acceptForwarding(signal?: AbortSignal): Promise<void> {
    let rules: string;
    try {
      rules = await this.#onNode('iptables', ['-w', '-S'], { signal });
    } catch (error) {
      if (signal?.aborted) throw error;
      this.#log.debug({ component: 'network', error: messageOf(error) }, 'no iptables on this node');
      return;
    }
    const dockerUser = /^-N DOCKER-USER$/m.test(rules);
    if (!dockerUser && !/^-P FORWARD DROP$/m.test(rules)) return;
    const chain = dockerUser ? 'DOCKER-USER' : 'FORWARD';
    for (const match of ['-i', '-o']) {
      const rule = [match, `${interfacePrefix}+`, '-j', 'ACCEPT'];
      if (rules.includes(`-A ${chain} ${rule.join(' ')}\n`)) continue;
      await this.#onNode('iptables', ['-w', '-I', chain, ...rule], { signal });
    }
  }

  async #setFirewallRanges(signal?: AbortSignal): Promise<void> {
    if (!this.#ranges) return;
    const { podCIDR, clusterCIDR } = this.#ranges;
    const inside = this.#peers.flatMap((peer) => [peer.podCIDR, peer.address]);
    await this.#firewall.setRanges(podCIDR, clusterCIDR === undefined ? inside : [clusterCIDR, ...inside], signal);
  }

  async #deleteLink(netns: NetnsPath | undefined, name: IfName, signal?: AbortSignal): Promise<void> {
    try {
      const lines = deleteLines(name);
      await (netns === undefined ? this.#ip(lines, signal) : this.#ipIn(netns, lines, signal));
    } catch (error) {
      if (!/Cannot find device|No such device|No such file/.test(messageOf(error))) throw error;
    }
  }

  async #sysctls(netns: NetnsPath | undefined, values: Sysctls, signal?: AbortSignal) {
    const one = async ([path, value]: [SysctlPath, SysctlValue]) => {
      if (netns !== undefined)
        return void (await this.#run('nsenter', [`--net=${netns}`, 'tee', path], { input: value, signal }));
      // In a container the file may be read-only: it is written only when it differs.
      if ((await readFile(path, 'utf8')).trim() !== value) await writeFile(path, value);
    };
    try {
      await Promise.all([...values].map(one));
    } catch (error) {
      throw error instanceof NetworkError ? error : new NetworkError('Command', messageOf(error), { cause: error });
    }
  }

  async #ip(lines: readonly Line[], signal?: AbortSignal): Promise<void> {
    if (lines.length > 0) await this.#onNode('ip', ['-batch', '-'], { input: script(lines), signal });
  }

  async #ipIn(netns: NetnsPath, lines: readonly Line[], signal?: AbortSignal): Promise<void> {
    await this.#run('nsenter', [`--net=${netns}`, 'ip', '-batch', '-'], { input: script(lines), signal });
  }

  async #onNode(command: string, args: readonly string[], options: RunOptions): Promise<string> {
    return this.#netns === undefined
      ? this.#run(command, args, options)
      : this.#run('nsenter', [`--net=${this.#netns}`, command, ...args], options);
  }
}

function parseRoutes(json: string): Route[] {
  return parseLines(json).flatMap(parseRoute);
}

/** The output of a batch: one JSON array a line. */
function parseLines(json: string): unknown[] {
  return json
    .split('\n')
    .filter((each) => each.trim() !== '')
    .flatMap((each) => JSON.parse(each) as unknown[]);
}

function parseLinks(json: string): Array<{ ifname: IfName; mtu?: number }> {
  // An older `ip` writes empty objects for the links that its filter leaves out.
  return (JSON.parse(json.trim() || '[]') as Array<{ ifname?: string; mtu?: number }>).flatMap(({ ifname, mtu }) => {
    const name = parseIfName(ifname);
    return name === undefined ? [] : [{ ifname: name, mtu }];
  });
}
