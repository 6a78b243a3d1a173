import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { admitted, faults, updateFaults, writtenPart } from '../../../test/support/kind-rules.ts';
import type { Kind } from '../../generated/types.ts';
import { isCidr, isIp } from '../../schema/formats.ts';

const container = { name: 'c', image: 'i' };
const pod = { spec: { containers: [container] } };

/** Every place of an address, a range, a host's name or a port, with a good value. The status of a kind is written as one. */
const places: [string, Kind, string, (value: unknown) => object, unknown][] = [
  ['podCIDR', 'Node', '', (podCIDR) => ({ spec: { podCIDR } }), '10.64.1.0/24'],
  ['podCIDRs', 'Node', '', (range) => ({ spec: { podCIDRs: [range] } }), '10.64.1.0/24'],
  [
    'InternalIP',
    'Node',
    'status',
    (address) => ({ status: { addresses: [{ type: 'InternalIP', address }] } }),
    '10.0.0.1',
  ],
  [
    'ExternalIP',
    'Node',
    'status',
    (address) => ({ status: { addresses: [{ type: 'ExternalIP', address }] } }),
    'fd00::1',
  ],
  [
    'Hostname',
    'Node',
    'status',
    (address) => ({ status: { addresses: [{ type: 'Hostname', address }] } }),
    'Node-1.local',
  ],
  [
    'InternalDNS',
    'Node',
    'status',
    (address) => ({ status: { addresses: [{ type: 'InternalDNS', address }] } }),
    'n.x',
  ],
  ['podIP', 'Pod', 'status', (podIP) => ({ ...pod, status: { podIP } }), '10.64.1.2'],
  ['podIPs', 'Pod', 'status', (ip) => ({ ...pod, status: { podIPs: [{ ip }] } }), '10.64.1.2'],
  ['hostIP', 'Pod', 'status', (hostIP) => ({ ...pod, status: { hostIP } }), '10.0.0.1'],
  ['hostIPs', 'Pod', 'status', (ip) => ({ ...pod, status: { hostIP: ip, hostIPs: [{ ip }] } }), '10.0.0.1'],
  [
    'hostIP of a port',
    'Pod',
    '',
    (hostIP) => ({ spec: { containers: [{ ...container, ports: [{ containerPort: 80, hostIP }] }] } }),
    '10.0.0.1',
  ],
  ['hostAliases', 'Pod', '', (ip) => ({ spec: { ...pod.spec, hostAliases: [{ ip, hostnames: ['a'] }] } }), '10.0.0.1'],
  [
    'names of hostAliases',
    'Pod',
    '',
    (name) => ({ spec: { ...pod.spec, hostAliases: [{ ip: '10.0.0.1', hostnames: [name] }] } }),
    'a.b',
  ],
  ['hostname', 'Pod', '', (hostname) => ({ spec: { ...pod.spec, hostname } }), 'a'],
  ['nameservers', 'Pod', '', (server) => ({ spec: { ...pod.spec, dnsConfig: { nameservers: [server] } } }), '10.0.0.1'],
  ['searches', 'Pod', '', (search) => ({ spec: { ...pod.spec, dnsConfig: { searches: [search] } } }), 'svc.local'],
  ['names of options', 'Pod', '', (name) => ({ spec: { ...pod.spec, dnsConfig: { options: [{ name }] } } }), 'ndots'],
  [
    'values of options',
    'Pod',
    '',
    (value) => ({ spec: { ...pod.spec, dnsConfig: { options: [{ name: 'ndots', value }] } } }),
    '2',
  ],
  ['subsets', 'Endpoints', '', (ip) => ({ subsets: [{ addresses: [{ ip }], ports: [{ port: 80 }] }] }), '10.0.0.1'],
  [
    'endpoints',
    'EndpointSlice',
    '',
    (address) => ({ addressType: 'IPv4', endpoints: [{ addresses: [address] }] }),
    '10.0.0.1',
  ],
  [
    'endpoints of IPv6',
    'EndpointSlice',
    '',
    (address) => ({ addressType: 'IPv6', endpoints: [{ addresses: [address] }] }),
    'fd00::1',
  ],
  [
    'clusterIPs',
    'Service',
    '',
    (ip) => ({ spec: { ports: [{ port: 80 }], clusterIP: ip, clusterIPs: [ip] } }),
    '10.0.0.1',
  ],
  ['externalIPs', 'Service', '', (ip) => ({ spec: { ports: [{ port: 80 }], externalIPs: [ip] } }), '10.0.0.1'],
  ['externalName', 'Service', '', (name) => ({ spec: { type: 'ExternalName', externalName: name } }), 'a.b'],
  [
    'source ranges',
    'Service',
    '',
    (range) => ({ spec: { type: 'LoadBalancer', ports: [{ port: 80 }], loadBalancerSourceRanges: [range] } }),
    '10.0.0.0/8',
  ],
  [
    'load balancers',
    'Service',
    'status',
    (ip) => ({
      spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
      status: { loadBalancer: { ingress: [{ ip }] } },
    }),
    '10.0.0.1',
  ],
  [
    'names of load balancers',
    'Service',
    'status',
    (hostname) => ({
      spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
      status: { loadBalancer: { ingress: [{ hostname }] } },
    }),
    'a.b',
  ],
  [
    'ingresses',
    'Ingress',
    'status',
    (ip) => ({
      spec: { defaultBackend: { service: { name: 'a', port: { number: 1 } } } },
      status: { loadBalancer: { ingress: [{ ip }] } },
    }),
    '10.0.0.1',
  ],
  [
    'ipBlock',
    'NetworkPolicy',
    '',
    (cidr) => ({ spec: { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr } }] }] } }),
    '10.0.0.0/8',
  ],
  [
    'exceptions',
    'NetworkPolicy',
    '',
    (cidr) => ({
      spec: { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8', except: [cidr] } }] }] },
    }),
    '10.1.0.0/16',
  ],
];

function found(kind: Kind, part: string, body: object): string[] {
  if (part === '') return faults(kind, body);
  const next = admitted(kind, body);
  // What creating drops, the status brings.
  return writtenPart('status', admitted(kind, body), { ...next, ...body, kind } as never, 0).faults;
}

describe('an address, a range or the name of a host', () => {
  it.each(places)('in %s is taken when it is one', (_, kind, part, body, good) => {
    expect(found(kind, part, body(good))).toEqual([]);
  });

  it.each(places)(
    'in %s is refused when it holds a second line, a second word or a zone',
    (_, kind, part, body, good) => {
      // Kubernetes trims these ranges before it looks.
      const trimmed = JSON.stringify(body('')).includes('loadBalancerSourceRanges');
      const tails = ['\nroute flush table all', ' via 1.2.3.4', '\0', ';', '%eth0', ...(trimmed ? [] : ['\n', ' '])];
      for (const tail of tails) {
        // An option of the resolver is one word of any kind.
        if (tail.length > 0 && /options/.test(JSON.stringify(body(''))) && /^[;%]/.test(tail)) continue;
        expect(found(kind, part, body(`${good}${tail}`)), JSON.stringify(tail)).not.toEqual([]);
      }
    },
  );
});

describe('a range', () => {
  it.each([
    '10.1/16',
    '010.0.0.0/8',
    '0x0a.0.0.0/8',
    '10.0.0.0/08',
    '167772160/8',
    '10.0.0.0/33',
    'fd00::%1/64',
    '10.0.0.0/8/8',
    '/8',
    '10.0.0.0/',
  ])('is not %s', (text) => expect(isCidr(text)).toBeDefined());
  it.each(['10.0.0.0/8', '10.0.0.1/24', '0.0.0.0/0', 'fd00::/64', '::/0'])('is %s', (text) =>
    expect(isCidr(text)).toBeUndefined(),
  );
});

it('an address or range never holds white space, quotes or control characters', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.ipV4(), fc.ipV6(), fc.string({ unit: 'binary' })),
      fc.string({ unit: 'binary' }),
      (head, tail) => {
        const text = head + tail;
        for (const format of [isIp, isCidr]) if (format(text) === undefined) expect(text).toMatch(/^[0-9a-fA-F:./]+$/);
      },
    ),
  );
});

describe('a node', () => {
  it('has each address once, and not too many', () => {
    const one = { type: 'InternalIP', address: '10.0.0.1' };
    expect(faults('Node', { status: { addresses: [one, one] } })).toEqual([
      'status.addresses[1]: Duplicate value: {"type":"InternalIP","address":"10.0.0.1"}',
    ]);
    const many = Array.from({ length: 65 }, (_, i) => ({ type: 'InternalIP', address: `10.0.0.${i}` }));
    expect(faults('Node', { status: { addresses: many } })).toEqual([
      'status.addresses: Too many: 65: must have at most 64 items',
    ]);
  });

  it('has one range of each family, for ever', () => {
    expect(faults('Node', { spec: { podCIDRs: ['10.0.0.0/24', '10.0.1.0/24'] } })).toEqual([
      'spec.podCIDRs: Invalid value: []string{"10.0.0.0/24", "10.0.1.0/24"}: may specify no more than one CIDR for each IP family',
    ]);
    expect(faults('Node', { spec: { podCIDRs: ['10.0.0.0/24', 'fd00::/64'] } })).toEqual([]);
    const before = { spec: { podCIDR: '10.0.0.0/24' } };
    const why = 'node updates may not change podCIDR except from "" to valid';
    expect(
      updateFaults('Node', before, { spec: { podCIDR: '10.0.0.0/24', podCIDRs: ['10.0.0.0/24', 'fd00::/64'] } }),
    ).toEqual([`spec.podCIDRs: Forbidden: ${why}`]);
    expect(updateFaults('Node', before, { spec: { podCIDR: '10.0.1.0/24' } })).toEqual([
      `spec.podCIDR: Forbidden: ${why}`,
    ]);
  });
});

describe('a pod', () => {
  const write = (status: object) => {
    const old = admitted('Pod', pod);
    return writtenPart('status', old, { ...old, status } as never, 0);
  };

  it('has its first address in both fields, the single one before the list', () => {
    expect(write({ podIP: '10.0.0.1' }).object.status).toMatchObject({ podIPs: [{ ip: '10.0.0.1' }] });
    expect(write({ podIPs: [{ ip: '10.0.0.1' }] }).object.status).toMatchObject({ podIP: '10.0.0.1' });
    expect(write({ podIP: '10.0.0.1', podIPs: [{ ip: '10.0.0.2' }] }).object.status).toMatchObject({
      podIPs: [{ ip: '10.0.0.1' }],
    });
  });

  it('has one address of each family, and its node’s in both fields', () => {
    expect(write({ podIPs: [{ ip: '10.0.0.1' }, { ip: '10.0.0.2' }] }).faults).toEqual([
      expect.stringContaining('may specify no more than one IP for each IP family'),
    ]);
    expect(write({ podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00::2' }] }).faults).toEqual([]);
    expect(write({ hostIP: '10.0.0.1', hostIPs: [{ ip: '10.0.0.2' }] }).faults).toEqual([
      expect.stringContaining('must be equal to `hostIP`'),
    ]);
  });
});

it('a service that has no load balancer has no address of one', () => {
  const old = admitted('Service', { spec: { ports: [{ port: 80 }] } });
  const status = { loadBalancer: { ingress: [{ ip: '10.0.0.1' }] } };
  expect(writtenPart('status', old, { ...old, status } as never, 0).faults).toEqual([
    'status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is "LoadBalancer"',
  ]);
});
