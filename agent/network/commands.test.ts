import { expect, test } from 'vitest';
import type { IfName } from '../../shared/net/names.ts';
import { attachment, cidr, ipv4 } from '../../test/support/net.ts';
import { interfaceName, isPodInterface, nodeLines, parseRoute, peerLines, rangeLines } from './commands.ts';
import { type Line, podMac } from './script.ts';
import { sysctls } from './sysctl.ts';

const texts = (lines: readonly Line[]): string[] => lines.map(({ text }) => text);

test('each pod has an interface name that the kernel takes and that is known again', () => {
  const names = Array.from({ length: 1000 }, (_, i) => interfaceName(`uid-${i}`));
  expect(new Set(names).size).toBe(1000);
  expect(names.every((name) => name.length === 15 && isPodInterface(name))).toBe(true);
  expect(['eth0', 'cor', 'corporate-link0', 'docker0'].some(isPodInterface)).toBe(false);
});

test('a pod’s hardware address is of one interface and locally administered', () => {
  for (let i = 0; i < 100; i++) expect(podMac(`uid-${i}`)).toMatch(/^[0-9a-f][26ae](:[0-9a-f]{2}){5}$/);
});

test('the route to a pod is the last thing that an attachment makes', () => {
  const lines = texts(nodeLines(attachment(), interfaceName('a')));
  expect(lines.at(-1)).toBe(`route replace 10.1.0.2/32 dev ${interfaceName('a')} scope link proto 99`);
});

test('routes to peers: what is right stays untouched, what is new replaces, what is gone goes last', () => {
  const peers = [
    { address: ipv4('192.168.0.2'), podCIDR: cidr('10.1.2.0/24') },
    { address: ipv4('192.168.0.3'), podCIDR: cidr('10.1.3.0/24') },
    { address: ipv4('203.0.113.1'), podCIDR: cidr('10.1.4.0/24') },
  ];
  const present = [
    { dst: '10.1.1.7', dev: 'cor123456789abc' },
    { dst: '10.1.1.0/24', type: 'unreachable' },
    { dst: '10.1.2.0/24', gateway: '192.168.0.2', dev: 'eth0' },
    { dst: '10.1.3.0/24', gateway: '192.168.0.9', dev: 'eth0' },
    { dst: '10.1.4.0/24', gateway: '192.168.0.4', dev: 'eth0' },
    { dst: '10.1.5.0/24', gateway: '192.168.0.5', dev: 'eth0' },
  ].flatMap(parseRoute);
  const eth0 = 'eth0' as IfName;
  const reached = new Map([
    ['192.168.0.2', eth0],
    ['192.168.0.3', eth0],
  ]);
  expect(texts(peerLines(peers, present, reached))).toEqual([
    'route replace 10.1.3.0/24 via 192.168.0.3 dev eth0 onlink proto 99',
    'route del 10.1.4.0/24 via 192.168.0.4 proto 99',
    'route del 10.1.5.0/24 via 192.168.0.5 proto 99',
  ]);
  expect(peerLines([], [], new Map())).toEqual([]);
});

test('a node that got another range forgets the one before', () => {
  const present = [
    { dst: '10.1.1.0/24', type: 'unreachable' },
    { dst: '10.1.1.7', dev: 'cor123456789abc' },
  ].flatMap(parseRoute);
  expect(texts(rangeLines(cidr('10.2.1.0/24'), present))).toEqual([
    'route replace unreachable 10.2.1.0/24 proto 99 metric 4096',
    'route del unreachable 10.1.1.0/24 proto 99 metric 4096',
  ]);
});

test('both spellings of a sysctl name one file', () => {
  const paths = (name: string): string[] => [...sysctls({ [name]: '1' }).keys()];
  expect(paths('net.ipv4.ip_forward')).toEqual(['/proc/sys/net/ipv4/ip_forward']);
  expect(paths('net/ipv4/conf/eth0.1/rp_filter')).toEqual(['/proc/sys/net/ipv4/conf/eth0.1/rp_filter']);
});
