import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Secret } from '../../../shared/generated/types.ts';
import { ControllerRoom } from '../../../test/support/controller-room.ts';
import { createTokenSecretController, tokenSecretType } from './controller.ts';

const namespace = 'default';
const nameOf = 'kubernetes.io/service-account.name';
const uidOf = 'kubernetes.io/service-account.uid';
const text = (secret: Secret, name: string) => Buffer.from(secret.data?.[name] ?? '', 'base64').toString();

let room: ControllerRoom;
beforeEach(async () => {
  const issue = async ({ metadata }: { metadata: { name: string; uid: string } }, secret: string) =>
    `token of ${metadata.name} ${metadata.uid} in ${secret}`;
  room = await ControllerRoom.start((deps) => createTokenSecretController(deps, { certificate: 'CA', issue }));
});
afterEach(() => room.stop());

const account = (name = 'robot') => room.client.create('ServiceAccount', { metadata: { name, namespace } });
async function create(annotations: Record<string, string>, more: object = {}): Promise<void> {
  const metadata = { name: 'token', namespace, annotations };
  await room.client.create('Secret', { metadata, type: tokenSecretType, ...more });
  await room.advance();
}
const find = async (name = 'token'): Promise<Secret | undefined> =>
  (await room.client.list('Secret', { namespace })).items.find(({ metadata }) => metadata.name === name);
const read = () => room.client.get('Secret', 'token', namespace);

it('a token Secret gets the token and uid of the service account that it names', async () => {
  const { metadata } = await account();
  await create({ [nameOf]: 'robot', note: 'x' }, { data: { own: 'eA==' } });
  const secret = await read();
  expect(secret.metadata.annotations).toEqual({ [nameOf]: 'robot', [uidOf]: metadata.uid, note: 'x' });
  expect(text(secret, 'token')).toBe(`token of robot ${metadata.uid} in token`);
  expect([text(secret, 'ca.crt'), text(secret, 'namespace'), text(secret, 'own')]).toEqual(['CA', 'default', 'x']);
});

it('an existing token is kept, and other missing or wrong entries are restored', async () => {
  const { metadata } = await account();
  await create({ [nameOf]: 'robot' });
  const change = async (body: object) => {
    await room.client.patch('Secret', 'token', { type: 'merge', body }, { namespace });
    await room.advance();
  };
  const mine = Buffer.from('mine').toString('base64');
  await change({ data: { token: mine, 'ca.crt': mine } });
  expect([text(await read(), 'token'), text(await read(), 'ca.crt')]).toEqual(['mine', 'CA']);
  await change({ data: { namespace: null } });
  expect(text(await read(), 'namespace')).toBe('default');
  await change({ data: { token: null } });
  expect(text(await read(), 'token')).toContain(metadata.uid);
  await change({ metadata: { annotations: { [uidOf]: null } } });
  expect((await read()).metadata.annotations?.[uidOf]).toBe(metadata.uid);
});

it('Secrets of other types, and a complete one, are not changed', async () => {
  await account();
  await room.client.create('Secret', { metadata: { name: 'other', namespace, annotations: { [nameOf]: 'missing' } } });
  await create({ [nameOf]: 'robot' });
  const attempts: string[] = [];
  room.braked.writes.fail({ times: 0, match: ({ name }) => attempts.push(name) < 0 });
  for (const name of ['token', 'other']) {
    await room.client.patch(
      'Secret',
      name,
      { type: 'merge', body: { metadata: { labels: { a: 'b' } } } },
      { namespace },
    );
  }
  await room.client.patch(
    'ServiceAccount',
    'robot',
    { type: 'merge', body: { metadata: { labels: { a: 'b' } } } },
    { namespace },
  );
  await room.advance(1_000);
  expect(attempts).toEqual([]);
  expect((await find('other'))?.data).toBeUndefined();
});

it('a Secret is deleted with its service account, and those of other accounts are kept', async () => {
  await account();
  await account('other');
  await create({ [nameOf]: 'robot' });
  await room.client.delete('ServiceAccount', 'other', { namespace });
  await room.advance();
  expect(await find()).toBeDefined();
  await room.client.delete('ServiceAccount', 'robot', { namespace });
  await room.advance();
  expect(await find()).toBeUndefined();
});

it('a Secret without a service account, or of a replaced one, is deleted', async () => {
  await create({ [nameOf]: 'robot' });
  expect(await find()).toBeUndefined();
  await account();
  await create({ [nameOf]: 'robot', [uidOf]: 'former' });
  expect(await find()).toBeUndefined();
});

it('a Secret that is being deleted is not filled again', async () => {
  await account();
  await room.client.create('Secret', {
    metadata: { name: 'token', namespace, annotations: { [nameOf]: 'robot' }, finalizers: ['example.org/hold'] },
    type: tokenSecretType,
  });
  await room.client.delete('Secret', 'token', { namespace });
  await room.advance();
  expect((await read()).data).toBeUndefined();
});

it('informers that do not show the service account yet do not lead to the deletion of a Secret', async () => {
  const end = room.braked.watches.lose(({ kind }) => kind === 'ServiceAccount');
  const { metadata } = await account();
  await create({ [nameOf]: 'robot' });
  await room.advance(1_000);
  expect(text(await read(), 'token')).toContain(metadata.uid);
  end();
});

it('informers that still show a replaced service account do not lead to the deletion of a Secret of its successor', async () => {
  await account();
  await room.advance();
  const end = room.braked.watches.lose(({ kind }) => kind === 'ServiceAccount');
  await room.client.delete('ServiceAccount', 'robot', { namespace });
  const { metadata } = await account();
  await create({ [nameOf]: 'robot', [uidOf]: metadata.uid });
  expect(text(await read(), 'token')).toContain(metadata.uid);
  end();
});

it('a Secret that has changed since it was read is not deleted', async () => {
  const held = room.braked.writes.hold({ match: ({ verb }) => verb === 'delete' });
  await create({ [nameOf]: 'robot' });
  await held.arrived;
  await account();
  await room.client.patch(
    'Secret',
    'token',
    { type: 'merge', body: { metadata: { labels: { a: 'b' } } } },
    { namespace },
  );
  held.release();
  await room.advance(1_000);
  expect(text(await read(), 'token')).toContain('token of robot');
});
