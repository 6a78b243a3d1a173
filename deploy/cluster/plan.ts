import { createHash } from 'node:crypto';
import { join } from 'node:path';

/**
 * The names and paths of a cluster's parts. All follow from the directory, so that several clusters coexist and an incomplete one can be
 * removed.
 *
 *      host ──corID──┐
 *                    │        coracle-ID-sw: a bridge in a network namespace of its own
 *         ┌──────────┴──────────┐
 *         p0        p1        p2 …      ports; a port whose link is down is a cut cable
 *         │         │         │
 *        eth0      eth0      eth0
 *     coracle-ID-0  -1        -2        machines: 0 has the control plane, 1 … N are the nodes
 */
export interface ClusterPlan {
  readonly id: string;
  readonly dir: string;
  /** Network namespace of the switch. */
  readonly switchNetns: string;
  /** The host's own interface on the switch. */
  readonly hostLink: string;
  readonly hostAddress: string;
  /** `10.128.7.0/24`: the machines' network. */
  readonly machineCIDR: string;
  /** `10.64.0.0/16`: the pods' addresses. */
  readonly podCIDR: string;
  /** Machine 0 runs the control plane; machine K is node K. */
  readonly machines: readonly MachinePlan[];
}

export interface MachinePlan {
  readonly index: number;
  /** Host name, and the node's name. */
  readonly name: string;
  readonly address: string;
  /** Fixed: otherwise peers would keep a stale neighbour entry after a power cut. */
  readonly mac: string;
  readonly netns: string;
  /** The machine's end of the cable, on the switch. */
  readonly port: string;
  /** The machine's disk. */
  readonly dir: string;
  /** Unix socket of its Docker engine. */
  readonly engine: string;
  /** Name under every cgroup hierarchy's root. */
  readonly cgroup: string;
}

/** The most clusters on one host: each takes one slot of addresses. */
export const addressSlots = 63;
export const maxNodes = 200;

/** The longest path that fits a unix socket's address. */
const maxSocketPath = 107;

/** Six hexadecimal digits that name the cluster of a directory (an absolute path without links). */
export function clusterId(dir: string): string {
  return createHash('sha256').update(dir).digest('hex').slice(0, 6);
}

/** The slot to try first. */
export function preferredSlot(id: string): number {
  return Number.parseInt(id, 16) % addressSlots;
}

/** Second byte of the addresses of services by default (10.68.0.0/16), which pods cannot have. */
const servicesByte = 68;

export function slotNetworks(slot: number): { machineCIDR: string; podCIDR: string } {
  const podsByte = 64 + slot;
  const free = podsByte < servicesByte ? podsByte : podsByte + 1;
  return { machineCIDR: `10.${128 + slot}.0.0/24`, podCIDR: `10.${free}.0.0/16` };
}

export interface PlanOptions {
  readonly dir: string;
  readonly nodes: number;
  /** A /24. */
  readonly machineCIDR: string;
  readonly podCIDR: string;
}

/** Throws Error when the options do not fit. */
export function planCluster({ dir, nodes, machineCIDR, podCIDR }: PlanOptions): ClusterPlan {
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > maxNodes) {
    throw new Error(`a cluster has 1 to ${maxNodes} nodes, not ${nodes}`);
  }
  const network = /^(\d+\.\d+\.\d+)\.0\/24$/.exec(machineCIDR)?.[1];
  if (network === undefined)
    throw new Error(`the machines' network must be a /24 such as 10.128.0.0/24, not ${machineCIDR}`);
  const id = clusterId(dir);
  const machines = Array.from({ length: nodes + 1 }, (_, index): MachinePlan => {
    const machineDir = join(dir, 'machines', String(index));
    return {
      index,
      name: index === 0 ? 'control-plane' : `node-${index}`,
      address: `${network}.${10 + index}`,
      mac: `02:c0:${id.slice(0, 2)}:${id.slice(2, 4)}:${id.slice(4, 6)}:${index.toString(16).padStart(2, '0')}`,
      netns: `coracle-${id}-${index}`,
      port: `p${index}`,
      dir: machineDir,
      engine: join(machineDir, 'docker.sock'),
      cgroup: `coracle-${id}-${index}`,
    };
  });
  const last = machines.at(-1);
  if (last !== undefined && last.engine.length > maxSocketPath) {
    throw new Error(
      `the directory's path is too long: ${last.engine} has ${last.engine.length} characters, a socket's path has at most ${maxSocketPath}`,
    );
  }
  return {
    id,
    dir,
    switchNetns: `coracle-${id}-sw`,
    hostLink: `cor${id}`,
    hostAddress: `${network}.1`,
    machineCIDR,
    podCIDR,
    machines,
  };
}

/** Whether two IPv4 ranges overlap. `default` overlaps none. */
export function overlaps(a: string, b: string): boolean {
  const [x, y] = [parseRange(a), parseRange(b)];
  if (x === undefined || y === undefined) return false;
  const bits = Math.min(x.bits, y.bits);
  const mask = bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0;
  return (x.base & mask) >>> 0 === (y.base & mask) >>> 0;
}

function parseRange(range: string): { base: number; bits: number } | undefined {
  const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)(?:\/(\d+))?$/.exec(range);
  if (match === null) return undefined;
  const [a = 0, b = 0, c = 0, d = 0] = match.slice(1, 5).map(Number);
  return { base: ((a << 24) | (b << 16) | (c << 8) | d) >>> 0, bits: match[5] === undefined ? 32 : Number(match[5]) };
}
