import { expect, test } from 'vitest';
import type { Endpoints, Pod, Service } from '../../../../shared/generated/types.ts';
import {
  firstPort,
  type PodPort,
  parseProxyName,
  portNumbered,
  portsOfEndpoints,
  portsOfPods,
  proxyableAddress,
  serves,
} from './names.ts';

function podAt(name: string, ip: string, more: { ready?: boolean; phase?: string; deleted?: boolean } = {}): Pod {
  const { ready = true, phase = 'Running', deleted = false } = more;
  return {
    metadata: { name, namespace: 'shop', uid: name, ...(deleted ? { deletionTimestamp: 'now' } : {}) },
    spec: {
      nodeName: 'n1',
      containers: [{ name: 'plain' }, { name: 'web', ports: [{ name: 'http', containerPort: 8080 }] }],
      initContainers: [
        { name: 'first', ports: [{ name: 'gone', containerPort: 1 }] },
        { name: 'side', restartPolicy: 'Always', ports: [{ name: 'metrics', containerPort: 9090 }] },
      ],
    },
    status: {
      phase,
      ...(ip ? { podIP: ip, podIPs: [{ ip }] } : {}),
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
    },
  } as unknown as Pod;
}

function serviceWith(ports: object[], more: object = {}): Service {
  return { metadata: { name: 'web', namespace: 'shop' }, spec: { ports, ...more } } as unknown as Service;
}

const shown = (found: readonly PodPort[]): string[] => found.map(({ address, port }) => `${address}:${port}`);

test.each([
  ['web', { scheme: 'http', name: 'web', port: '' }],
  ['web:80', { scheme: 'http', name: 'web', port: '80' }],
  ['web:metrics', { scheme: 'http', name: 'web', port: 'metrics' }],
  ['http:web:', { scheme: 'http', name: 'web', port: '' }],
  ['https:web:8443', { scheme: 'https', name: 'web', port: '8443' }],
  [':web:80', { scheme: 'http', name: 'web', port: '80' }],
] as const)('%s names %j', (id, named) => {
  expect(parseProxyName(id, 'pod')).toEqual(named);
});

test.each(['', ':80', 'ftp:web:21', 'https:web:1:2', 'https::1'])('"%s" names nothing', (id) => {
  expect(() => parseProxyName(id, 'service')).toThrow(`invalid service request ${JSON.stringify(id)}`);
});

test('a pod is reached at its first port', () => {
  expect(firstPort(podAt('a', '10.0.0.1'))).toBe(8080);
  expect(firstPort({ spec: { containers: [{ name: 'x' }] } } as unknown as Pod)).toBeUndefined();
});

test.each(['', '127.0.0.1', '0.0.0.0', '169.254.1.1', '224.0.0.1', '::1', 'fe80::1'])(
  'a pod that says its address is "%s" is not connected to',
  (ip) => {
    expect(() => proxyableAddress(podAt('a', ip))).toThrow('address not allowed');
  },
);

test('a pod’s address is its first', () => {
  expect(proxyableAddress(podAt('a', '10.64.0.3'))).toBe('10.64.0.3');
});

test('a service’s port leads to the port of that number or name in each pod, or to its own number', () => {
  const pods = [podAt('a', '10.0.0.1'), podAt('b', '10.0.0.2')];
  const service = serviceWith([
    { name: 'number', port: 80, targetPort: 8081 },
    { name: 'named', port: 81, targetPort: 'http' },
    { name: 'sidecar', port: 82, targetPort: 'metrics' },
    { name: 'same', port: 83 },
    { name: 'ended', port: 84, targetPort: 'gone' },
  ]);
  expect(shown(portsOfPods(service, 'number', pods))).toEqual(['10.0.0.1:8081', '10.0.0.2:8081']);
  expect(shown(portsOfPods(service, 'named', pods))).toEqual(['10.0.0.1:8080', '10.0.0.2:8080']);
  expect(shown(portsOfPods(service, 'sidecar', pods))).toEqual(['10.0.0.1:9090', '10.0.0.2:9090']);
  expect(shown(portsOfPods(service, 'same', pods))).toEqual(['10.0.0.1:83', '10.0.0.2:83']);
  expect(portsOfPods(service, 'ended', pods)).toEqual([]);
  expect(portsOfPods(service, '', pods)).toEqual([]);
  expect(portNumbered(service, 82)?.name).toBe('sidecar');
  expect(portNumbered(service, 8081)).toBeUndefined();
});

test('behind a service are the pods that are ready, unless it wants the others too', () => {
  const service = serviceWith([]);
  expect(serves(service, podAt('a', '10.0.0.1'))).toBe(true);
  expect(serves(service, podAt('a', '10.0.0.1', { ready: false }))).toBe(false);
  expect(serves(service, podAt('a', '10.0.0.1', { deleted: true }))).toBe(false);
  const early = serviceWith([], { publishNotReadyAddresses: true });
  expect(serves(early, podAt('a', '10.0.0.1', { ready: false }))).toBe(true);
  expect(serves(early, podAt('a', '10.0.0.1', { phase: 'Failed' }))).toBe(false);
});

test('of Endpoints only the addresses count that a pod of the namespace has', () => {
  const pods = new Map([['a', podAt('a', '10.0.0.1')]]);
  const to = (ip: string, more: object = {}) => ({
    ip,
    targetRef: { kind: 'Pod', namespace: 'shop', name: 'a', ...more },
  });
  const endpoints = {
    metadata: { name: 'web', namespace: 'shop' },
    subsets: [
      {
        addresses: [
          to('10.0.0.1'),
          to('10.0.0.9'),
          to('10.0.0.1', { namespace: 'other' }),
          to('10.0.0.1', { name: 'b' }),
          to('10.0.0.1', { kind: 'Node' }),
          { ip: '192.168.0.1' },
        ],
        notReadyAddresses: [to('10.0.0.1')],
        ports: [{ name: 'http', port: 8080 }, { port: 9000 }],
      },
    ],
  } as unknown as Endpoints;
  expect(shown(portsOfEndpoints(endpoints, 'http', (name) => pods.get(name)))).toEqual(['10.0.0.1:8080']);
  expect(shown(portsOfEndpoints(endpoints, '', (name) => pods.get(name)))).toEqual(['10.0.0.1:9000']);
  expect(portsOfEndpoints(endpoints, 'other', (name) => pods.get(name))).toEqual([]);
});
