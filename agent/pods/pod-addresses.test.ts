import { describe, expect, it } from 'vitest';
import type { Cidr } from '../../shared/net/ipv4.ts';
import { PodAddresses } from './pod-addresses.ts';

const range = '10.64.3.0/29' as Cidr;

describe('the addresses of pods', () => {
  it('cannot be allocated before the range is known', () => {
    expect(() => new PodAddresses().allocate('a', undefined)).toThrow('the node has no range of pod addresses yet');
  });

  it('that were in use before the range was known are not given to others', () => {
    const addresses = new PodAddresses();
    addresses.reserve('a', '10.64.3.1');
    expect(addresses.setRange(range)).toBe(true);
    expect(addresses.allocate('b', '10.64.3.1')).not.toBe('10.64.3.1');
    expect(addresses.allocate('a', undefined)).toBe('10.64.3.1');
  });

  it('stay with their pods until they are released', () => {
    const addresses = new PodAddresses();
    addresses.setRange(range);
    const given = addresses.allocate('a', '10.64.3.4');
    expect([given, addresses.allocate('a', undefined)]).toEqual(['10.64.3.4', '10.64.3.4']);
    addresses.release('a');
    expect(addresses.allocate('b', '10.64.3.4')).toBe('10.64.3.4');
  });

  it('do not change when the same range is set again', () => {
    const addresses = new PodAddresses();
    addresses.setRange(range);
    addresses.allocate('a', undefined);
    expect(addresses.setRange(range)).toBe(false);
    expect(addresses.setRange('10.64.4.0/29' as Cidr)).toBe(true);
  });
});
