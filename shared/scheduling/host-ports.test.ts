import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PodSpec } from '../generated/types.ts';
import { hostPorts, portsCollide } from './host-ports.ts';

const ports = (spec: object) => hostPorts(spec as PodSpec).map(({ ip, protocol, port }) => `${ip} ${protocol} ${port}`);

describe('the ports of its node that a pod takes', () => {
  it('are those of its containers, for all addresses and TCP by default', () => {
    const containers = [
      { name: 'a', ports: [{ containerPort: 80, hostPort: 8080 }, { containerPort: 81 }] },
      { name: 'b', ports: [{ containerPort: 53, hostPort: 53, hostIP: '10.0.0.1', protocol: 'UDP' }] },
      { name: 'c' },
    ];
    expect(ports({ containers })).toEqual(['0.0.0.0 TCP 8080', '10.0.0.1 UDP 53']);
    expect(ports({ containers: [{ ports: [{ containerPort: 1, hostPort: 2, hostIP: '' }] }] })).toEqual([
      '0.0.0.0 TCP 2',
    ]);
  });

  it('are also those of sidecars, but not of containers that end before the others start', () => {
    const initContainers = [
      { name: 'first', ports: [{ containerPort: 80, hostPort: 1 }] },
      { name: 'sidecar', restartPolicy: 'Always', ports: [{ containerPort: 80, hostPort: 2 }] },
    ];
    expect(ports({ containers: [], initContainers })).toEqual(['0.0.0.0 TCP 2']);
  });

  it('are all that its containers name when it is in the node’s network', () => {
    const containers = [{ ports: [{ containerPort: 80 }, { containerPort: 81, hostPort: 81 }, { containerPort: 0 }] }];
    expect(ports({ containers, hostNetwork: true })).toEqual(['0.0.0.0 TCP 80', '0.0.0.0 TCP 81']);
    expect(ports({ containers, hostNetwork: false })).toEqual(['0.0.0.0 TCP 81']);
  });
});

describe('two ports', () => {
  const port = fc.record({
    ip: fc.constantFrom('0.0.0.0', '::', '10.0.0.1', '10.0.0.2'),
    protocol: fc.constantFrom('TCP', 'UDP'),
    port: fc.constantFrom(80, 81),
  });

  it('collide when an address has both: number and protocol are the same, and the address is, or one is all of them', () => {
    fc.assert(
      fc.property(port, port, (a, b) => {
        const shared = a.ip === b.ip || ['0.0.0.0', '::'].some((all) => a.ip === all || b.ip === all);
        expect(portsCollide(a, b)).toBe(a.port === b.port && a.protocol === b.protocol && shared);
      }),
      { numRuns: 300 },
    );
  });
});
