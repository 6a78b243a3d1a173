import { describe, expect, it } from 'vitest';
import type { PodSpec } from '../../shared/generated/types.ts';
import { makePod } from '../../test/support/hollow-agent.ts';
import { sandboxSpec } from './container-spec.ts';

const dns = { servers: [], searches: [], options: [] };
const hostname = (spec: Partial<PodSpec>) => sandboxSpec(makePod('web', spec), 0, '10.64.0.9', dns).hostname;

describe('the host name of a pod', () => {
  it('is its own, and its full name where it asks for that', () => {
    expect(hostname({})).toBe('web');
    expect(hostname({ hostname: 'a', subdomain: 'b' })).toBe('a');
    expect(hostname({ hostname: 'a', subdomain: 'b', setHostnameAsFQDN: true })).toBe('a.b.default.svc.cluster.local');
    expect(hostname({ setHostnameAsFQDN: true })).toBe('web');
    const long = { subdomain: 'b'.repeat(50), setHostnameAsFQDN: true };
    expect(() => hostname(long)).toThrow('is too long (64 characters is the max, 80 characters requested)');
  });
});
