import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contains, isWithin, overlaps } from '../../shared/net/ipv4.ts';
import { cidr, ipv4 } from '../../test/support/net.ts';
import { Unusable } from '../session/unusable.ts';
import { parseNetworkSettings, parseSettings } from './network-settings.ts';
import {
  acceptPeers as acceptParsed,
  type OwnPlace,
  ownRangeFault,
  type Peer,
  parsePeer,
  type RefusedPeer,
} from './peers.ts';

const own: OwnPlace = {
  address: ipv4('192.168.0.1'),
  podCIDR: cidr('10.64.0.0/24'),
  clusterCIDR: cidr('10.64.0.0/14'),
  servers: [ipv4('10.65.9.9'), ipv4('192.168.0.9')],
};
type Named = { name: string; address: string; podCIDR: string };

/** As a node does: what cannot be parsed is left out, of the rest some are refused. */
function acceptPeers(named: readonly Named[], place: OwnPlace, before: readonly Peer[] = []) {
  const parsed: Peer[] = [];
  const unusable: RefusedPeer[] = [];
  for (const one of named) {
    try {
      parsed.push(parsePeer(one));
    } catch (error) {
      if (!(error instanceof Unusable)) throw error;
      unusable.push({ name: one.name, reason: error.message });
    }
  }
  const { accepted, refused } = acceptParsed(parsed, place, before);
  return { accepted, refused: [...unusable, ...refused] };
}

const peer = (name: string, address: string, podCIDR: string) => ({ name, address, podCIDR });
const good = peer('b', '192.168.0.2', '10.64.1.0/24');
const namesOf = (told: (typeof good)[], before = acceptPeers([], own).accepted) =>
  acceptPeers(told, own, before).accepted.map(({ name }) => name);

describe('a peer', () => {
  it('is routed by its address and its range', () => {
    expect(acceptPeers([good], own)).toEqual({ accepted: [good], refused: [] });
  });

  it.each([
    ['a range outside the cluster', peer('x', '192.168.0.3', '192.168.0.0/24'), /outside the cluster's pod range/],
    ['a range larger than the cluster', peer('x', '192.168.0.3', '10.0.0.0/8'), /overlaps the range of this node/],
    ['everything', peer('x', '192.168.0.3', '0.0.0.0/0'), /overlaps/],
    ['the range of this node', peer('x', '192.168.0.3', '10.64.0.0/24'), /overlaps the range of this node/],
    ['a part of it', peer('x', '192.168.0.3', '10.64.0.128/25'), /overlaps the range of this node/],
    ['the range of another peer', peer('x', '192.168.0.3', '10.64.1.0/24'), /overlaps the range of node b/],
    ['a range that covers a server', peer('x', '192.168.0.3', '10.65.9.0/24'), /covers a server at 10\.65\.9\.9/],
    ['a range with a line break', peer('x', '192.168.0.3', '10.64.2.0/24\nroute flush'), /not an IPv4 range/],
    ['an address with a line break', peer('x', '192.168.0.3\nroute flush', '10.64.2.0/24'), /not an IPv4 address/],
    ['no address', { name: 'x' } as never, /not an IPv4 address/],
    ['the address of this node', peer('x', '192.168.0.1', '10.64.2.0/24'), /is the address of this node/],
    ['the address of a pod', peer('x', '10.64.7.7', '10.64.2.0/24'), /is an address of pods/],
    ['a loopback', peer('x', '127.0.0.1', '10.64.2.0/24'), /not the address of a machine/],
    ['the pods’ gateway', peer('x', '169.254.1.1', '10.64.2.0/24'), /not the address of a machine/],
  ])('with %s is refused, and the others are routed', (_, wrong, reason) => {
    const { accepted, refused } = acceptPeers([good, wrong], own);
    expect(accepted).toEqual([good]);
    expect(refused).toEqual([{ name: 'x', reason: expect.stringMatching(reason) }]);
  });

  it('keeps its range when another one claims it, in either order', () => {
    const before = acceptPeers([good], own).accepted;
    const thief = peer('a', '192.168.0.3', good.podCIDR);
    expect(namesOf([thief, good], before)).toEqual(['b']);
    expect(namesOf([good, thief], before)).toEqual(['b']);
    expect(namesOf([thief], before)).toEqual(['a']);
  });

  it('keeps nothing but its name, address and range', () => {
    const more = { ...good, extra: 'x' };
    expect(acceptPeers([more], own).accepted).toEqual([good]);
  });

  it('has a name of no more than a name’s length', () => {
    expect(parsePeer({ ...good, name: 'n'.repeat(300) }).name).toBe('n'.repeat(253));
    expect(parsePeer({ ...good, name: 7 }).name).toBe('7');
  });

  it('may have any range of the cluster’s that nothing else has, also the first and the last of it', () => {
    const edges = { ...own, podCIDR: cidr('10.65.0.0/24'), servers: [ipv4('10.66.1.0'), ipv4('10.66.3.255')] };
    const routed = (podCIDR: string) => acceptPeers([peer('x', '192.168.0.3', podCIDR)], edges).refused[0]?.reason;
    expect(routed('10.64.0.0/24')).toBeUndefined();
    expect(routed('10.67.255.0/24')).toBeUndefined();
    expect(routed('10.63.255.0/24')).toMatch(/outside/);
    expect(routed('10.68.0.0/24')).toMatch(/outside/);
    expect(routed('10.64.255.0/24')).toBeUndefined();
    expect(routed('10.65.1.0/24')).toBeUndefined();
    expect(routed('10.66.1.0/24')).toMatch(/covers a server at 10\.66\.1\.0/);
    expect(routed('10.66.3.0/24')).toMatch(/covers a server at 10\.66\.3\.255/);
    expect(routed('10.66.0.0/24')).toBeUndefined();
    expect(routed('10.66.4.0/24')).toBeUndefined();
  });

  it('is not reached at an address of pods, also the first and the last, nor beside them refused', () => {
    const at = (address: string) => acceptPeers([peer('x', address, '10.64.1.0/24')], own).refused.length;
    expect([at('10.64.0.0'), at('10.67.255.255')]).toEqual([1, 1]);
    expect([at('10.63.255.255'), at('10.68.0.0')]).toEqual([0, 0]);
  });

  it('shares no address with any other, for any order and sizes of their ranges', () => {
    const ranges = ['10.64.4.0/22', '10.64.1.0/24', '10.64.16.0/20', '10.64.2.0/23', '10.64.8.0/21'];
    const of = (list: string[]) => list.map((podCIDR, i) => peer(`n${i}`, `192.168.1.${i}`, podCIDR));
    fc.assert(
      fc.property(fc.shuffledSubarray(ranges, { minLength: ranges.length }), (shuffled) => {
        expect(acceptPeers(of(shuffled), own).refused).toEqual([]);
        for (const inner of ['10.64.1.128/25', '10.64.7.0/24', '10.64.31.255/32', '10.64.0.0/16', '10.64.15.0/24']) {
          const { refused } = acceptPeers(of([...shuffled, inner]), own);
          expect(refused.map(({ name }) => name)).toEqual(['n5']);
        }
        for (const beside of ['10.64.32.0/24', '10.66.0.0/16']) {
          expect(acceptPeers(of([...shuffled, beside]), own).refused).toEqual([]);
        }
      }),
      { numRuns: 20 },
    );
  });

  it('learns which node has its range: that before it or that behind it', () => {
    const two = [peer('low', '192.168.0.3', '10.64.2.0/24'), peer('high', '192.168.0.4', '10.64.6.0/24')];
    const reasonOf = (podCIDR: string) =>
      acceptPeers([...two, peer('x', '192.168.0.5', podCIDR)], own).refused[0]?.reason;
    expect(reasonOf('10.64.2.128/25')).toBe('10.64.2.128/25 overlaps the range of node low');
    expect(reasonOf('10.64.6.0/25')).toBe('10.64.6.0/25 overlaps the range of node high');
    expect(reasonOf('10.64.4.0/22')).toBe('10.64.4.0/22 overlaps the range of node high');
    expect(reasonOf('10.64.4.0/23')).toBeUndefined();
  });

  it('never takes addresses of this node, a server or another peer, for any peers', () => {
    const text = fc.oneof(
      fc.string(),
      fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)).map((b) => b.join('.')),
    );
    const range = fc
      .tuple(
        fc.constantFrom(10, 192),
        fc.integer({ min: 60, max: 70 }),
        fc.nat(255),
        fc.constantFrom(8, 14, 16, 22, 24, 25),
      )
      .map(([a, b, c, bits]) => `${a}.${b}.${c}.0/${bits}`);
    const told = fc.array(fc.record({ name: fc.string(), address: text, podCIDR: fc.oneof(range, text) }), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(told, (peers) => {
        const { accepted, refused } = acceptPeers(peers, own);
        expect(accepted.length + refused.length).toBe(peers.length);
        for (const [index, { podCIDR }] of accepted.entries()) {
          expect(isWithin(podCIDR, own.clusterCIDR) && !overlaps(podCIDR, own.podCIDR)).toBe(true);
          expect([own.address, ...own.servers].some((address) => contains(podCIDR, address))).toBe(false);
          expect(accepted.slice(index + 1).some((other) => overlaps(other.podCIDR, podCIDR))).toBe(false);
        }
      }),
    );
  });
});

it('the range of this node lies within the cluster’s, and covers neither the node nor a server', () => {
  const of = (podCIDR: string) => ownRangeFault({ ...own, podCIDR: cidr(podCIDR) });
  expect(of('10.64.0.0/24')).toBeUndefined();
  expect(of('10.68.0.0/24')).toBe("10.68.0.0/24 is outside the cluster's pod range 10.64.0.0/14");
  expect(of('10.65.9.0/24')).toBe('10.65.9.0/24 covers a server at 10.65.9.9');
  const inside = { ...own, address: ipv4('10.64.0.7') };
  expect(ownRangeFault(inside)).toBe('10.64.0.0/24 covers this node at 10.64.0.7');
});

describe('network settings', () => {
  const said = {
    sessionId: 's',
    heartbeatMs: 1,
    leaseMs: 1,
    podCIDR: '10.64.1.0/24',
    clusterCIDR: '10.64.0.0/14',
    servers: ['192.168.0.9', 'x'],
  };

  it('is taken with the ranges that it gives', () => {
    expect(parseNetworkSettings(said, own.address)).toEqual({
      podCIDR: '10.64.1.0/24',
      clusterCIDR: '10.64.0.0/14',
      servers: ['192.168.0.9'],
    });
  });

  it.each([
    [{ podCIDR: '' }, /no usable pod range/],
    [{ podCIDR: '10.64.1.0/24\nx' }, /no usable pod range/],
    [{ podCIDR: '10.128.1.0/24' }, /outside the cluster/],
    [{ podCIDR: '192.168.0.0/24', clusterCIDR: '192.168.0.0/16' }, /covers this node/],
  ])('with %j is refused', (wrong, reason) => {
    expect(() => parseNetworkSettings({ ...said, ...wrong }, own.address)).toThrow(reason);
  });

  it('of an earlier version, in a checkpoint, lets the node go on with its own pods', () => {
    const settings = parseSettings({ podCIDR: '10.64.1.0/24' });
    expect(settings).toMatchObject({ podCIDR: '10.64.1.0/24', clusterCIDR: '10.64.1.0/24' });
    expect(() => parseNetworkSettings({ ...said, clusterCIDR: '' }, own.address)).toThrow('no usable pod range');
  });

  it.each([undefined, null, 7, 'x', [], { clusterCIDR: '10.64.0.0/14' }, { podCIDR: {}, clusterCIDR: [] }])(
    'is not read out of the checkpoint %j',
    (document) => expect(parseSettings(document)).toBeUndefined(),
  );
});
