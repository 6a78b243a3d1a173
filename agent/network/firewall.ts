import { messageOf } from '../../shared/errors.ts';
import type { Log } from '../../shared/log.ts';
import { isMissing, type Run } from './command.ts';
import { type Attachment, NetworkError, type PortMapping } from './network.ts';

interface Element {
  readonly map: 'hostports' | 'bound_hostports' | 'hairpin';
  readonly key: string;
  readonly value?: string;
}

/**
 * The node's translations, in one nftables table of our own: pods that speak to the world outside the cluster do it as
 * the node, and host ports lead to pods. The kernel is the memory: elements carry the uid of their pod, and survive the
 * agent. Where there is no nft, pods have no way out of the cluster but their own addresses, and no host ports.
 *
 *     prerouting, output: to an address of the node → bound_hostports, hostports → pod
 *     postrouting: pod → not in `inside` → masquerade; a pod to itself by its host port → masquerade
 */
export class Firewall {
  readonly #run: Run;
  readonly #log: Log;
  readonly #table: string;
  #usable = false;
  /** nft transactions, one after the other. */
  #queue: Promise<unknown> = Promise.resolve();
  /** Elements by pod; known after setup. */
  #elements = new Map<string, Element[]>();
  #rangeLines: readonly string[] = [];

  constructor(deps: { run: Run; log: Log }, table: string) {
    this.#run = deps.run;
    this.#log = deps.log;
    this.#table = table;
  }

  /** Makes the table, or makes it right; host ports that are in it stay. */
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
      this.#log.warn({ component: 'network', error: why }, 'no masquerading and no host ports on this node');
    }
  }

  /** Traffic from `pods` is masqueraded unless it goes to one of `inside` (ranges or addresses). */
  async setRanges(pods: string, inside: readonly string[], signal?: AbortSignal): Promise<void> {
    const name = this.#table;
    this.#rangeLines = [
      `flush set ip ${name} pods`,
      `add element ip ${name} pods { ${pods} }`,
      `flush set ip ${name} inside`,
      `add element ip ${name} inside { ${[...new Set([pods, ...inside])].join(', ')} }`,
    ];
    if (this.#usable) await this.#assert([], signal);
  }

  /** Makes a pod's host ports those of the attachment. Throws NetworkError when another pod has one of them. */
  async setHostPorts({ podUid, address, hostPorts }: Attachment, signal?: AbortSignal): Promise<void> {
    const wanted = hostPorts.length > 0 ? elementsOf(address, hostPorts) : [];
    const present = this.#elements.get(podUid) ?? [];
    if (wanted.length === 0 && present.length === 0) return;
    if (!this.#usable) {
      throw new NetworkError('Command', 'host ports need nft: it is missing, or the node is not set up yet');
    }
    for (const [other, elements] of this.#elements) {
      const clash = elements.find((each) => wanted.some(({ map, key }) => map === each.map && key === each.key));
      if (other !== podUid && clash)
        throw new NetworkError('Address', `host port ${clash.key} is another pod's: ${other}`);
    }
    this.#put(podUid, wanted);
    try {
      // What may be gone already is added first: a deletion must find what it deletes.
      const gone = present.flatMap((each) => [this.#addLine(each, podUid), this.#deleteLine(each)]);
      await this.#assert(gone, signal);
    } catch (error) {
      this.#put(podUid, present);
      throw error;
    }
  }

  async removeHostPorts(podUid: string, signal?: AbortSignal): Promise<void> {
    await this.setHostPorts({ podUid, netns: '', address: '', hostPorts: [], sysctls: {} }, signal);
  }

  /** The pods that have host ports. */
  get podUids(): string[] {
    return [...this.#elements.keys()];
  }

  #put(podUid: string, elements: Element[]): void {
    if (elements.length > 0) this.#elements.set(podUid, elements);
    else this.#elements.delete(podUid);
  }

  /**
   * After `first`, everything that is wanted, in one transaction: so that whoever flushed the machine's rules has
   * undone only what came before the next change.
   */
  async #assert(first: readonly string[], signal?: AbortSignal): Promise<void> {
    const elements = [...this.#elements].flatMap(([uid, each]) => each.map((one) => this.#addLine(one, uid)));
    await this.#nft([...this.#tableLines(), ...this.#rangeLines, ...first, ...elements], signal);
  }

  #tableLines(): string[] {
    const name = this.#table;
    return [
      `add table ip ${name}`,
      `add map ip ${name} hostports { type inet_proto . inet_service : ipv4_addr . inet_service; }`,
      `add map ip ${name} bound_hostports { type inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service; }`,
      `add set ip ${name} hairpin { type ipv4_addr . ipv4_addr; }`,
      `add set ip ${name} pods { type ipv4_addr; flags interval; }`,
      `add set ip ${name} inside { type ipv4_addr; flags interval; auto-merge; }`,
      `add chain ip ${name} to_pods`,
      `add chain ip ${name} prerouting { type nat hook prerouting priority -100; }`,
      `add chain ip ${name} output { type nat hook output priority -100; }`,
      `add chain ip ${name} postrouting { type nat hook postrouting priority 100; }`,
      ...['to_pods', 'prerouting', 'output', 'postrouting'].map((chain) => `flush chain ip ${name} ${chain}`),
      `add rule ip ${name} to_pods dnat ip to meta l4proto . ip daddr . th dport map @bound_hostports`,
      `add rule ip ${name} to_pods dnat ip to meta l4proto . th dport map @hostports`,
      `add rule ip ${name} prerouting fib daddr type local jump to_pods`,
      `add rule ip ${name} output ip daddr != 127.0.0.0/8 fib daddr type local jump to_pods`,
      `add rule ip ${name} postrouting ip saddr . ip daddr @hairpin masquerade`,
      `add rule ip ${name} postrouting ip saddr @pods ip daddr != @inside fib daddr type != local masquerade`,
    ];
  }

  #addLine({ map, key, value }: Element, podUid: string): string {
    return `add element ip ${this.#table} ${map} { ${key} comment "${podUid}"${value ? ` : ${value}` : ''} }`;
  }

  #deleteLine({ map, key }: Element): string {
    return `delete element ip ${this.#table} ${map} { ${key} }`;
  }

  async #nft(lines: readonly string[], signal?: AbortSignal): Promise<void> {
    const turn = this.#queue.then(() => this.#run('nft', ['-f', '-'], { input: `${lines.join('\n')}\n`, signal }));
    // A transaction that failed does not hold up the next.
    this.#queue = turn.catch(() => undefined);
    await turn;
  }
}

function elementsOf(address: string, hostPorts: readonly PortMapping[]): Element[] {
  return [
    ...hostPorts.map(({ hostIP, hostPort, containerPort, protocol }): Element => {
      const value = `${address} . ${containerPort}`;
      const kind = protocol.toLowerCase();
      return hostIP === '' || hostIP === '0.0.0.0'
        ? { map: 'hostports', key: `${kind} . ${hostPort}`, value }
        : { map: 'bound_hostports', key: `${kind} . ${hostIP} . ${hostPort}`, value };
    }),
    { map: 'hairpin', key: `${address} . ${address}` },
  ];
}

interface Listed {
  readonly nftables: ReadonlyArray<Partial<Record<'map' | 'set', { name: string; elem?: readonly unknown[] }>>>;
}

/** The elements that carry a pod's uid, from nft's JSON: `[{elem: {val: {concat}, comment}}, data]`, or the first alone in a set. */
export function parseElements(listed: Listed): Map<string, Element[]> {
  const found = new Map<string, Element[]>();
  for (const { map, set } of listed.nftables) {
    const name = (map ?? set)?.name;
    if (name !== 'hostports' && name !== 'bound_hostports' && name !== 'hairpin') continue;
    for (const each of (map ?? set)?.elem ?? []) {
      const [left, data] = (Array.isArray(each) ? each : [each]) as [{ elem?: Value }, { concat?: unknown[] }?];
      const podUid = left.elem?.comment;
      const key = left.elem?.val?.concat?.join(' . ');
      if (podUid === undefined || key === undefined) continue;
      const elements = found.get(podUid) ?? [];
      elements.push({ map: name, key, ...(data?.concat ? { value: data.concat.join(' . ') } : {}) });
      found.set(podUid, elements);
    }
  }
  return found;
}

interface Value {
  readonly comment?: string;
  readonly val?: { readonly concat?: readonly unknown[] };
}
