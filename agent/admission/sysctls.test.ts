import { describe, expect, it } from 'vitest';
import { parseSysctlPatterns, sysctlFault } from './sysctls.ts';

const kernel = '6.1.0-13-amd64';

describe('a sysctl of a pod', () => {
  it('is one of the safe ones, or one that the node allows', () => {
    const fault = (name: string, allowed: string[] = []) => sysctlFault(name, {}, parseSysctlPatterns(allowed), kernel);
    expect(fault('net.ipv4.tcp_syncookies')).toBeUndefined();
    expect(fault('net/ipv4/tcp_syncookies')).toBeUndefined();
    expect(fault('kernel.msgmax')).toBe('forbidden sysctl: "kernel.msgmax" not allowlisted');
    expect(fault('net/core/somaxconn')).toBe('forbidden sysctl: "net.core.somaxconn" not allowlisted');
    expect(fault('kernel.msgmax', ['kernel.msg*'])).toBeUndefined();
    expect(fault('net.core.somaxconn', ['kernel.msg*', ' net/core/somaxconn'])).toBeUndefined();
    expect(fault('net.core.somaxconns', ['net.core.somaxconn'])).toContain('not allowlisted');
    expect(fault('kernel.sem', ['kernel.msg*', 'net.*'])).toContain('not allowlisted');
    expect(fault('kernel.msgmax', ['net.*', 'kernel.msg*'])).toBeUndefined();
  });

  it('is safe from the kernel on in which each namespace has its own', () => {
    const fault = (version: string) => sysctlFault('net.ipv4.tcp_rmem', {}, [], version);
    expect([fault('4.15.0'), fault('5.0'), fault(kernel)]).toEqual([undefined, undefined, undefined]);
    expect([fault('4.14.9'), fault('3.99'), fault(''), fault('4'), fault('x4.15')]).not.toContain(undefined);
    expect([fault('10.0'), fault('4.100')]).toEqual([undefined, undefined]);
  });

  it('is not one of a namespace that is the host’s', () => {
    const fault = (name: string, shares: object) => sysctlFault(name, shares, ['net.core.somaxconn'], kernel);
    const net = { hostNetwork: true };
    expect(fault('net.core.somaxconn', net)).toBe(
      'forbidden sysctl: "net.core.somaxconn" not allowed with host net enabled',
    );
    expect(fault('kernel.shm_rmid_forced', net)).toBeUndefined();
    expect(fault('net.core.somaxconn', { hostNetwork: false, hostIPC: true })).toBeUndefined();
    expect(fault('kernel.shm_rmid_forced', { hostIPC: true })).toBe(
      'forbidden sysctl: "kernel.shm_rmid_forced" not allowed with host ipc enabled',
    );
  });

  it('can be allowed only when it is of a namespace', () => {
    for (const pattern of [
      '.net',
      'net.x y',
      '-net.x',
      'net.x*y',
      'Net.core.x',
      'vm.swappiness',
      'kernel.*',
      '*',
      'net',
      'kernel.core_pattern',
      'net.*.x',
      '',
    ]) {
      expect(() => parseSysctlPatterns([pattern])).toThrow();
    }
    expect(parseSysctlPatterns(['kernel.sem*'])).toEqual(['kernel.sem*']);
    expect(parseSysctlPatterns(['net.*', 'kernel.sem', 'fs.mqueue.*'])).toEqual(['net.*', 'kernel.sem', 'fs.mqueue.*']);
  });
});
