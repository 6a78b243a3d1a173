import { afterEach, expect, it } from 'vitest';
import { silentLog } from '../../shared/log.ts';
import { seededRandom } from '../../shared/random.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { AssignedScene } from '../../test/support/assigned.ts';
import { cidr, ipv4, port } from '../../test/support/net.ts';
import type { ApiService } from '../network/api-service.ts';
import type { Peer as Routed } from '../network/network.ts';
import { assignedKinds } from '../session/assigned-kinds.ts';
import { NodeNetwork } from './node-network.ts';

let stop = new AbortController();
afterEach(() => stop.abort());

const settings = { podCIDR: cidr('10.64.0.0/24'), clusterCIDR: cidr('10.64.0.0/14'), servers: [ipv4('192.168.0.9')] };
const good = { name: 'b', address: '192.168.0.2', podCIDR: '10.64.1.0/24' };

function start() {
  stop = new AbortController();
  const clock = new VirtualClock();
  const routed: (readonly Routed[])[] = [];
  const services: (ApiService | undefined)[] = [];
  const network = {
    setup: async () => undefined,
    cleanup: async () => undefined,
    setApi: async (service: ApiService | undefined) => void services.push(service),
    setPeers: async (peers: readonly Routed[]) => void routed.push(peers),
  };
  const { assigned } = new AssignedScene(assignedKinds);
  const documents = new Map<string, object>();
  const node = new NodeNetwork({
    node: { name: 'a', address: ipv4('192.168.0.1') },
    network,
    assigned,
    checkpoint: { put: (key, document) => void documents.set(key, document) },
    ready: () => undefined,
    clock,
    random: seededRandom(1),
    log: silentLog,
  });
  node.setPods([]);
  void node.run(stop.signal);
  const name = (
    kind: string,
    objects: readonly ({ name: string } & Record<string, unknown>)[],
    mode: 'COMPLETE' | 'INCREMENTAL' = 'INCREMENTAL',
  ) =>
    assigned.apply({
      mode,
      changes: objects.map((object) => ({ kind, namespace: '', name: object.name, removed: false, object })),
    });
  return { node, routed, services, documents, name, settle: () => clock.advance(100) };
}

it('existing routes stay until the peers are named', async () => {
  const { node, name, routed, settle } = start();
  node.registered(settings);
  await settle();
  expect(routed).toEqual([]);
  name('Peer', [good]);
  await settle();
  expect(routed.map((peers) => peers.map(({ podCIDR }) => podCIDR))).toEqual([['10.64.1.0/24']]);
});

it('a peer of the checkpoint that may not be routed is forgotten', async () => {
  const { node, routed, settle } = start();
  const stolen = { name: 'x', address: '192.168.0.3', podCIDR: '192.168.0.0/24' };
  node.restore({ ...settings, peers: [stolen, { ...good, address: '192.168.0.2\nroute flush' }, good] });
  await settle();
  expect(routed.at(-1)?.map(({ address }) => address)).toEqual(['192.168.0.2']);
  expect(node.peers).toEqual([good]);
});

it('a COMPLETE message without peers takes their routes away, and the node itself is no peer', async () => {
  const { node, name, routed, settle } = start();
  node.restore({ ...settings, peers: [good] });
  await settle();
  name('Peer', [{ ...good, name: 'a' }], 'COMPLETE');
  await settle();
  expect(routed.at(-1)).toEqual([]);
});

it('what was in use is kept in the checkpoint, and used after a restart', async () => {
  const before = start();
  const kubernetes = { host: ipv4('10.68.0.1'), port: port(443) };
  before.node.registered({ ...settings, kubernetes });
  before.name('Peer', [good, { ...good, name: 'overlapping', address: '192.168.0.4' }]);
  before.name('ApiServer', [{ name: 's', address: '192.168.0.9', port: 6443 }]);
  before.node.registered(settings);
  const { node, routed, services, settle } = start();
  node.restore(JSON.parse(JSON.stringify(before.documents.get('node'))));
  await settle();
  expect(routed.at(-1)).toEqual([good]);
  expect(services.at(-1)).toEqual({
    service: { address: '10.68.0.1', port: 443 },
    servers: [{ address: '192.168.0.9', port: 6443 }],
  });
});

it('a peer is looked at again when the node gets another range', async () => {
  const { node, name, routed, settle } = start();
  node.registered(settings);
  name('Peer', [good]);
  await settle();
  node.registered({ ...settings, podCIDR: cidr('10.64.1.0/24') });
  await settle();
  expect(routed.at(-1)).toEqual([]);
  expect(node.peers).toEqual([]);
});
