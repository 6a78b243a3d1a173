import { afterEach, describe, expect, it } from 'vitest';
import { ApiError } from '../../shared/errors.ts';
import { ControllerRoom } from '../../test/support/controller-room.ts';
import { createRootCertificatePublisher } from './root-ca/controller.ts';
import { createServiceAccountController } from './service-account/controller.ts';

const namespace = 'team';
const mapName = 'kube-root-ca.crt';
let room: ControllerRoom;
afterEach(() => room.stop());

async function start(): Promise<void> {
  room = await ControllerRoom.start(createServiceAccountController, (deps) =>
    createRootCertificatePublisher(deps, 'CA'),
  );
  await room.client.create('Namespace', { metadata: { name: namespace } });
  await room.advance();
}
const map = async (name = mapName) =>
  (await room.client.list('ConfigMap', { namespace })).items.find(({ metadata }) => metadata.name === name);
const account = async () =>
  (await room.client.list('ServiceAccount', { namespace })).items.find(({ metadata }) => metadata.name === 'default');

describe('the CA’s certificate', () => {
  it('is in each namespace, and is restored when it is deleted or changed, without added entries', async () => {
    await start();
    expect((await map())?.data).toEqual({ 'ca.crt': 'CA' });
    await room.client.delete('ConfigMap', mapName, { namespace });
    await room.advance();
    expect((await map())?.data).toEqual({ 'ca.crt': 'CA' });
    const body = { data: { 'ca.crt': 'other', more: 'x' }, metadata: { annotations: { note: 'mine' } } };
    await room.client.patch('ConfigMap', mapName, { type: 'merge', body }, { namespace });
    await room.advance();
    expect((await map())?.data).toEqual({ 'ca.crt': 'CA' });
    expect((await map())?.metadata.annotations).toMatchObject({ note: 'mine' });
    const { resourceVersion } = (await map())?.metadata ?? {};
    await room.advance(5_000);
    expect((await map())?.metadata.resourceVersion).toBe(resourceVersion);
  });

  it('does not affect other ConfigMaps', async () => {
    await start();
    await room.client.create('ConfigMap', { metadata: { name: 'other', namespace }, data: { 'ca.crt': 'x' } });
    await room.client.patch('ConfigMap', 'other', { type: 'merge', body: { data: { a: 'b' } } }, { namespace });
    await room.advance();
    expect((await map('other'))?.data).toEqual({ 'ca.crt': 'x', a: 'b' });
  });
});

it('the default service account is created again when it is deleted', async () => {
  await start();
  const first = await account();
  await room.client.delete('ServiceAccount', 'default', { namespace });
  await room.advance();
  expect((await account())?.metadata.uid).not.toBe(first?.metadata.uid);
  expect(await account()).toBeDefined();
});

it('a namespace that is being deleted does not get them again', async () => {
  await start();
  const tried: string[] = [];
  room.braked.writes.fail({ times: 0, match: ({ verb, kind }) => tried.push(`${verb} ${kind}`) < 0 });
  await room.client.delete('Namespace', namespace);
  await room.client.delete('ServiceAccount', 'default', { namespace });
  await room.client.delete('ConfigMap', mapName, { namespace });
  await room.advance(5_000);
  expect(await account()).toBeUndefined();
  expect(await map()).toBeUndefined();
  expect(tried).toEqual([]);
});

it.each(['AlreadyExists', 'Forbidden', 'NotFound'] as const)('a refusal with %s is not retried', async (reason) => {
  await start();
  const tried: string[] = [];
  room.braked.writes.fail({
    times: 2,
    match: ({ verb, kind }) => verb === 'create' && tried.push(kind) > 0,
    error: new ApiError(reason, 'no'),
  });
  await room.client.delete('ServiceAccount', 'default', { namespace });
  await room.client.delete('ConfigMap', mapName, { namespace });
  await room.advance(5_000);
  expect(tried.sort()).toEqual(['ConfigMap', 'ServiceAccount']);
  await room.client.patch('Namespace', namespace, {
    type: 'merge',
    body: { metadata: { labels: { touched: 'yes' } } },
  });
  await room.advance();
  expect(await account()).toBeDefined();
  expect(await map()).toBeDefined();
});

it('a namespace that has both causes no requests when it changes', async () => {
  await start();
  const tried: string[] = [];
  room.braked.writes.fail({ times: 0, match: ({ verb, kind }) => tried.push(`${verb} ${kind}`) < 0 });
  await room.client.patch('Namespace', namespace, {
    type: 'merge',
    body: { metadata: { labels: { touched: 'yes' } } },
  });
  await room.advance(1_000);
  expect(tried).toEqual([]);
});

it('other errors are retried', async () => {
  await start();
  room.braked.writes.fail({
    times: 4,
    match: ({ verb }) => verb === 'create',
    error: new ApiError('InternalError', 'no'),
  });
  await room.client.delete('ServiceAccount', 'default', { namespace });
  await room.client.delete('ConfigMap', mapName, { namespace });
  await room.advance(5_000);
  expect(await account()).toBeDefined();
  expect(await map()).toBeDefined();
});

it('informers that missed a deletion lead to a new object once they list again', async () => {
  await start();
  const end = room.braked.watches.lose();
  await room.client.delete('ServiceAccount', 'default', { namespace });
  await room.client.delete('ConfigMap', mapName, { namespace });
  await room.advance(1_000);
  expect(await account()).toBeUndefined();
  end();
  await room.advance(2_000);
  expect(await account()).toBeDefined();
  expect(await map()).toBeDefined();
});
