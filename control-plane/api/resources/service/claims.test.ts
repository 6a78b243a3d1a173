import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../shared/clock.ts';
import type { Service, ServicePort, ServiceSpec } from '../../../../shared/generated/types.ts';
import { startTestApi, type TestApi } from '../../../../test/support/api-server.ts';
import { MemoryStore } from '../../../store/memory.ts';

let server: TestApi;
beforeEach(async () => {
  server = await startTestApi();
});
afterEach(() => server.stop());

const port = (number: number, more: Partial<ServicePort> = {}): ServicePort => ({
  name: `p${number}`,
  port: number,
  ...more,
});

function service(name: string, spec: Partial<ServiceSpec> = {}) {
  return { metadata: { name, namespace: 'default' }, spec: { ports: [port(80)], ...spec } as ServiceSpec };
}

const make = (name: string, spec: Partial<ServiceSpec> = {}): Promise<Service> =>
  server.client.create('Service', service(name, spec));

async function claims(): Promise<string[]> {
  const { items } = await server.store.list('/coracle/registry/internal/services/');
  return items.map(({ key }) => key.slice('/coracle/registry/internal/services/'.length));
}

describe("a service's address", () => {
  it('comes from the range, and is set in all its fields', async () => {
    const { spec } = await make('a');
    expect(spec.clusterIP).toMatch(/^10\.68\.\d+\.\d+$/);
    expect(spec).toMatchObject({
      clusterIPs: [spec.clusterIP],
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      internalTrafficPolicy: 'Cluster',
      sessionAffinity: 'None',
      type: 'ClusterIP',
      ports: [{ name: 'p80', port: 80, protocol: 'TCP', targetPort: 80 }],
    });
  });

  it('is unique, however many are created at once', async () => {
    const made = await Promise.all(Array.from({ length: 60 }, (_, i) => make(`s${i}`, { type: 'NodePort' })));
    expect(new Set(made.map(({ spec }) => spec.clusterIP)).size).toBe(60);
    expect(new Set(made.map(({ spec }) => spec.ports?.[0]?.nodePort)).size).toBe(60);
    expect((await claims()).length).toBe(120);
  });

  it('is still given out when the last free ones are fought for', async () => {
    const small = await startTestApi({ serviceCIDR: '10.9.0.0/27' });
    try {
      // 32 addresses without the network's, its broadcast address and the API server's own.
      const made = await Promise.allSettled(
        Array.from({ length: 32 }, (_, i) => small.client.create('Service', service(`s${i}`))),
      );
      const given = made.flatMap((one) => (one.status === 'fulfilled' ? [one.value.spec.clusterIP] : []));
      expect(new Set(given).size).toBe(29);
      const refused = made.filter((one) => one.status === 'rejected');
      expect(refused.length).toBe(3);
      for (const { reason } of refused) expect(reason.message).toContain('range is full');
    } finally {
      await small.stop();
    }
  });

  it('can be named, once, and within the range', async () => {
    await make('a', { clusterIP: '10.68.0.9' });
    await expect(make('b', { clusterIP: '10.68.0.9' })).rejects.toMatchObject({
      reason: 'Invalid',
      message:
        'Service "b" is invalid: spec.clusterIPs: Invalid value: []string{"10.68.0.9"}: failed to allocate IP 10.68.0.9: provided IP is already allocated',
    });
    await expect(make('b', { clusterIP: '10.1.0.9' })).rejects.toThrow(
      'the provided IP (10.1.0.9) is not in the valid range. The range of valid IPs is 10.68.0.0/16',
    );
  });

  it('is free again once the service is deleted', async () => {
    await make('a', { clusterIP: '10.68.0.9', type: 'NodePort', ports: [port(80, { nodePort: 30_080 })] });
    await server.client.delete('Service', 'a', { namespace: 'default' });
    expect(await claims()).toEqual([]);
    await make('b', { clusterIP: '10.68.0.9', type: 'NodePort', ports: [port(80, { nodePort: 30_080 })] });
  });

  it('stays when a client that does not know it replaces the service, and may not change', async () => {
    const { spec } = await make('a', { type: 'NodePort' });
    const { metadata } = service('a');
    const replaced = await server.client.update('Service', {
      ...({ metadata, spec: { type: 'NodePort', ports: [port(80), port(81)] } } as Service),
    });
    expect(replaced.spec.clusterIPs).toEqual(spec.clusterIPs);
    expect(replaced.spec.ports?.[0]?.nodePort).toBe(spec.ports?.[0]?.nodePort);
    expect(replaced.spec.ports?.[1]?.nodePort).toBeGreaterThanOrEqual(30_000);
    const moved = { ...replaced, spec: { ...replaced.spec, clusterIP: '10.68.0.77', clusterIPs: ['10.68.0.77'] } };
    await expect(server.client.update('Service', moved)).rejects.toThrow(
      'spec.clusterIPs[0]: Invalid value: []string{"10.68.0.77"}: may not change once set',
    );
  });

  it('is released with its ports when the service becomes an ExternalName', async () => {
    await make('a', { type: 'NodePort' });
    const patch = { type: 'merge', body: { spec: { type: 'ExternalName', externalName: 'a.example' } } } as const;
    const { spec } = await server.client.patch('Service', 'a', patch, { namespace: 'default' });
    expect(spec.clusterIP).toBeUndefined();
    expect(await claims()).toEqual([]);
    const back = { type: 'merge', body: { spec: { type: 'ClusterIP', externalName: null } } } as const;
    const again = await server.client.patch('Service', 'a', back, { namespace: 'default' });
    expect(again.spec.clusterIP).toMatch(/^10\.68\./);
    expect(await claims()).toEqual([`ips/${again.spec.clusterIP}`]);
  });

  it('is none for a headless service', async () => {
    const { spec } = await make('a', { clusterIP: 'None', selector: { app: 'a' } });
    expect(spec).toMatchObject({ clusterIP: 'None', clusterIPs: ['None'], ipFamilies: ['IPv4'] });
    expect(await claims()).toEqual([]);
  });

  it('is returned by a dry run without being allocated', async () => {
    const { spec } = await server.client.create('Service', service('a'), { dryRun: true });
    expect(spec.clusterIP).toMatch(/^10\.68\./);
    expect(await claims()).toEqual([]);
  });
});

describe("a service's node ports", () => {
  it('are in the range, and one for all protocols of a port', async () => {
    const ports = [port(53, { name: 'udp', protocol: 'UDP' }), port(53, { name: 'tcp', protocol: 'TCP' })];
    const { spec } = await make('a', { type: 'LoadBalancer', ports });
    const [udp, tcp] = spec.ports ?? [];
    expect(udp?.nodePort).toBeGreaterThanOrEqual(30_000);
    expect(udp?.nodePort).toBeLessThanOrEqual(32_767);
    expect(tcp?.nodePort).toBe(udp?.nodePort);
  });

  it('are refused when they are taken or out of the range', async () => {
    await make('a', { type: 'NodePort', ports: [port(80, { nodePort: 30_080 })] });
    await expect(make('b', { type: 'NodePort', ports: [port(80, { nodePort: 30_080 })] })).rejects.toThrow(
      'Service "b" is invalid: spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated',
    );
    await expect(make('b', { type: 'NodePort', ports: [port(80, { nodePort: 80 })] })).rejects.toThrow(
      'provided port is not in the valid range. The range of valid ports is 30000-32767',
    );
  });

  it('can be changed, and the old one is free again', async () => {
    const made = await make('a', { type: 'NodePort', ports: [port(80, { nodePort: 30_080 })] });
    const spec = { ...made.spec, ports: [port(80, { nodePort: 30_081 })] };
    await server.client.update('Service', { ...made, spec });
    expect((await claims()).filter((key) => key.startsWith('node-ports/'))).toEqual(['node-ports/30081']);
  });

  it('are refused to an update that names one of another service', async () => {
    await make('a', { type: 'NodePort', ports: [port(80, { nodePort: 30_080 })] });
    const other = await make('b', { type: 'NodePort' });
    const spec = { ...other.spec, ports: [port(80, { nodePort: 30_080 })] };
    await expect(server.client.update('Service', { ...other, spec })).rejects.toThrow('already allocated');
  });
});

describe('two servers on one store', () => {
  it('never give out one address twice', async () => {
    const store = new MemoryStore({ clock: systemClock });
    const servers = await Promise.all([
      startTestApi({ store, serviceCIDR: '10.9.0.0/25' }),
      startTestApi({ store, serviceCIDR: '10.9.0.0/25' }),
    ]);
    try {
      const made = await Promise.all(
        servers.flatMap(({ client }, at) =>
          Array.from({ length: 40 }, (_, i) => client.create('Service', service(`s${at}-${i}`))),
        ),
      );
      expect(new Set(made.map(({ spec }) => spec.clusterIP)).size).toBe(80);
    } finally {
      await Promise.all(servers.map((one) => one.stop()));
    }
  });
});
