import { describe, expect, it } from 'vitest';
import { defaultServiceCIDR } from '../../control-plane/api/resources/service/claims.ts';
import { addressSlots, clusterId, overlaps, planCluster, preferredSlot, slotNetworks } from './plan.ts';

const networks = { machineCIDR: '10.130.0.0/24', podCIDR: '10.66.0.0/16' };

describe('planCluster', () => {
  it('names everything after the directory, so that two clusters share nothing', () => {
    const a = planCluster({ dir: '/var/a', nodes: 3, ...networks });
    const b = planCluster({ dir: '/var/b', nodes: 3, ...networks });
    const names = (plan: typeof a): string[] => [
      plan.switchNetns,
      plan.hostLink,
      ...plan.machines.flatMap(({ netns, mac, dir, engine, cgroup }) => [netns, mac, dir, engine, cgroup]),
    ];
    expect(names(a).filter((name) => names(b).includes(name))).toEqual([]);
    expect(planCluster({ dir: '/var/a', nodes: 3, ...networks })).toEqual(a);
  });

  it('puts the control plane on machine 0 and node K on machine K, each at its own address', () => {
    const { machines } = planCluster({ dir: '/var/a', nodes: 2, ...networks });
    expect(machines.map(({ name, address }) => `${name} ${address}`)).toEqual([
      'control-plane 10.130.0.10',
      'node-1 10.130.0.11',
      'node-2 10.130.0.12',
    ]);
  });

  it('keeps to what the kernel takes: 15 characters of a link, 107 of a socket', () => {
    const plan = planCluster({ dir: '/var/a', nodes: 200, ...networks });
    expect([plan.hostLink, ...plan.machines.map(({ port }) => port)].every((link) => link.length <= 15)).toBe(true);
    expect(() => planCluster({ dir: `/${'d'.repeat(100)}`, nodes: 1, ...networks })).toThrow(/path is too long/);
  });

  it('refuses a number of nodes and a network that cannot be', () => {
    expect(() => planCluster({ dir: '/var/a', nodes: 0, ...networks })).toThrow('1 to 200 nodes, not 0');
    expect(() => planCluster({ dir: '/var/a', nodes: 1, ...networks, machineCIDR: '10.0.0.0/8' })).toThrow(/a \/24/);
  });
});

describe('address slots', () => {
  it('give every slot ranges of its own', () => {
    const ranges = Array.from({ length: addressSlots }, (_, slot) => Object.values(slotNetworks(slot))).flat();
    for (const range of ranges) expect(overlaps(range, defaultServiceCIDR), range).toBe(false);
    for (const [i, a] of ranges.entries()) for (const b of ranges.slice(i + 1)) expect(overlaps(a, b)).toBe(false);
    expect(preferredSlot(clusterId('/var/a'))).toBeLessThan(addressSlots);
  });

  it('know which ranges share an address', () => {
    expect(overlaps('10.64.0.0/16', '10.64.3.0/24')).toBe(true);
    expect(overlaps('10.64.3.7', '10.64.3.0/24')).toBe(true);
    expect(overlaps('10.65.0.0/16', '10.64.0.0/16')).toBe(false);
    expect(overlaps('default', '10.64.0.0/16')).toBe(false);
  });
});
