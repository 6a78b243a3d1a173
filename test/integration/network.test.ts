import { type ChildProcess, spawn } from 'node:child_process';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { RoutedNetwork } from '../../agent/network/routed.ts';
import type { HostPort } from '../../agent/runtime/runtime.ts';
import { silentLog } from '../../shared/log.ts';
import type { Ipv4 } from '../../shared/net/ipv4.ts';
import { eventually } from '../support/eventually.ts';
import { attachment, cidr, ipv4, port } from '../support/net.ts';
import { connect, makeNetns, netnsMissing, type TestNetns } from '../support/netns.ts';

/** Two nodes with a cable between them, and namespaces for pods. */
interface Lab {
  readonly nodes: readonly [TestNetns, TestNetns];
  readonly networks: readonly [RoutedNetwork, RoutedNetwork];
  pod(): Promise<TestNetns>;
}

const ranges = [cidr('10.90.1.0/24'), cidr('10.90.2.0/24')] as const;
const nodeAddresses = [ipv4('192.168.90.1'), ipv4('192.168.90.2')] as const;
const skip = await netnsMissing();

let lab: Lab;
let undo: Array<() => Promise<void>> = [];

beforeEach(async () => {
  const namespace = async () => {
    const made = await makeNetns();
    undo.push(() => made.remove());
    return made;
  };
  const nodes = [await namespace(), await namespace()] as const;
  await connect(nodes[0], `${nodeAddresses[0]}/24`, nodes[1], `${nodeAddresses[1]}/24`);
  const networks = [networkOf(nodes[0]), networkOf(nodes[1])] as const;
  await networks[0].setup({ podCIDR: ranges[0] });
  await networks[1].setup({ podCIDR: ranges[1] });
  lab = { nodes, networks, pod: namespace };
});

afterEach(async () => {
  for (const each of undo.reverse()) await each();
  undo = [];
});

test.skipIf(skip)('pods of two nodes reach each other by their own addresses, and so do the nodes', async () => {
  const [here, there] = [await lab.pod(), await lab.pod()];
  await attach(0, here, 'a', '10.90.1.2');
  await attach(1, there, 'b', '10.90.2.2');
  await becomePeers();
  await serve(there, 80, 'there');
  expect(await ask(here, '10.90.2.2', 80)).toBe('there');
  expect(await ask(lab.nodes[0], '10.90.2.2', 80)).toBe('there');
  expect(await ask(lab.nodes[1], '10.90.2.2', 80)).toBe('there');
  expect(await sourceSeenBy(there, here, '10.90.2.2')).toBe('10.90.1.2');
});

test.skipIf(skip)('pods of one node reach each other and themselves, on the loopback too', async () => {
  const [one, other] = [await lab.pod(), await lab.pod()];
  await attach(0, one, 'a', '10.90.1.2');
  await attach(0, other, 'b', '10.90.1.3');
  await serve(other, 80, 'other');
  expect(await ask(one, '10.90.1.3', 80)).toBe('other');
  expect(await ask(other, '10.90.1.3', 80)).toBe('other');
  expect(await ask(other, '127.0.0.1', 80)).toBe('other');
});

test.skipIf(skip)(
  'pods of every node reach the API by the address of its service, whichever servers there are',
  async () => {
    const service = { address: ipv4('10.68.0.1'), port: port(443) };
    const at = (address: Ipv4, number: number) => ({ address, port: port(number) });
    const [here, there] = [await lab.pod(), await lab.pod()];
    await attach(0, here, 'a', '10.90.1.2');
    await attach(1, there, 'b', '10.90.2.2');
    await becomePeers();
    await serve(lab.nodes[1], 6443, 'one');
    await serve(lab.nodes[1], 6444, 'two');
    const both = [at(nodeAddresses[1], 6443), at(nodeAddresses[1], 6444)];
    for (const network of lab.networks) await network.setApi({ service, servers: both });
    for (const pod of [here, there]) {
      const answers = new Set<string>();
      await eventually(async () => answers.add(await ask(pod, service.address, service.port)).size === 2);
      expect([...answers].sort()).toEqual(['one', 'two']);
    }
    // A server that has gone is asked no more, and host ports of pods stay what they were.
    await lab.networks[0].setApi({ service, servers: both.slice(1) });
    for (let i = 0; i < 10; i++) expect(await ask(here, service.address, service.port)).toBe('two');
    await lab.networks[0].setApi(undefined);
    expect(await lab.nodes[0].run('nft', 'list', 'chain', 'ip', 'coracle', 'to_api')).not.toContain('dnat');
  },
);

test.skipIf(skip)('routes follow the peers: new ones come, moved ones change, gone ones go', async () => {
  const [network] = lab.networks;
  const routes = async () =>
    (
      JSON.parse(await lab.nodes[0].run('ip', '-json', 'route', 'show', 'proto', '99')) as Array<{
        dst: string;
        gateway?: string;
      }>
    )
      .filter((route) => route.gateway !== undefined)
      .map(({ dst, gateway }) => `${dst} ${gateway}`)
      .sort();
  await network.setPeers([
    { address: ipv4('192.168.90.2'), podCIDR: cidr('10.90.2.0/24') },
    { address: ipv4('192.168.90.3'), podCIDR: cidr('10.90.3.0/24') },
  ]);
  expect(await routes()).toEqual(['10.90.2.0/24 192.168.90.2', '10.90.3.0/24 192.168.90.3']);
  // An address that no route leads to does not hold up the others.
  await network.setPeers([
    { address: ipv4('203.0.113.9'), podCIDR: cidr('10.90.9.0/24') },
    { address: ipv4('192.168.90.4'), podCIDR: cidr('10.90.3.0/24') },
  ]);
  expect(await routes()).toEqual(['10.90.3.0/24 192.168.90.4']);
  // A new agent knows what its predecessor has set.
  await networkOf(lab.nodes[0]).setPeers([]);
  expect(await routes()).toEqual([]);
});

test.skipIf(skip)('a broken attachment is replaced, and an intact one is identified by its address', async () => {
  const [node] = lab.nodes;
  const [network] = lab.networks;
  const pod = await lab.pod();
  await attach(0, pod, 'a', '10.90.1.2');
  expect(await network.attached(['a', 'b'])).toEqual(new Map([['a', '10.90.1.2']]));
  await node.run('ip', 'route', 'del', '10.90.1.2/32');
  expect(await network.attached(['a'])).toEqual(new Map());
  await attach(0, pod, 'a', '10.90.1.2');
  expect(await networkOf(node).attached(['a'])).toEqual(new Map([['a', '10.90.1.2']]));
  await serve(pod, 80, 'again');
  expect(await ask(node, '10.90.1.2', 80)).toBe('again');
});

test.skipIf(skip)('detach and cleanup leave nothing of a pod behind, and know nothing of others', async () => {
  const [node] = lab.nodes;
  const [network] = lab.networks;
  const before = await stateOf(node);
  const [one, other, third] = [await lab.pod(), await lab.pod(), await lab.pod()];
  await attach(0, one, 'a', '10.90.1.2', [hostPort(8080, 80)]);
  await attach(0, other, 'b', '10.90.1.3', [hostPort(8081, 80)]);
  await attach(0, third, 'c', '10.90.1.4');
  await network.detach('a');
  await network.detach('a');
  expect(await network.attached(['a', 'b', 'c'])).toEqual(
    new Map([
      ['b', '10.90.1.3'],
      ['c', '10.90.1.4'],
    ]),
  );
  const successor = networkOf(node);
  await successor.setup({ podCIDR: ranges[0] });
  await successor.cleanup(['c']);
  expect(await network.attached(['a', 'b', 'c'])).toEqual(new Map([['c', '10.90.1.4']]));
  await successor.cleanup([]);
  expect(await stateOf(node)).toBe(before);
});

test.skipIf(skip)('host ports lead to the pod from outside, from the node, and from the pod itself', async () => {
  const pod = await lab.pod();
  await attach(0, pod, 'a', '10.90.1.2', [hostPort(8080, 80), { ...hostPort(8081, 80), hostIP: nodeAddresses[0] }]);
  await serve(pod, 80, 'pod');
  for (const port of [8080, 8081]) {
    expect(await ask(lab.nodes[1], nodeAddresses[0], port)).toBe('pod');
    expect(await ask(lab.nodes[0], nodeAddresses[0], port)).toBe('pod');
    expect(await ask(pod, nodeAddresses[0], port)).toBe('pod');
  }
  const clash = await lab.pod();
  await expect(attach(0, clash, 'b', '10.90.1.3', [hostPort(8080, 80)])).rejects.toThrow("another pod's");
});

test.skipIf(skip)(
  'host ports are restored with the next change after the rules were flushed, and can still be removed',
  async () => {
    const [network] = lab.networks;
    const [one, other] = [await lab.pod(), await lab.pod()];
    await attach(0, one, 'a', '10.90.1.2', [hostPort(8080, 80)]);
    await attach(0, other, 'b', '10.90.1.3', [hostPort(8081, 80)]);
    await serve(other, 80, 'other');
    await lab.nodes[0].run('nft', 'flush', 'ruleset');
    await network.detach('a');
    expect(await ask(lab.nodes[1], nodeAddresses[0], 8081)).toBe('other');
    await network.detach('b');
    expect(await lab.nodes[0].run('nft', 'list', 'ruleset')).not.toMatch(/comment/);
  },
);

test.skipIf(skip)('pods speak to the world outside the cluster as their node', async () => {
  const pod = await lab.pod();
  await attach(0, pod, 'a', '10.90.1.2');
  // The other node is not a peer, and has no way to the pod's address.
  expect(await sourceSeenBy(lab.nodes[1], pod, nodeAddresses[1])).toBe(nodeAddresses[0]);
});

test.skipIf(skip)('a node that drops what it forwards lets pods through', async () => {
  await lab.nodes[0].run('iptables', '-P', 'FORWARD', 'DROP');
  await lab.networks[0].setup({ podCIDR: ranges[0] });
  const [one, other] = [await lab.pod(), await lab.pod()];
  await attach(0, one, 'a', '10.90.1.2');
  await attach(0, other, 'b', '10.90.1.3');
  await serve(other, 80, 'other');
  expect(await ask(one, '10.90.1.3', 80)).toBe('other');
});

function networkOf(node: TestNetns): RoutedNetwork {
  return new RoutedNetwork({ log: silentLog }, { netns: node.path });
}

async function attach(node: 0 | 1, pod: TestNetns, podUid: string, address: string, hostPorts: HostPort[] = []) {
  const sysctls = { 'net.ipv4.ip_unprivileged_port_start': '0' };
  await lab.networks[node].attach(attachment({ podUid, netns: pod.path, address, hostPorts, sysctls }));
}

async function becomePeers(): Promise<void> {
  await lab.networks[0].setPeers([{ address: nodeAddresses[1], podCIDR: ranges[1] }]);
  await lab.networks[1].setPeers([{ address: nodeAddresses[0], podCIDR: ranges[0] }]);
}

function hostPort(from: number, to: number): HostPort {
  return { hostIP: '', hostPort: from, containerPort: to, protocol: 'TCP' };
}

/** A server that answers every connection with one line. */
async function serve(netns: TestNetns, port: number, words: string): Promise<void> {
  start(netns, ['nc', '-ll', '-p', String(port), '-e', 'echo', words]);
  await eventually(async () => (await ask(netns, '127.0.0.1', port)) === words);
}

/** Which address a server in `server` sees when `client` connects to it at `address`. */
async function sourceSeenBy(server: TestNetns, client: TestNetns, address: string): Promise<string> {
  const port = 7000;
  // nc tells -e's program of its peer by -v on standard error only: a listing of the connections says it as well.
  start(server, ['nc', '-ll', '-p', String(port), '-e', 'sleep', '5']);
  await eventually(async () => (await server.run('/bin/busybox', 'netstat', '-tln')).includes(`:${port} `));
  const connection = start(client, ['nc', address, String(port)]);
  try {
    return await eventually(async () => {
      // A server that listens on IPv6 as well shows IPv4 addresses as ::ffff:a.b.c.d.
      const listed = (await server.run('/bin/busybox', 'netstat', '-tn')).replaceAll('::ffff:', '');
      const [, peer] = new RegExp(` ${address}:${port} +([0-9.]+):`).exec(listed) ?? [];
      return peer ?? false;
    });
  } finally {
    connection.kill();
  }
}

async function ask(from: TestNetns, address: string, port: number): Promise<string> {
  return (await from.run('/bin/busybox', 'timeout', '5', '/bin/busybox', 'nc', address, String(port))).trim();
}

function start(netns: TestNetns, args: string[]): ChildProcess {
  const child = spawn('nsenter', [`--net=${netns.path}`, '/bin/busybox', ...args], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  undo.push(async () => void child.kill('SIGKILL'));
  return child;
}

/** Everything that the network may have left on a node. */
async function stateOf(node: TestNetns): Promise<string> {
  const parts = [
    await node.run('ip', '-o', 'link'),
    await node.run('ip', 'route'),
    await node.run('ip', 'neigh', 'show', 'nud', 'permanent'),
    await node.run('nft', 'list', 'ruleset'),
  ];
  return parts.join('\n').replace(/^\d+: /gm, '');
}
