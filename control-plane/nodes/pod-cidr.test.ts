import { beforeEach, expect, it } from 'vitest';
import { kindNamed } from '../../shared/kinds/index.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { objectKey } from '../store/keys.ts';
import { MemoryStore } from '../store/memory.ts';
import { claimPodCIDR, releasePodCIDR, requireClusterCIDR } from './pod-cidr.ts';

let store: MemoryStore;
beforeEach(() => {
  store = new MemoryStore({ clock: new VirtualClock() });
});

const keyOf = (node: string) => objectKey(kindNamed('Node'), undefined, node);
const make = (node: string) => store.txn({ guards: [], writes: [{ type: 'put', key: keyOf(node), value: '{}' }] });
const remove = (node: string) => store.txn({ guards: [], writes: [{ type: 'delete', key: keyOf(node) }] });
const claim = (node: string, exists: (name: string) => boolean = () => true, wanted?: string) =>
  claimPodCIDR(store, '10.0.0.0/23', node, exists, wanted);

it('a node keeps its range, and gets one that it has already when that is free', async () => {
  await make('a');
  expect(await claim('a', undefined, '10.0.1.0/24')).toBe('10.0.1.0/24');
  expect(await claim('a')).toBe('10.0.1.0/24');
  expect(await claim('b')).toBe('10.0.0.0/24');
  for (const wanted of ['10.0.1.0/24', '10.9.0.0/24', '10.0.0.0/23', 'x'])
    await expect(claim('c', undefined, wanted)).rejects.toThrow('no free range');
  await expect(claim('a', undefined, '10.0.0.0/24')).rejects.toThrow('delete the Node');
});

it('a node that is deleted and immediately created again keeps its range', async () => {
  await make('a');
  const range = await claim('a');
  await remove('a');
  await make('a');
  expect(await claim('a')).toBe(range);
  // The news of the deletion comes late.
  await releasePodCIDR(store, 'a');
  expect(await claim('b')).not.toBe(range);
  await remove('a');
  await releasePodCIDR(store, 'a');
  expect(await claim('c')).toBe(range);
});

it('the last range is taken from a deleted node, not from one that is not known yet', async () => {
  await make('a');
  await make('b');
  await claim('a');
  await claim('b');
  await remove('a');
  expect(await claim('c', (name) => name === 'b')).toBe('10.0.0.0/24');
  await make('c');
  // The informers may lag behind both nodes.
  await expect(claim('d', () => false)).rejects.toThrow('no pod range is left');
});

it.each(['10.0.0.1/14', '10.0.0.0/25', 'fd00::/48', '', '10.0.0.0/14\n'])(
  '%j is no range for a cluster’s pods',
  (text) => {
    expect(() => requireClusterCIDR(text)).toThrow('not a range for pods');
  },
);
