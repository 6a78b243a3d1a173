import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../shared/log.ts';
import { seededRandom } from '../shared/random.ts';
import { VirtualClock } from '../shared/virtual-clock.ts';
import { startTestApi, type TestApi } from '../test/support/api-server.ts';
import { KubernetesService } from './kubernetes-service.ts';
import { ServerLease } from './liveness/server-lease.ts';
import { MemoryStore } from './store/memory.ts';

let clock: VirtualClock;
let server: TestApi;
beforeEach(async () => {
  clock = new VirtualClock();
  server = await startTestApi({ store: new MemoryStore({ clock }) });
});
afterEach(() => server.stop());

/** A server: what it says of itself, and its look at all of them. */
function at(ip: string, port = 6443) {
  const { client, store } = server;
  const lease = new ServerLease(
    { store, clock, random: seededRandom(1), log: silentLog },
    { id: ip, host: ip, rest: `${ip}:${port}` },
  );
  const service = new KubernetesService({ client, clock, log: silentLog, clusterIP: '10.68.0.1', port });
  return {
    async look(): Promise<void> {
      await lease.renew();
      await service.look();
    },
    leave: () => lease.run(left),
  };
}

const left = AbortSignal.abort();

async function addresses(): Promise<unknown> {
  const { subsets = [] } = await server.client.get('Endpoints', 'kubernetes', 'default');
  return subsets.map(({ addresses = [], ports = [] }) => [ports[0]?.port, addresses.map(({ ip }) => ip)]);
}

describe('the service of the API', () => {
  it('has the first address of the range and leads to the server', async () => {
    await at('192.0.2.1').look();
    const { spec, metadata } = await server.client.get('Service', 'kubernetes', 'default');
    expect(spec).toMatchObject({ clusterIP: '10.68.0.1', ports: [{ name: 'https', port: 443, targetPort: 6443 }] });
    expect(metadata.labels).toEqual({ component: 'apiserver', provider: 'kubernetes' });
    expect(await addresses()).toEqual([[6443, ['192.0.2.1']]]);
    const slice = await server.client.get('EndpointSlice', 'kubernetes', 'default');
    expect(slice.metadata.labels).toEqual({ 'kubernetes.io/service-name': 'kubernetes' });
    expect(slice).toMatchObject({ endpoints: [{ addresses: ['192.0.2.1'] }], ports: [{ port: 6443 }] });
  });

  it('leads to all servers, and writes nothing when nothing has changed', async () => {
    const [one, two] = [at('192.0.2.1'), at('192.0.2.2')];
    await one.look();
    await two.look();
    await one.look();
    expect(await addresses()).toEqual([[6443, ['192.0.2.1', '192.0.2.2']]]);
    const { metadata } = await server.client.get('Endpoints', 'kubernetes', 'default');
    await two.look();
    await one.look();
    const after = await server.client.get('Endpoints', 'kubernetes', 'default');
    expect(after.metadata.resourceVersion).toBe(metadata.resourceVersion);
  });

  it('leads no more to a server that has left', async () => {
    const [one, two] = [at('192.0.2.1'), at('192.0.2.2')];
    await one.look();
    await two.look();
    await one.leave();
    await two.look();
    expect(await addresses()).toEqual([[6443, ['192.0.2.2']]]);
  });

  it('leads no more to a server that was cut off, a quarter of a minute later', async () => {
    const [one, two] = [at('192.0.2.1'), at('192.0.2.2')];
    await one.look();
    for (let i = 0; i < 4; i++) {
      await two.look();
      await clock.advance(4_000);
    }
    await two.look();
    expect(await addresses()).toEqual([[6443, ['192.0.2.2']]]);
  });

  it('is created again when it is deleted', async () => {
    const one = at('192.0.2.1');
    await one.look();
    await server.client.delete('Service', 'kubernetes', { namespace: 'default' });
    await server.client.delete('Endpoints', 'kubernetes', { namespace: 'default' });
    await one.look();
    expect((await server.client.get('Service', 'kubernetes', 'default')).spec.clusterIP).toBe('10.68.0.1');
    expect(await addresses()).toEqual([[6443, ['192.0.2.1']]]);
  });
});
