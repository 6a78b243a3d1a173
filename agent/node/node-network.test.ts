import { afterEach, expect, it } from 'vitest';
import { silentLog } from '../../shared/log.ts';
import { seededRandom } from '../../shared/random.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { cidr, ipv4 } from '../../test/support/net.ts';
import type { Peer as Routed } from '../network/network.ts';
import { NodeNetwork } from './node-network.ts';

let stop = new AbortController();
afterEach(() => stop.abort());

const settings = { podCIDR: cidr('10.64.0.0/24'), clusterCIDR: cidr('10.64.0.0/14'), servers: [ipv4('192.168.0.9')] };
const good = { name: 'b', address: '192.168.0.2', podCIDR: '10.64.1.0/24' };

function start() {
  stop = new AbortController();
  const clock = new VirtualClock();
  const routed: (readonly Routed[])[] = [];
  const network = {
    setup: async () => undefined,
    cleanup: async () => undefined,
    setApi: async () => undefined,
    setPeers: async (peers: readonly Routed[]) => void routed.push(peers),
  };
  const own = { address: ipv4('192.168.0.1'), ready: () => undefined };
  const node = new NodeNetwork({ ...own, network, clock, random: seededRandom(1), log: silentLog });
  node.setPods([]);
  void node.run(stop.signal);
  return { node, routed, settle: () => clock.advance(100) };
}

it('the routes that there are stay until somebody names the peers', async () => {
  const { node, routed, settle } = start();
  node.setSettings(settings);
  await settle();
  expect(routed).toEqual([]);
  node.setPeers([good]);
  await settle();
  expect(routed.map((peers) => peers.map(({ podCIDR }) => podCIDR))).toEqual([['10.64.1.0/24']]);
});

it('a peer of the checkpoint that may not be routed is forgotten', async () => {
  const { node, routed, settle } = start();
  node.setSettings(settings);
  const stolen = { name: 'x', address: '192.168.0.3', podCIDR: '192.168.0.0/24' };
  node.setPeers([stolen, { ...good, address: '192.168.0.2\nroute flush' }, good]);
  await settle();
  expect(routed.at(-1)?.map(({ address }) => address)).toEqual(['192.168.0.2']);
  expect(node.peers).toEqual([good]);
});

it('a peer is looked at again when the node gets another range', async () => {
  const { node, routed, settle } = start();
  node.setSettings(settings);
  node.setPeers([good]);
  await settle();
  node.setSettings({ ...settings, podCIDR: cidr('10.64.1.0/24') });
  await settle();
  expect(routed.at(-1)).toEqual([]);
  expect(node.peers).toEqual([]);
});
