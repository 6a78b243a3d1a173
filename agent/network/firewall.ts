import { messageOf } from '../../shared/errors.ts';
import type { Log } from '../../shared/log.ts';
import { type Cidr, type Ipv4, parseIpv4 } from '../../shared/net/ipv4.ts';
import { type ObjectUid, parseObjectUid, parsePort } from '../../shared/net/names.ts';
import type { ApiService } from './api-service.ts';
import { isMissing, type Run } from './command.ts';
import { NetworkError } from './error.ts';
import type { Attachment, PortMapping } from './network.ts';
import { type Keyword, keyword, type Line, line, script } from './script.ts';

/** One entry of a map or set, as commands: `key` of the entry, `value` that it leads to. */
interface Element {
  readonly map: Keyword;
  readonly key: Line;
  readonly value?: Line;
}

const [hostports, boundHostports, hairpin] = [keyword('hostports'), keyword('bound_hostports'), keyword('hairpin')];

/**
 * The node's address translation, in one nftables table: pods reach hosts outside the cluster under the node's address, and host ports
 * lead to pods. The kernel keeps the state: elements carry the uid of their pod and outlive the agent. Without nft there is neither.
 *
 *     prerouting, output: to the service of the API → one of its servers
 *     prerouting, output: to an address of the node → bound_hostports, hostports → pod
 *     postrouting: pod → not in `inside` → masquerade; a pod to itself by its host port → masquerade
 */
export class Firewall {
  readonly #run: Run;
  readonly #log: Log;
  readonly #table: Keyword;
  #usable = false;
  /** The end of the last nft transaction: they run one after the other. */
  #queue: Promise<unknown> = Promise.resolve();
  /** Elements by pod; known after setup. */
  #elements = new Map<ObjectUid, Element[]>();
  #rangeLines: readonly Line[] = [];
  #apiLines: readonly Line[] = [];

  constructor(deps: { run: Run; log: Log }, table: string) {
    this.#run = deps.run;
    this.#log = deps.log;
    this.#table = keyword(table);
  }

  /** Creates or repairs the table; the host ports in it stay. */
  async setup(signal?: AbortSignal): Promise<void> {
    try {
      await this.#nft(this.#tableLines(), signal);
      const json = await this.#run('nft', ['-j', 'list', 'table', 'ip', this.#table], { signal });
      this.#elements = parseElements(JSON.parse(json));
      this.#usable = true;
    } catch (error) {
      if (signal?.aborted) throw error;
      this.#usable = false;
      const why = isMissing(error) ? 'nft is not installed' : messageOf(error);
      this.#log.warn(
        { component: 'network', error: why },
        'no masquerading, no host ports and no way to the service of the API on this node',
      );
    }
  }

  /** Traffic from `pods` is masqueraded unless it goes to one of `inside`. */
  async setRanges(pods: Cidr, inside: readonly (Cidr | Ipv4)[], signal?: AbortSignal): Promise<void> {
    const name = this.#table;
    this.#rangeLines = [
      line`flush set ip ${name} pods`,
      line`add element ip ${name} pods { ${pods} }`,
      line`flush set ip ${name} inside`,
      line`add element ip ${name} inside { ${[...new Set([pods, ...inside])]} }`,
    ];
    if (this.#usable) await this.#assert([], signal);
  }

  /** New connections to the service go to a random server. Undefined, or no servers: they are not translated. */
  async setApi(api: ApiService | undefined, signal?: AbortSignal): Promise<void> {
    this.#apiLines = api && api.servers.length > 0 ? [this.#apiLine(api)] : [];
    if (this.#usable) await this.#assert([], signal);
  }

  #apiLine({ service, servers }: ApiService): Line {
    const choices = servers.map(({ address, port }, index) => line`${index} : ${address} . ${port}`);
    const choice = line`numgen random mod ${servers.length} map { ${choices} }`;
    const match = line`ip daddr ${service.address} tcp dport ${service.port}`;
    return line`add rule ip ${this.#table} to_api ${match} dnat ip addr . port to ${choice}`;
  }

  /** Replaces a pod's host ports. Throws NetworkError when another pod has one of them. */
  async setHostPorts(
    { podUid, address, hostPorts }: Pick<Attachment, 'podUid' | 'address' | 'hostPorts'>,
    signal?: AbortSignal,
  ): Promise<void> {
    await this.#set(podUid, hostPorts.length > 0 ? elementsOf(address, hostPorts) : [], signal);
  }

  async removeHostPorts(podUid: string, signal?: AbortSignal): Promise<void> {
    const uid = parseObjectUid(podUid);
    if (uid) await this.#set(uid, [], signal);
  }

  async #set(podUid: ObjectUid, wanted: Element[], signal?: AbortSignal): Promise<void> {
    const before = this.#elements.get(podUid) ?? [];
    if (wanted.length === 0 && before.length === 0) return;
    if (!this.#usable) {
      throw new NetworkError('Command', 'host ports need nft: it is missing, or the node is not set up yet');
    }
    for (const [other, elements] of this.#elements) {
      const clash = elements.find((each) => wanted.some((one) => sameEntry(one, each)));
      if (other !== podUid && clash)
        throw new NetworkError('Address', `host port ${clash.key.text} is another pod's: ${other}`);
    }
    this.#put(podUid, wanted);
    try {
      // Added first, as a deletion fails without its element.
      const deletions = before.flatMap((each) => [this.#addLine(each, podUid), this.#deleteLine(each)]);
      await this.#assert(deletions, signal);
    } catch (error) {
      this.#put(podUid, before);
      throw error;
    }
  }

  /** The pods that have host ports. */
  get podUids(): string[] {
    return [...this.#elements.keys()];
  }

  #put(podUid: ObjectUid, elements: Element[]): void {
    if (elements.length > 0) this.#elements.set(podUid, elements);
    else this.#elements.delete(podUid);
  }

  /**
   * Applies `first` and then the whole wanted state, in one transaction: after the machine's rules were flushed, the next change
   * restores them.
   */
  async #assert(first: readonly Line[], signal?: AbortSignal): Promise<void> {
    const elements = [...this.#elements].flatMap(([uid, each]) => each.map((one) => this.#addLine(one, uid)));
    await this.#nft([...this.#tableLines(), ...this.#rangeLines, ...this.#apiLines, ...first, ...elements], signal);
  }

  #tableLines(): Line[] {
    const name = this.#table;
    const chains = [
      keyword('to_api'),
      keyword('to_pods'),
      keyword('prerouting'),
      keyword('output'),
      keyword('postrouting'),
    ];
    return [
      line`add table ip ${name}`,
      line`add map ip ${name} hostports { type inet_proto . inet_service : ipv4_addr . inet_service; }`,
      line`add map ip ${name} bound_hostports { type inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service; }`,
      line`add set ip ${name} hairpin { type ipv4_addr . ipv4_addr; }`,
      line`add set ip ${name} pods { type ipv4_addr; flags interval; }`,
      line`add set ip ${name} inside { type ipv4_addr; flags interval; auto-merge; }`,
      line`add chain ip ${name} to_api`,
      line`add chain ip ${name} to_pods`,
      line`add chain ip ${name} prerouting { type nat hook prerouting priority -100; }`,
      line`add chain ip ${name} output { type nat hook output priority -100; }`,
      line`add chain ip ${name} postrouting { type nat hook postrouting priority 100; }`,
      ...chains.map((chain) => line`flush chain ip ${name} ${chain}`),
      line`add rule ip ${name} to_pods dnat ip to meta l4proto . ip daddr . th dport map @bound_hostports`,
      line`add rule ip ${name} to_pods dnat ip to meta l4proto . th dport map @hostports`,
      line`add rule ip ${name} prerouting jump to_api`,
      line`add rule ip ${name} output jump to_api`,
      line`add rule ip ${name} prerouting fib daddr type local jump to_pods`,
      line`add rule ip ${name} output ip daddr != 127.0.0.0/8 fib daddr type local jump to_pods`,
      line`add rule ip ${name} postrouting ip saddr . ip daddr @hairpin masquerade`,
      line`add rule ip ${name} postrouting ip saddr @pods ip daddr != @inside fib daddr type != local masquerade`,
    ];
  }

  #addLine({ map, key, value }: Element, podUid: ObjectUid): Line {
    const entry = line`${key} comment "${podUid}"`;
    return line`add element ip ${this.#table} ${map} { ${value ? line`${entry} : ${value}` : entry} }`;
  }

  #deleteLine({ map, key }: Element): Line {
    return line`delete element ip ${this.#table} ${map} { ${key} }`;
  }

  async #nft(lines: readonly Line[], signal?: AbortSignal): Promise<void> {
    const turn = this.#queue.then(() => this.#run('nft', ['-f', '-'], { input: script(lines), signal }));
    // A failed transaction does not hold up the next one.
    this.#queue = turn.catch(() => undefined);
    await turn;
  }
}

function sameEntry(one: Element, other: Element): boolean {
  return one.map === other.map && one.key.text === other.key.text;
}

function elementsOf(address: Ipv4, hostPorts: readonly PortMapping[]): Element[] {
  return [...hostPorts.map((port) => hostPortElement(address, port)), hairpinElement(address)];
}

function hostPortElement(address: Ipv4, { hostIP, hostPort, containerPort, protocol }: PortMapping): Element {
  const value = line`${address} . ${containerPort}`;
  const kind = keyword(protocol);
  return hostIP === undefined
    ? { map: hostports, key: line`${kind} . ${hostPort}`, value }
    : { map: boundHostports, key: line`${kind} . ${hostIP} . ${hostPort}`, value };
}

function hairpinElement(address: Ipv4): Element {
  return { map: hairpin, key: line`${address} . ${address}` };
}

interface Listed {
  readonly nftables: ReadonlyArray<Partial<Record<'map' | 'set', { name: string; elem?: readonly unknown[] }>>>;
}

/** The elements that carry a pod's uid, from nft's JSON: `[{elem: {val: {concat}, comment}}, data]`, in a set without `data`. */
export function parseElements(listed: Listed): Map<ObjectUid, Element[]> {
  const found = new Map<ObjectUid, Element[]>();
  for (const { map, set } of listed.nftables) {
    for (const each of (map ?? set)?.elem ?? []) {
      const [left, data] = (Array.isArray(each) ? each : [each]) as [{ elem?: Value }, { concat?: unknown[] }?];
      const podUid = parseObjectUid(left.elem?.comment);
      const element = parseElement((map ?? set)?.name, left.elem?.val?.concat ?? [], data?.concat ?? []);
      if (podUid === undefined || element === undefined) continue;
      const elements = found.get(podUid) ?? [];
      elements.push(element);
      found.set(podUid, elements);
    }
  }
  return found;
}

/** Undefined for an element that the agent has not made. */
function parseElement(
  name: string | undefined,
  key: readonly unknown[],
  value: readonly unknown[],
): Element | undefined {
  const address = parseIpv4(name === 'hairpin' ? key[0] : value[0]);
  if (address === undefined) return undefined;
  if (name === 'hairpin') return hairpinElement(address);
  const protocol = (['tcp', 'udp', 'sctp'] as const).find((one) => one === key[0]);
  const [hostPort, containerPort] = [parsePort(key.at(-1)), parsePort(value[1])];
  if (protocol === undefined || hostPort === undefined || containerPort === undefined) return undefined;
  const ports = { hostPort, containerPort, protocol };
  if (name === 'hostports') return hostPortElement(address, ports);
  const hostIP = parseIpv4(key[1]);
  return name === 'bound_hostports' && hostIP ? hostPortElement(address, { ...ports, hostIP }) : undefined;
}

interface Value {
  readonly comment?: string;
  readonly val?: { readonly concat?: readonly unknown[] };
}
