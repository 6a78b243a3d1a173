import { describe, expect, it } from 'vitest';
import { admitted, faults, updateFaults } from '../../../test/support/kind-rules.ts';
import type { Service } from '../../generated/types.ts';
import { kindNamed } from '../index.ts';

const ports = [{ port: 80 }];
const spec = (object: object): Service['spec'] => (admitted('Service', { spec: object }) as Service).spec;

describe('a service', () => {
  it('has its defaults filled in by its type', () => {
    expect(spec({ ports })).toEqual({
      type: 'ClusterIP',
      sessionAffinity: 'None',
      internalTrafficPolicy: 'Cluster',
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
    });
    expect(spec({ type: 'LoadBalancer', ports })).toMatchObject({
      externalTrafficPolicy: 'Cluster',
      allocateLoadBalancerNodePorts: true,
    });
    expect(spec({ ports, sessionAffinity: 'ClientIP' }).sessionAffinityConfig).toEqual({
      clientIP: { timeoutSeconds: 10_800 },
    });
    expect(spec({ type: 'ExternalName', externalName: 'a.example' })).toEqual({
      type: 'ExternalName',
      externalName: 'a.example',
      sessionAffinity: 'None',
    });
  });

  it('that is headless without a selector may have addresses of either family', () => {
    expect(spec({ clusterIP: 'None', ports })).toMatchObject({
      ipFamilies: ['IPv4', 'IPv6'],
      ipFamilyPolicy: 'RequireDualStack',
    });
  });

  it.each<[string, object, string[]]>([
    ['no ports', {}, ['spec.ports: Required value']],
    [
      'several ports without names',
      { ports: [{ port: 1 }, { port: 2 }] },
      ['spec.ports[0].name: Required value', 'spec.ports[1].name: Required value'],
    ],
    [
      'a port out of range',
      { ports: [{ port: 0 }] },
      [
        'spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive',
        'spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive',
      ],
    ],
    [
      'a node port without a type for it',
      { ports: [{ port: 80, nodePort: 30_080 }] },
      ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
    ],
    [
      'no address and a node port',
      { type: 'NodePort', clusterIP: 'None', ports },
      ['spec.clusterIPs[0]: Invalid value: "None": may not be set to \'None\' for NodePort services'],
    ],
    ['a name that is none', { type: 'ExternalName' }, ['spec.externalName: Required value']],
    [
      'an address for another name',
      { type: 'ExternalName', externalName: 'a', clusterIP: '10.68.0.9' },
      ['spec.clusterIPs: Forbidden: may not be set for ExternalName services'],
    ],
    [
      'an address that is none',
      { clusterIP: 'x', ports },
      ['spec.clusterIPs[0]: Invalid value: "x": must be empty, \'None\', or a valid IP address'],
    ],
    [
      'addresses that contradict each other',
      { clusterIP: '10.68.0.9', clusterIPs: ['10.68.0.8'], ports },
      ['spec.clusterIPs: Invalid value: []string{"10.68.0.8"}: first value must match `clusterIP`'],
    ],
    [
      'an unusable policy',
      { ports, externalTrafficPolicy: 'Local' },
      ['spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services'],
    ],
    [
      'ranges without a balancer',
      { ports, loadBalancerSourceRanges: ['10.0.0.0/8'] },
      ["spec.loadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'"],
    ],
    [
      'an external address of the loopback',
      { ports, externalIPs: ['127.0.0.1'] },
      ['spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)'],
    ],
    [
      'too long an affinity',
      {
        ports,
        sessionAffinity: 'ClientIP',
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 90_000 } },
      },
      [
        'spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 90000: must be greater than 0 and less than 86400',
      ],
    ],
  ])('is refused with %s', (_what, body, expected) => {
    expect(faults('Service', { spec: body })).toEqual(expected);
  });

  it('keeps its allocated values when a client leaves them out, and drops those that its new type does not have', () => {
    const def = kindNamed('Service');
    const old = admitted('Service', {
      spec: { type: 'NodePort', clusterIP: '10.68.0.9', ports: [{ port: 80, nodePort: 30_080 }] },
    });
    const same = admitted('Service', { spec: { type: 'NodePort', ports } });
    def.strategy.prepareUpdate?.(same, old);
    expect(same.spec).toMatchObject({ clusterIPs: ['10.68.0.9'], ports: [{ port: 80, nodePort: 30_080 }] });
    const inner = admitted('Service', { spec: { ...(old.spec as object), type: 'ClusterIP' } });
    def.strategy.prepareUpdate?.(inner, old);
    expect(inner.spec).not.toHaveProperty('externalTrafficPolicy');
    expect((inner as Service).spec.ports?.[0]).not.toHaveProperty('nodePort');
  });

  it('keeps its address and its class of balancer', () => {
    const at = (clusterIP: string) => ({ spec: { clusterIP, ports } });
    expect(updateFaults('Service', at('10.68.0.9'), at('10.68.0.8'))).toEqual([
      'spec.clusterIPs[0]: Invalid value: []string{"10.68.0.8"}: may not change once set',
    ]);
    const of = (loadBalancerClass: string) => ({ spec: { type: 'LoadBalancer', loadBalancerClass, ports } });
    expect(updateFaults('Service', of('a.example/x'), of('a.example/y'))).toEqual([
      'spec.loadBalancerClass: Invalid value: "a.example/y": may not change once set',
    ]);
  });

  it.each<[string, object, object, (string | number)[]]>([
    ['inside', { clusterIP: '10.68.0.9', ports }, {}, ['ClusterIP', '10.68.0.9', '<none>', '80/TCP']],
    [
      'at every node',
      { type: 'NodePort', clusterIP: '10.68.0.9', ports: [{ port: 80, nodePort: 30_080 }] },
      {},
      ['NodePort', '10.68.0.9', '<none>', '80:30080/TCP'],
    ],
    [
      'behind a balancer that is not there yet',
      { type: 'LoadBalancer', clusterIP: '10.68.0.9', ports },
      {},
      ['LoadBalancer', '10.68.0.9', '<pending>', '80/TCP'],
    ],
    [
      'behind a balancer',
      { type: 'LoadBalancer', clusterIP: '10.68.0.9', ports },
      {
        loadBalancer: { ingress: [{ ip: '192.0.2.9' }] },
      },
      ['LoadBalancer', '10.68.0.9', '192.0.2.9', '80/TCP'],
    ],
    [
      'elsewhere',
      { type: 'ExternalName', externalName: 'a.example' },
      {},
      ['ExternalName', '<none>', 'a.example', '<none>'],
    ],
  ])('is shown as kubectl shows one %s', (_where, body, status, cells) => {
    const object = { ...admitted('Service', { spec: body }), status };
    const { columns } = kindNamed('Service');
    expect(columns.slice(1, 5).map((column) => column.value(object, 0))).toEqual(cells);
  });
});

describe('endpoints', () => {
  it('name addresses, and the ports of each by a name of its own', () => {
    const subsets = [{ ports: [{ port: 80 }, { port: 81 }] }];
    expect(faults('Endpoints', { subsets })).toEqual([
      'subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`',
      'subsets[0].ports[0].name: Required value',
      'subsets[0].ports[1].name: Required value',
    ]);
  });

  it('are shown up to three', () => {
    const addresses = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'].map((ip) => ({ ip }));
    const object = admitted('Endpoints', { subsets: [{ addresses, ports: [{ port: 80 }] }] });
    expect(kindNamed('Endpoints').columns[1]?.value(object, 0)).toBe('10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 1 more...');
  });
});
