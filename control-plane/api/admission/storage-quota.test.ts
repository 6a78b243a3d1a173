import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../shared/clock.ts';
import { createSigningRequest } from '../../../shared/pki/certificates.ts';
import { startTestApi, type TestApi } from '../../../test/support/api-server.ts';
import { groups } from '../auth/identity.ts';
import { LocalClient } from '../local-client.ts';
import { storageLimits } from './storage-quota.ts';

const total = 4 * 1024 * 1024;
const heap = 1024 * 1024;
const full = { reason: 'InsufficientStorage', message: expect.stringMatching(/^exceeded the storage quota: /) };

describe('the storage quota', () => {
  let server: TestApi;
  let user: LocalClient;
  let node: LocalClient;
  beforeEach(async () => {
    server = await startTestApi({ storageLimits: { total, heap } });
    const clientOf = (name: string, ...held: string[]) =>
      new LocalClient({ api: server.api, identity: { user: name, groups: held }, clock: systemClock });
    user = clientOf('jane');
    node = clientOf('system:node:n', groups.nodes);
  });
  afterEach(() => server.stop());

  const configMap = (name: string, data: Record<string, string>) => ({
    metadata: { name, namespace: 'default' },
    data,
  });
  const large = { text: 'x'.repeat(512 * 1024) };
  const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`k${i}`, '']));
  const settled = () => server.client.list('Namespace');

  async function fill(data: Record<string, string>): Promise<number> {
    for (let count = 0; ; count++) {
      try {
        await user.create('ConfigMap', configMap(`c${count}`, data));
      } catch (error) {
        expect(error).toMatchObject(full);
        return count;
      }
      await settled();
    }
  }

  it('refuses growth beyond the memory limit of stored objects, in bytes outside of the heap', async () => {
    const count = await fill(large);
    expect(count).toBe(8);
    expect(server.cache.memory.bytes).toBeGreaterThan(total - 600 * 1024);
    await user.delete('ConfigMap', 'c0', { namespace: 'default' });
    await settled();
    await user.create('ConfigMap', configMap('c0', large));
  });

  it('and in the heap, where many small values take more than their text', async () => {
    const count = await fill(many);
    expect(server.cache.memory.heap).toBeGreaterThan(heap);
    expect(server.cache.memory.heap).toBeLessThan(heap * 1.2);
    expect(count).toBeGreaterThan(3);
  });

  it('still allows deletions, smaller objects, small changes, and the writes that nodes need', async () => {
    await fill(large);
    const options = { namespace: 'default' };
    await expect(user.update('ConfigMap', await grown())).rejects.toMatchObject(full);
    await user.patch('ConfigMap', 'c1', { type: 'merge', body: { metadata: { labels: { a: 'b' } } } }, options);
    await user.patch('ConfigMap', 'c1', { type: 'merge', body: { metadata: { finalizers: ['a.b/c'] } } }, options);
    await user.delete('ConfigMap', 'c1', options);
    await user.patch('ConfigMap', 'c1', { type: 'merge', body: { metadata: { finalizers: null } } }, options);
    await server.client.create('Lease', { metadata: { name: 'l', namespace: 'default' }, spec: {} });
    await server.client.create('Node', { metadata: { name: 'n' }, spec: {} });
    const reported = await node.get('Node', 'n');
    const images = Array.from({ length: 50 }, (_, i) => ({ names: [`image-${i}`], sizeBytes: i }));
    await node.updateStatus('Node', { ...reported, status: { images } });
    await user.patch('ConfigMap', 'c2', { type: 'merge', body: { data: { text: 'less' } } }, options);
    await settled();
    await user.create('ConfigMap', configMap('another', {}));
  });

  it('applies to unbounded writes of nodes: certificate requests, and growing events', async () => {
    const event = (name: string) => ({
      metadata: { name, namespace: 'default' },
      involvedObject: { kind: 'Node', name: 'n' },
      source: { host: 'n' },
    });
    await node.create('Event', event('early'));
    await settled();
    await fill(large);
    await expect(node.create('Event', event('late'))).rejects.toMatchObject(full);
    const annotations = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`a${i}`, 'x'.repeat(2_000)]));
    const patch = { type: 'merge', body: { metadata: { annotations } } } as const;
    await expect(node.patch('Event', 'early', patch, { namespace: 'default' })).rejects.toMatchObject(full);
    const { request } = await createSigningRequest({ user: 'system:node:n', groups: ['system:nodes'] });
    const spec = {
      request: Buffer.from(request).toString('base64'),
      signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
      usages: ['digital signature', 'client auth'],
    };
    const refused = async (): Promise<unknown> => {
      for (let i = 0; i < 20; i++) {
        const csr = { metadata: { name: `csr-${i}`, annotations }, spec } as never;
        const error = await node.create('CertificateSigningRequest', csr).then(
          () => undefined,
          (cause: unknown) => cause,
        );
        if (error) return error;
        await settled();
      }
      return undefined;
    };
    expect(await refused()).toMatchObject(full);
  });

  async function grown() {
    const stored = await user.get('ConfigMap', 'c1', 'default');
    return { ...stored, data: { text: 'y'.repeat(600 * 1024) } };
  }

  it('follows the memory of the machine, unless it is given', () => {
    const gibibyte = 1024 ** 3;
    expect(storageLimits(gibibyte).total).toBeCloseTo(0.4 * gibibyte);
    expect(storageLimits(64 * gibibyte).total).toBe(1.5 * gibibyte);
    expect(storageLimits(gibibyte, 5).total).toBe(5);
  });
});
