import { afterEach, beforeEach, expect, it } from 'vitest';
import { startTestApi, type TestApi } from '../../test/support/api-server.ts';
import { ensureBootObjects } from './boot.ts';

let server: TestApi;
beforeEach(async () => {
  server = await startTestApi();
});
afterEach(() => server.stop());

const again = () => ensureBootObjects(server.api, new AbortController().signal);

it('the cluster has a default storage class of local volumes', async () => {
  expect(await server.client.get('StorageClass', 'local')).toMatchObject({
    metadata: { annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
    provisioner: 'coracle.io/local',
    reclaimPolicy: 'Delete',
    volumeBindingMode: 'WaitForFirstConsumer',
    allowVolumeExpansion: true,
  });
});

it('a storage class that the administrator changed or deleted stays so at the next start', async () => {
  const { metadata, ...rest } = await server.client.get('StorageClass', 'local');
  await server.client.update('StorageClass', { ...rest, metadata: { ...metadata, annotations: {} } });
  await again();
  expect((await server.client.get('StorageClass', 'local')).metadata.annotations ?? {}).toEqual({});
  await server.client.delete('StorageClass', 'local');
  await again();
  await expect(server.client.get('StorageClass', 'local')).rejects.toMatchObject({ reason: 'NotFound' });
});
