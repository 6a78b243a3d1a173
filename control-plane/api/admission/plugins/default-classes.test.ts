import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from '../../../../test/support/api-server.ts';
import { eventually } from '../../../../test/support/eventually.ts';

let server: TestApi;
beforeEach(async () => {
  server = await startTestApi();
});
afterEach(() => server.stop());

async function seen<K extends 'PriorityClass' | 'IngressClass' | 'StorageClass'>(
  kind: K,
  count: number,
): Promise<void> {
  await eventually(() => server.cache.count(kind) === count);
}

describe('a pod', () => {
  const create = (spec: object = {}) =>
    server.client.create('Pod', {
      metadata: { name: 'p', namespace: 'default' },
      spec: { containers: [{ name: 'app', image: 'app:1' }], ...spec },
    });

  it('finds the classes of the system there from the start', async () => {
    const { items } = await server.client.list('PriorityClass');
    expect(items.map(({ metadata, value }) => [metadata.name, value])).toEqual([
      ['system-cluster-critical', 2_000_000_000],
      ['system-node-critical', 2_000_001_000],
    ]);
    expect((await create({ priorityClassName: 'system-node-critical' })).spec.priority).toBe(2_000_001_000);
  });

  it('has the priority of its class, and of the default class when it names none', async () => {
    await server.client.create('PriorityClass', { metadata: { name: 'high' }, value: 100, preemptionPolicy: 'Never' });
    await server.client.create('PriorityClass', { metadata: { name: 'usual' }, value: 7, globalDefault: true });
    await seen('PriorityClass', 4);
    expect((await create({ priorityClassName: 'high' })).spec).toMatchObject({
      priority: 100,
      preemptionPolicy: 'Never',
    });
    await server.client.delete('Pod', 'p', { namespace: 'default' });
    expect((await create()).spec).toMatchObject({ priority: 7, priorityClassName: 'usual' });
  });

  it('of an unknown class, or with a different priority, is refused', async () => {
    await expect(create({ priorityClassName: 'nope' })).rejects.toMatchObject({
      reason: 'Forbidden',
      message: 'pods "p" is forbidden: no PriorityClass with name nope was found',
    });
    await expect(create({ priority: 5 })).rejects.toMatchObject({
      message: expect.stringContaining('priority admission controller computed 0 from the given PriorityClass name'),
    });
    await expect(create({ preemptionPolicy: 'Never' })).rejects.toMatchObject({
      message: expect.stringContaining('the string value of PreemptionPolicy (Never) must not be provided in pod spec'),
    });
  });
});

describe('default classes', () => {
  it('of priority: there is one at most', async () => {
    await server.client.create('PriorityClass', { metadata: { name: 'one' }, value: 1, globalDefault: true });
    await seen('PriorityClass', 3);
    const other = { metadata: { name: 'two' }, value: 2, globalDefault: true };
    await expect(server.client.create('PriorityClass', other)).rejects.toMatchObject({
      reason: 'Forbidden',
      message:
        'priorityclasses.scheduling.k8s.io "two" is forbidden: PriorityClass one is already marked as default. Only one default can exist',
    });
    const one = await server.client.get('PriorityClass', 'one');
    await server.client.update('PriorityClass', { ...one, description: 'the usual' });
  });

  it('of Ingresses are given to those that name none', async () => {
    const ingress = (name: string, more: object = {}) =>
      server.client.create('Ingress', {
        metadata: { name, namespace: 'default' },
        spec: { defaultBackend: { service: { name: 'web', port: { number: 80 } } }, ...more },
      });
    expect((await ingress('a')).spec.ingressClassName).toBeUndefined();
    const annotations = { 'ingressclass.kubernetes.io/is-default-class': 'true' };
    await server.client.create('IngressClass', {
      metadata: { name: 'nginx', annotations },
      spec: { controller: 'example.com/nginx' },
    });
    await seen('IngressClass', 1);
    expect((await ingress('b')).spec.ingressClassName).toBe('nginx');
    expect((await ingress('c', { ingressClassName: 'other' })).spec.ingressClassName).toBe('other');
  });

  it('of storage are set on claims without a class', async () => {
    const claim = (name: string, more: object = {}) =>
      server.client.create('PersistentVolumeClaim', {
        metadata: { name, namespace: 'default' },
        spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...more },
      });
    await seen('StorageClass', 1);
    expect((await claim('of-the-cluster')).spec.storageClassName).toBe('local');
    await server.client.delete('StorageClass', 'local');
    await seen('StorageClass', 0);
    expect((await claim('a')).spec.storageClassName).toBeUndefined();
    const annotations = { 'storageclass.kubernetes.io/is-default-class': 'true' };
    for (const name of ['fast', 'slow']) {
      const metadata = name === 'fast' ? { name, annotations } : { name };
      await server.client.create('StorageClass', { metadata, provisioner: 'example.com/disk' });
    }
    await seen('StorageClass', 2);
    expect((await claim('b')).spec.storageClassName).toBe('fast');
    expect((await claim('c', { storageClassName: '' })).spec.storageClassName).toBe('');
  });
});
