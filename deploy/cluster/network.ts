import { addressSlots, type ClusterPlan, type MachinePlan, overlaps, preferredSlot, slotNetworks } from './plan.ts';
import { CommandError, run, tryRun } from './run.ts';

/** The switch and its cables, made with `ip` of iproute2. */

export async function createSwitch(plan: ClusterPlan): Promise<void> {
  await run('ip', ['netns', 'add', plan.switchNetns]);
  await batch(plan.switchNetns, [
    'link set lo up',
    'link add br0 type bridge',
    'link set br0 up',
    // The host's end goes into the namespace of this process.
    `link add host type veth peer name ${plan.hostLink} netns ${process.pid}`,
    'link set host master br0',
    'link set host up',
  ]);
  await batch(undefined, [
    `addr add ${plan.hostAddress}/${prefixLength(plan.machineCIDR)} dev ${plan.hostLink}`,
    `link set ${plan.hostLink} up`,
  ]);
  // Packet filters do not see the switch's frames; the setting exists only with br_netfilter.
  await tryRun('nsenter', [
    `--net=/run/netns/${plan.switchNetns}`,
    'sh',
    '-c',
    'f=/proc/sys/net/bridge/bridge-nf-call-iptables; if [ -e $f ]; then echo 0 >$f; fi',
  ]);
}

/** A network namespace with an address, plugged into the switch. */
export async function plugIn(plan: ClusterPlan, machine: MachinePlan): Promise<void> {
  await run('ip', ['netns', 'add', machine.netns]);
  await batch(plan.switchNetns, [
    `link add ${machine.port} type veth peer name eth0 address ${machine.mac} netns ${machine.netns}`,
    `link set ${machine.port} master br0`,
    `link set ${machine.port} up`,
  ]);
  await batch(machine.netns, [
    'link set lo up',
    `addr add ${machine.address}/${prefixLength(plan.machineCIDR)} dev eth0`,
    'link set eth0 up',
  ]);
}

/** Removes the machine's cable and namespace, if they exist. */
export async function unplug(plan: ClusterPlan, machine: MachinePlan): Promise<void> {
  await absentIsFine(run('ip', ['-n', plan.switchNetns, 'link', 'del', machine.port]));
  await absentIsFine(run('ip', ['netns', 'del', machine.netns]));
}

export async function setCable(plan: ClusterPlan, machine: MachinePlan, state: 'up' | 'down'): Promise<void> {
  await run('ip', ['-n', plan.switchNetns, 'link', 'set', machine.port, state]);
}

/** The host reaches a node's pods through the node. */
export async function routePods(plan: ClusterPlan, machine: MachinePlan, podCIDR: string): Promise<void> {
  await run('ip', ['route', 'replace', podCIDR, 'via', machine.address, 'dev', plan.hostLink]);
}

/** Removes every namespace of the cluster, and with them all links. `leave` ends the processes in one. */
export async function removeNetwork(
  plan: Pick<ClusterPlan, 'id' | 'hostLink'>,
  leave: (netns: string, pids: number[]) => Promise<void>,
): Promise<void> {
  for (const netns of await namespaces(plan.id)) {
    const inside = await tryRun('ip', ['netns', 'pids', netns]);
    const pids = inside.stdout.split('\n').filter((line) => line !== '');
    if (pids.length > 0) await leave(netns, pids.map(Number));
  }
  await absentIsFine(run('ip', ['link', 'del', plan.hostLink]));
  for (const netns of await namespaces(plan.id)) await absentIsFine(run('ip', ['netns', 'del', netns]));
}

export async function namespaces(id: string): Promise<string[]> {
  const listed = await run('ip', ['netns', 'list']);
  return listed
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '')
    .filter((name) => name.startsWith(`coracle-${id}-`));
}

/** Address ranges that the host does not use. Throws when all slots are taken. */
export async function chooseNetworks(id: string): Promise<{ machineCIDR: string; podCIDR: string }> {
  const routes = JSON.parse((await run('ip', ['-json', '-4', 'route', 'show', 'table', 'all'])) || '[]') as {
    dst?: string;
  }[];
  const used = routes.map((route) => route.dst ?? '');
  for (let i = 0; i < addressSlots; i++) {
    const networks = slotNetworks((preferredSlot(id) + i) % addressSlots);
    if (!used.some((range) => overlaps(range, networks.machineCIDR) || overlaps(range, networks.podCIDR)))
      return networks;
  }
  throw new Error('no free address range: name one with --machine-cidr and --pod-cidr');
}

async function batch(netns: string | undefined, lines: readonly string[]): Promise<void> {
  await run('ip', [...(netns === undefined ? [] : ['-n', netns]), '-batch', '-'], { input: `${lines.join('\n')}\n` });
}

async function absentIsFine(done: Promise<string>): Promise<void> {
  try {
    await done;
  } catch (error) {
    if (!(error instanceof CommandError && /Cannot find device|No such file|No such device/.test(error.message)))
      throw error;
  }
}

function prefixLength(cidr: string): string {
  return cidr.split('/')[1] ?? '24';
}
