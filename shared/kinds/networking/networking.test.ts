import { describe, expect, it } from 'vitest';
import { admitted, faults, updateFaults } from '../../../test/support/kind-rules.ts';
import { kindNamed } from '../index.ts';

const service = { name: 'web', port: { number: 80 } };
const pathTo = (path: string, more: object = {}) => ({ path, pathType: 'Prefix', backend: { service }, ...more });
const rules = (...paths: object[]) => ({ spec: { rules: [{ http: { paths } }] } });

describe('Ingress', () => {
  it.each<[string, object, string[]]>([
    ['a good one', rules(pathTo('/')), []],
    ['nothing', {}, ['spec: Invalid value: "null": either `defaultBackend` or `rules` must be specified']],
    [
      'a path without a type',
      rules({ backend: { service } }),
      ['spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified'],
    ],
    [
      'paths that a client could read in two ways',
      rules(pathTo('/a//b'), pathTo('/a/..'), pathTo('a', { pathType: 'ImplementationSpecific' })),
      [
        'spec.rules[0].http.paths[0].path: Invalid value: "/a//b": must not contain \'//\'',
        'spec.rules[0].http.paths[1].path: Invalid value: "/a/..": cannot end with \'/..\'',
        'spec.rules[0].http.paths[2].path: Invalid value: "a": must be an absolute path',
      ],
    ],
    [
      'backends that are none, or two',
      rules(
        pathTo('/', { backend: undefined }),
        pathTo('/', { backend: { service, resource: { kind: 'Bucket', name: 'b' } } }),
        pathTo('/', { backend: { service: { name: 'web' } } }),
        pathTo('/', { backend: { service: { name: 'web', port: { name: 'a', number: 1 } } } }),
      ),
      [
        'spec.rules[0].http.paths[0].backend: Invalid value: "": resource or service backend is required',
        'spec.rules[0].http.paths[1].backend: Invalid value: "": cannot set both resource and service backends',
        'spec.rules[0].http.paths[2].backend: Required value: port name or number is required',
        'spec.rules[0].http.paths[3].backend: Invalid value: "": cannot set both port name & port number',
      ],
    ],
    [
      'a host that is an address',
      { spec: { rules: [{ host: '10.0.0.1' }, { host: '*.example.com' }] } },
      ['spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address'],
    ],
  ])('checks %s', (_case, body, expected) => {
    expect(faults('Ingress', body)).toEqual(expected);
  });

  it('shows its hosts, three at most, and its ports', () => {
    const cells = (body: object) => {
      const object = admitted('Ingress', body);
      return Object.fromEntries(kindNamed('Ingress').columns.map(({ name, value }) => [name, value(object, 0)]));
    };
    expect(cells(rules(pathTo('/')))).toMatchObject({ Class: '<none>', Hosts: '*', Ports: '80' });
    const hosts = ['a.x', 'b.x', 'c.x', 'd.x'].map((host) => ({ host }));
    expect(cells({ spec: { ingressClassName: 'n', rules: hosts, tls: [{}] } })).toMatchObject({
      Class: 'n',
      Hosts: 'a.x,b.x,c.x + 1 more...',
      Ports: '80, 443',
    });
  });
});

describe('IngressClass', () => {
  it('has an immutable controller, and refers to its parameters', () => {
    const spec = { controller: 'example.com/proxy', parameters: { kind: 'Settings', name: 'a' } };
    expect(admitted('IngressClass', { spec }).spec).toMatchObject({ parameters: { scope: 'Cluster' } });
    expect(faults('IngressClass', { spec })).toEqual([]);
    expect(faults('IngressClass', {})).toEqual(['spec.controller: Required value']);
    expect(faults('IngressClass', { spec: { controller: 'proxy' } })).toEqual([
      'spec.controller: Invalid value: "proxy": must be a domain-prefixed path (such as "acme.io/foo")',
    ]);
    const scoped = { ...spec, parameters: { ...spec.parameters, scope: 'Namespace' } };
    expect(faults('IngressClass', { spec: scoped })).toEqual([
      "spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'",
    ]);
    expect(updateFaults('IngressClass', { spec }, { spec: { ...spec, controller: 'example.com/other' } })).toEqual([
      'spec.controller: Invalid value: "example.com/other": field is immutable',
    ]);
  });
});

describe('NetworkPolicy', () => {
  it('applies to ingress, and to egress when it has egress rules', () => {
    expect(admitted('NetworkPolicy', {}).spec).toEqual({ podSelector: {}, policyTypes: ['Ingress'] });
    expect(admitted('NetworkPolicy', { spec: { egress: [{}] } }).spec).toMatchObject({
      policyTypes: ['Ingress', 'Egress'],
    });
    expect(admitted('NetworkPolicy', { spec: { policyTypes: ['Egress'] } }).spec).toMatchObject({
      policyTypes: ['Egress'],
    });
  });

  it('rejects invalid peers and ports', () => {
    const ingress = [
      {
        from: [{}, { podSelector: {}, ipBlock: { cidr: '10.0.0.0/8', except: ['10.0.0.0/8', '10.1.0.0/16'] } }],
        ports: [
          { port: 'Web' },
          { port: 80, endPort: 79 },
          { endPort: 80 },
          { port: 'web', endPort: 80 },
          { protocol: 'ICMP' },
        ],
      },
    ];
    expect(faults('NetworkPolicy', { spec: { ingress } })).toEqual([
      'spec.ingress[0].ports[0].port: Invalid value: "Web": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)',
      'spec.ingress[0].ports[1].endPort: Invalid value: 79: must be greater than or equal to `port`',
      'spec.ingress[0].ports[2].endPort: Invalid value: 80: may not be specified when `port` is not specified',
      'spec.ingress[0].ports[3].endPort: Invalid value: 80: may not be specified when `port` is non-numeric',
      'spec.ingress[0].ports[4].protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"',
      'spec.ingress[0].from[0]: Required value: must specify a peer',
      'spec.ingress[0].from[1].ipBlock.except[0]: Invalid value: "10.0.0.0/8": must be a strict subset of `cidr`',
      'spec.ingress[0].from[1]: Forbidden: may not specify both ipBlock and another peer',
    ]);
  });
});

describe('EndpointSlice', () => {
  const slice = (more: object) => ({ addressType: 'IPv4', ...more });

  it('takes only addresses that lead to a backend', () => {
    const wrong = (address: string) => faults('EndpointSlice', slice({ endpoints: [{ addresses: [address] }] }));
    expect(wrong('10.1.2.3')).toEqual([]);
    const field = 'endpoints[0].addresses[0]: Invalid value:';
    expect(wrong('::1')).toEqual([`${field} "::1": must be a valid IPv4 address`]);
    expect(wrong('127.0.0.1')).toEqual([
      `${field} "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)`,
    ]);
    expect(wrong('0.0.0.0')).toEqual([`${field} "0.0.0.0": may not be unspecified (0.0.0.0)`]);
    expect(wrong('169.254.1.1')).toEqual([
      `${field} "169.254.1.1": may not be in the link-local range (169.254.0.0/16, fe80::/10)`,
    ]);
    expect(wrong('224.0.0.1')).toHaveLength(1);
    expect(wrong('224.1.0.1')).toEqual([]);
  });

  it('names its ports apart, and keeps the type of its addresses', () => {
    expect(admitted('EndpointSlice', slice({ ports: [{ port: 80 }] }))).toMatchObject({
      ports: [{ name: '', protocol: 'TCP', port: 80 }],
    });
    expect(faults('EndpointSlice', slice({ ports: [{ name: 'a' }, { name: 'a' }] }))).toEqual([
      'ports[1].name: Duplicate value: "a"',
    ]);
    expect(faults('EndpointSlice', {})).toEqual(['addressType: Required value']);
    expect(updateFaults('EndpointSlice', slice({}), { addressType: 'IPv6' })).toEqual([
      'addressType: Invalid value: "IPv6": field is immutable',
    ]);
  });
});
