import { describe, expect, it } from 'vitest';
import type { PodSpec } from '../../shared/generated/types.ts';
import { makePod } from '../../test/support/hollow-agent.ts';
import { hostResolver } from './host-resolver.ts';
import { type Dns, parseResolvConf, podDns } from './pod-dns.ts';

const host: Dns = { servers: ['127.0.0.53', '192.0.2.53'], searches: ['example.org'], options: ['edns0'] };
const dnsOf = (spec: Partial<PodSpec> = {}, own: Dns = host) => podDns(makePod('web', spec), own, undefined);

describe('the resolver of a pod', () => {
  it('has none of the node’s loopback servers, unless it is on the node’s network', () => {
    expect(dnsOf()).toEqual({ ...host, servers: ['192.0.2.53'], warnings: [] });
    expect(dnsOf({ hostNetwork: true }).servers).toEqual(host.servers);
    const loopbacks = ['127.0.0.1', '127.1.2.3', '::1', '::ffff:127.0.0.1', '0.0.0.0', '::'];
    expect(dnsOf({}, { ...host, servers: [...loopbacks, '2001:db8::53'] }).servers).toEqual(['2001:db8::53']);
  });

  it('keeps what the pod itself names, be it a loopback address', () => {
    const dnsConfig = { nameservers: ['127.0.0.1'], searches: ['a.example'], options: [{ name: 'ndots', value: '2' }] };
    expect(dnsOf({ dnsPolicy: 'None', dnsConfig })).toEqual({
      servers: ['127.0.0.1'],
      searches: ['a.example'],
      options: ['ndots:2'],
      warnings: [],
    });
  });

  it('has three servers at most, and says what was left out in the kubelet’s words', () => {
    const nameservers = ['192.0.2.1', '192.0.2.53', '192.0.2.2', '192.0.2.3'];
    const { servers, warnings } = dnsOf({ dnsConfig: { nameservers } });
    expect(servers).toEqual(['192.0.2.53', '192.0.2.1', '192.0.2.2']);
    expect(warnings).toEqual([
      'Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: 192.0.2.53 192.0.2.1 192.0.2.2',
    ]);
  });

  it('has a search line of 32 names, 2048 characters and no name that is too long', () => {
    const named = (searches: string[]) => dnsOf({ dnsConfig: { searches } });
    const many = named(Array.from({ length: 40 }, (_, i) => `d${i}.example`));
    expect(many.searches).toHaveLength(32);
    expect(many.warnings[0]).toBe(
      `Search Line limits were exceeded, some search paths have been omitted, the applied search line is: ${many.searches.join(' ')}`,
    );
    const long = named(Array.from({ length: 20 }, (_, i) => `${'a'.repeat(200)}${i}`));
    expect(long.searches.join(' ').length).toBeLessThanOrEqual(2_048);
    expect(long.searches).toHaveLength(11);
    expect(named(['b'.repeat(254), 'c.example']).searches).toEqual(['example.org', 'c.example']);
    expect(named(['example.org', 'c.example']).warnings).toEqual([]);
  });
});

it('a resolv.conf is read as the C library does: comments, the last search line, the last of an option', () => {
  const text =
    '# nameserver 192.0.2.9\n;x\nnameserver 192.0.2.1 # first\nsearch a\nsearch b.example. .\noptions ndots:2 rotate\noptions ndots:3\n';
  expect(parseResolvConf(text)).toEqual({
    servers: ['192.0.2.1'],
    searches: ['b.example', '.'],
    options: ['ndots:3', 'rotate'],
  });
});

describe('the resolver of the node', () => {
  const files = new Map<string, string>();
  const read = (path: string): string => {
    const text = files.get(path);
    if (text === undefined) throw Object.assign(new Error(`no such file: ${path}`), { code: 'ENOENT' });
    return text;
  };
  const [usual, resolved] = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'];

  it('is the one behind systemd-resolved, read anew each time', () => {
    const resolver = hostResolver(undefined, read);
    expect(resolver()).toEqual({ servers: [], searches: [], options: [] });
    files.set(usual, 'nameserver 127.0.0.53\noptions edns0\n');
    expect(resolver().servers).toEqual(['127.0.0.53']);
    files.set(resolved, 'nameserver 192.0.2.1\nsearch lan\n');
    expect(resolver()).toEqual({ servers: ['192.0.2.1'], searches: ['lan'], options: [] });
    files.set(resolved, 'nameserver 192.0.2.2\n');
    expect(resolver().servers).toEqual(['192.0.2.2']);
    files.set(usual, 'nameserver 127.0.0.1\nnameserver 192.0.2.3\n');
    expect(resolver().servers).toEqual(['127.0.0.1', '192.0.2.3']);
  });

  it('is the file that was named, which must be there', () => {
    files.set('/own', 'nameserver 192.0.2.7\n');
    expect(hostResolver('/own', read)().servers).toEqual(['192.0.2.7']);
    expect(() => hostResolver('/gone', read)()).toThrow('/gone');
  });
});
