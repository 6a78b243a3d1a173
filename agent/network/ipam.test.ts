import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cidr } from '../../test/support/net.ts';
import { AddressPool } from './ipam.ts';

test('addresses are given in order, without the first and the last of the range', () => {
  const pool = new AddressPool(cidr('10.244.3.0/29'));
  expect(['a', 'b', 'c', 'd', 'e', 'f'].map((owner) => pool.take(owner))).toEqual(
    [1, 2, 3, 4, 5, 6].map((n) => `10.244.3.${n}`),
  );
  expect(() => pool.take('g')).toThrow('no free address in 10.244.3.0/29');
});

test('an owner keeps its address until it is released', () => {
  const pool = new AddressPool(cidr('10.0.0.0/24'));
  expect(pool.take('a')).toBe('10.0.0.1');
  expect(pool.take('a')).toBe('10.0.0.1');
  pool.release('a');
  expect(pool.take('a')).toBe('10.0.0.2');
});

test('a released address is reused after all others, the longest released first', () => {
  const pool = new AddressPool(cidr('10.0.0.0/29'));
  for (const owner of ['a', 'b', 'c']) pool.take(owner);
  pool.release('b');
  pool.release('a');
  expect(['d', 'e', 'f', 'g', 'h'].map((owner) => pool.take(owner))).toEqual([4, 5, 6, 2, 1].map((n) => `10.0.0.${n}`));
});

test('what is found after a restart stays with its owner, and what lies below it is not given at once', () => {
  const pool = new AddressPool(cidr('10.0.0.0/29'));
  expect(pool.adopt('x', '10.0.0.3')).toBe(true);
  expect(pool.adopt('x', '10.0.0.3')).toBe(true);
  expect(pool.adopt('y', '10.0.0.3')).toBe(false);
  expect(pool.adopt('y', '10.0.0.0')).toBe(false);
  expect(pool.adopt('y', '10.0.1.1')).toBe(false);
  expect(pool.adopt('y', 'nonsense')).toBe(false);
  expect(pool.adopt('y', '10.0.0.1')).toBe(true);
  expect(['a', 'b', 'c', 'd'].map((owner) => pool.take(owner))).toEqual([4, 5, 6, 2].map((n) => `10.0.0.${n}`));
});

test('ranges that have no room are refused', () => {
  for (const range of ['10.0.0.0/31', '10.0.0.0/32']) expect(() => new AddressPool(cidr(range))).toThrow('no room');
});

test('no two owners ever have one address, whatever is taken, adopted and released', () => {
  const owner = fc.integer({ min: 0, max: 12 }).map(String);
  const step = fc.oneof(
    fc.record({ what: fc.constant('take' as const), owner }),
    fc.record({ what: fc.constant('release' as const), owner }),
    fc.record({ what: fc.constant('adopt' as const), owner, host: fc.integer({ min: 0, max: 15 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const pool = new AddressPool(cidr('10.0.0.0/28'));
      const held = new Map<string, string>();
      for (const each of steps) {
        if (each.what === 'release') {
          pool.release(each.owner);
          held.delete(each.owner);
        } else if (each.what === 'adopt') {
          const address = `10.0.0.${each.host}`;
          if (pool.adopt(each.owner, address)) held.set(each.owner, address);
        } else {
          held.set(each.owner, pool.take(each.owner));
        }
        expect(new Set(held.values()).size).toBe(held.size);
        expect(pool.used).toBe(held.size);
      }
    }),
  );
});
