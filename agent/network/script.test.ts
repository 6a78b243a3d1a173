import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { silentLog } from '../../shared/log.ts';
import { parseCidr, parseIpv4 } from '../../shared/net/ipv4.ts';
import { attachment } from '../../test/support/net.ts';
import type { HostPort } from '../runtime/runtime.ts';
import { attachmentOf } from './attachment.ts';
import type { Run } from './command.ts';
import { interfaceName, nodeLines, parseRoute, peerLines, podLines, rangeLines } from './commands.ts';
import { Firewall, parseElements } from './firewall.ts';
import { type Line, line, netnsPath, script } from './script.ts';
import { sysctls } from './sysctl.ts';

const good = fc.constantFrom(
  '10.64.1.0/24',
  '10.64.1.7',
  '192.168.0.2',
  'eth0',
  'a-1',
  '/proc/7/ns/net',
  'TCP',
  'net.ipv4.ip_forward',
);
const tail = fc.constantFrom(
  '\nroute flush table all',
  '\r\nx',
  '\n',
  ' dev eth0',
  '; flush ruleset',
  '" }\nflush ruleset\n#',
  '#',
  '\\',
  '\0',
  '',
);
const hostile = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.tuple(good, tail).map(([value, more]) => value + more),
);

/** Every command is one line of printable characters. */
function isOneCommandEach(lines: readonly Line[]): boolean {
  const text = script(lines);
  return text.split('\n').length === lines.length + 1 && /^[ -~\n]*$/.test(text);
}

/** What a value is refused for is an error of its own; whatever passes makes one command each. */
function survives(make: () => readonly Line[]): boolean {
  try {
    return isOneCommandEach(make());
  } catch (error) {
    return (error as { code?: string }).code === 'Address';
  }
}

describe('any data of a pod or a peer', () => {
  it('never becomes a second command of ip', () => {
    const port = fc.record({
      hostIP: hostile,
      hostPort: fc.anything(),
      containerPort: fc.anything(),
      protocol: hostile,
    });
    const place = fc.record({
      podUid: hostile,
      netns: hostile,
      address: hostile,
      hostPorts: fc.array(port as unknown as fc.Arbitrary<HostPort>, { maxLength: 2 }),
      sysctls: fc.dictionary(hostile, hostile, { maxKeys: 2 }),
    });
    fc.assert(
      fc.property(place, (sandbox) =>
        survives(() => {
          const made = attachmentOf(sandbox);
          return [
            ...podLines(made, interfaceName(sandbox.podUid), 1500, netnsPath('/proc/1/ns/net')),
            ...nodeLines(made, interfaceName(sandbox.podUid)),
          ];
        }),
      ),
    );
  });

  it('never becomes a second command of ip, as a route that is there already', () => {
    const route = fc.record({ type: hostile, dst: hostile, gateway: hostile, dev: hostile }, { requiredKeys: [] });
    const peer = { address: parseIpv4('192.168.0.2'), podCIDR: parseCidr('10.64.2.0/24') };
    fc.assert(
      fc.property(fc.array(route, { maxLength: 4 }), (listed) => {
        const present = listed.flatMap(parseRoute);
        const peers = peer.address && peer.podCIDR ? [{ address: peer.address, podCIDR: peer.podCIDR }] : [];
        return isOneCommandEach([
          ...peerLines(peers, present, new Map()),
          ...(peer.podCIDR ? rangeLines(peer.podCIDR, present) : []),
        ]);
      }),
    );
  });

  it('never becomes a second command of nft, as an element that is there already either', async () => {
    const scripts: string[] = [];
    const element = fc.record({
      name: fc.constantFrom('hostports', 'bound_hostports', 'hairpin', 'other'),
      key: fc.array(fc.oneof(hostile, fc.integer()), { maxLength: 3 }),
      value: fc.array(fc.oneof(hostile, fc.integer()), { maxLength: 2 }),
      comment: hostile,
    });
    interface Entry {
      name: string;
      key: unknown[];
      value: unknown[];
      comment: string;
    }
    const toListed = ({ name, key, value, comment }: Entry) => ({
      map: { name, elem: [[{ elem: { val: { concat: key }, comment } }, { concat: value }]] },
    });
    await fc.assert(
      fc.asyncProperty(fc.array(element, { maxLength: 3 }), async (elements) => {
        scripts.length = 0;
        const listed = JSON.stringify({ nftables: elements.map(toListed) });
        const run: Run = async (_, args, options) => {
          if (args.includes('list')) return listed;
          scripts.push(options?.input ?? '');
          return '';
        };
        const firewall = new Firewall({ run, log: silentLog }, 'coracle');
        await firewall.setup();
        const port = { hostIP: '', hostPort: 9, containerPort: 80, protocol: 'TCP' } as const;
        await firewall.setHostPorts(attachment({ podUid: 'own', hostPorts: [port] })).catch(() => undefined);
        for (const text of scripts) {
          for (const each of text.split('\n').slice(0, -1)) {
            expect(each).toMatch(/^(add|flush|delete) (table|map|set|chain|rule|element) ip coracle[ -~]*$/);
            expect(each.match(/"/g)?.length ?? 0).toBeLessThanOrEqual(2);
          }
        }
      }),
    );
  });
});

it('a line takes only values that were checked: raw text does not compile, and does not pass', () => {
  const raw = '10.0.0.1\nflush ruleset' as string;
  // @ts-expect-error: a string is no word
  expect(() => line`route del ${raw}`).toThrow('cannot stand in a command');
  // @ts-expect-error: nor is any other name
  expect(() => line`link del ${'eth0 up'}`).toThrow('cannot stand in a command');
  expect(() => line`mtu ${-1}`).toThrow('cannot stand in a command');
});

it('a setting of the kernel is a file below /proc/sys and one line', () => {
  for (const name of [
    '../../etc/passwd',
    'net..ipv4',
    '/etc/passwd',
    'net.ipv4.',
    'a b',
    'net/ipv4/../../x',
    'a\nb',
    '',
  ]) {
    expect(() => sysctls({ [name]: '1' })).toThrow('not the name of a sysctl');
  }
  for (const value of ['1\n2', '\0', '\u00e9'])
    expect(() => sysctls({ 'net.core.somaxconn': value })).toThrow('not a value');
  expect([...sysctls({ 'net.ipv4.ping_group_range': '0 2147483647' })]).toEqual([
    ['/proc/sys/net/ipv4/ping_group_range', '0 2147483647'],
  ]);
});

it('host ports that are in the kernel are known again', () => {
  const elem = (key: unknown[], value?: unknown[]) =>
    value
      ? [{ elem: { val: { concat: key }, comment: 'u' } }, { concat: value }]
      : { elem: { val: { concat: key }, comment: 'u' } };
  const found = parseElements({
    nftables: [
      { map: { name: 'hostports', elem: [elem(['tcp', 80], ['10.1.0.2', 8080])] } },
      { map: { name: 'bound_hostports', elem: [elem(['udp', '192.168.0.1', 53], ['10.1.0.2', 5353])] } },
      { set: { name: 'hairpin', elem: [elem(['10.1.0.2', '10.1.0.2'])] } },
    ],
  });
  const texts = [...found.values()].flat().map(({ map, key, value }) => `${map}: ${key.text} → ${value?.text}`);
  expect(texts).toEqual([
    'hostports: tcp . 80 → 10.1.0.2 . 8080',
    'bound_hostports: udp . 192.168.0.1 . 53 → 10.1.0.2 . 5353',
    'hairpin: 10.1.0.2 . 10.1.0.2 → undefined',
  ]);
});
