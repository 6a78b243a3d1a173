import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { kindNamed } from '../../../shared/kinds/index.ts';
import { maxValues } from '../../../shared/schema/values.ts';
import { startTestApi, type TestApi } from '../../../test/support/api-server.ts';
import { objectKey } from '../../store/keys.ts';

let server: TestApi;
beforeEach(async () => {
  server = await startTestApi();
});
afterEach(() => server.stop());

const tooMany = {
  reason: 'RequestEntityTooLarge',
  message: `Request entity too large: limit is ${maxValues} values (fields, map entries and list items) in an object`,
};
const entries = (count: number): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, '']));
const configMap = (count: number, name = 'many') => ({
  metadata: { name, namespace: 'default' },
  data: entries(count),
});

describe('the number of values of an object', () => {
  it('is bounded at create, update, patch and apply, and an object exactly at the bound is accepted', async () => {
    const { client } = server;
    await expect(client.create('ConfigMap', configMap(maxValues))).rejects.toMatchObject(tooMany);
    await client.create('ConfigMap', configMap(maxValues - 100));
    const stored = await client.get('ConfigMap', 'many', 'default');
    const next = { ...stored, data: entries(maxValues) };
    await expect(client.update('ConfigMap', next)).rejects.toMatchObject(tooMany);
    for (const type of ['merge', 'strategic'] as const) {
      const patch = { type, body: { binaryData: entries(200) } };
      await expect(client.patch('ConfigMap', 'many', patch, { namespace: 'default' })).rejects.toMatchObject(tooMany);
    }
    const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'many' }, binaryData: entries(200) };
    const options = { namespace: 'default', fieldManager: 'other', force: true };
    await expect(client.patch('ConfigMap', 'many', { type: 'apply', body }, options)).rejects.toMatchObject(tooMany);
  });

  it('is bounded inside of fields without a schema, and in a status', async () => {
    const { client } = server;
    const owned = { manager: 'x', operation: 'Update', apiVersion: 'v1', fieldsType: 'FieldsV1' } as const;
    const fieldsV1 = Object.fromEntries(Array.from({ length: maxValues + 1 }, (_, i) => [`f:k${i}`, {}]));
    const metadata = { name: 'a', namespace: 'default', managedFields: [{ ...owned, fieldsV1 }] };
    await expect(client.create('ConfigMap', { metadata })).rejects.toMatchObject(tooMany);
    await client.create('Node', { metadata: { name: 'n' }, spec: {} });
    const node = await client.get('Node', 'n');
    const images = Array.from({ length: maxValues }, () => ({ names: ['a'] }));
    await expect(client.updateStatus('Node', { ...node, status: { images } })).rejects.toMatchObject(tooMany);
  });

  it('does not prevent a stored larger object from being read, listed, reduced, released and deleted', async () => {
    const { client, store, cache } = server;
    const key = objectKey(kindNamed('ConfigMap'), 'default', 'old');
    const count = 2 * maxValues;
    const old = { apiVersion: 'v1', kind: 'ConfigMap', ...configMap(count, 'old') };
    const metadata = { ...old.metadata, uid: 'u', creationTimestamp: '2026-01-01T00:00:00Z', finalizers: ['a.b/c'] };
    const written = await store.txn({
      guards: [],
      writes: [{ type: 'put', key, value: JSON.stringify({ ...old, metadata }) }],
    });
    await cache.waitFor(written.revision, new AbortController().signal);
    const { items } = await client.list('ConfigMap', { namespace: 'default', fieldSelector: 'metadata.name=old' });
    expect(Object.keys(items[0]?.data ?? {})).toHaveLength(count);
    const more = { type: 'merge', body: { binaryData: entries(50) } } as const;
    await expect(client.patch('ConfigMap', 'old', more, { namespace: 'default' })).rejects.toMatchObject(tooMany);
    const less = { type: 'merge', body: { data: { k0: null } } } as const;
    await client.patch('ConfigMap', 'old', less, { namespace: 'default' });
    await client.delete('ConfigMap', 'old', { namespace: 'default' });
    const release = { type: 'merge', body: { metadata: { finalizers: null } } } as const;
    await client.patch('ConfigMap', 'old', release, { namespace: 'default' });
    await expect(client.get('ConfigMap', 'old', 'default')).rejects.toMatchObject({ reason: 'NotFound' });
  });
});
