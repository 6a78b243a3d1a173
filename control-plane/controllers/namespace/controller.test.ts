import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ApiError } from '../../../shared/errors.ts';
import type { Namespace } from '../../../shared/generated/types.ts';
import { ControllerRoom } from '../../../test/support/controller-room.ts';
import { createNamespaceController } from './controller.ts';

const name = 'team';
let room: ControllerRoom;
beforeEach(async () => {
  room = await ControllerRoom.start(createNamespaceController);
});
afterEach(() => room.stop());

async function create(): Promise<void> {
  await room.client.create('Namespace', { metadata: { name } });
  await room.advance();
}
const find = async (): Promise<Namespace | undefined> =>
  (await room.client.list('Namespace')).items.find(({ metadata }) => metadata.name === name);
const fill = (object: string, metadata: object = {}) =>
  room.client.create('ConfigMap', { metadata: { name: object, namespace: name, ...metadata } });
const maps = async () =>
  (await room.client.list('ConfigMap', { namespace: name })).items.map(({ metadata }) => metadata.name);
const condition = async (type: string) => (await find())?.status?.conditions?.find((one) => one.type === type);
async function remove(ms = 100): Promise<void> {
  await room.client.delete('Namespace', name);
  await room.advance(ms);
}
const letGo = async (object: string) => {
  const body = { metadata: { finalizers: null } };
  await room.client.patch('ConfigMap', object, { type: 'merge', body }, { namespace: name });
};

describe('a namespace that is being deleted', () => {
  it('is removed with all objects in it, and other namespaces stay unchanged', async () => {
    await create();
    for (let index = 0; index < 40; index++) await fill(`map-${index}`);
    await room.client.create('Secret', { metadata: { name: 'secret', namespace: name } });
    await room.client.create('ConfigMap', { metadata: { name: 'stays', namespace: 'default' } });
    const attempts: string[] = [];
    room.braked.writes.fail({ times: 0, match: ({ verb, name: object }) => attempts.push(`${verb} ${object}`) < 0 });
    await remove();
    expect(attempts.filter((one) => one === 'delete map-20')).toHaveLength(1);
    expect(attempts.filter((one) => one.startsWith('updateStatus'))).toEqual([]);
    expect(await find()).toBeUndefined();
    expect(await maps()).toEqual([]);
    expect((await room.client.list('Secret', { namespace: name })).items).toEqual([]);
    expect((await room.client.get('ConfigMap', 'stays', 'default')).metadata.deletionTimestamp).toBeUndefined();
  });

  it('is removed only when it is being deleted', async () => {
    await create();
    await fill('map');
    await room.client.patch('Namespace', name, { type: 'merge', body: { metadata: { labels: { touched: 'yes' } } } });
    await room.advance(1_000);
    expect(await maps()).toContain('map');
  });

  it('reports what blocks it, checks again, and is removed once nothing does', async () => {
    await create();
    await fill('held', { finalizers: ['example.org/hold'] });
    await remove();
    expect((await find())?.status?.phase).toBe('Terminating');
    expect(await condition('NamespaceContentRemaining')).toMatchObject({
      status: 'True',
      reason: 'SomeResourcesRemain',
    });
    expect(await condition('NamespaceFinalizersRemaining')).toMatchObject({ status: 'True' });
    expect(await condition('NamespaceDeletionContentFailure')).toMatchObject({ status: 'False' });
    const first = await condition('NamespaceContentRemaining');
    const { resourceVersion } = (await find())?.metadata ?? {};
    await room.advance(5_000);
    expect(await condition('NamespaceContentRemaining')).toEqual(first);
    expect((await find())?.metadata.resourceVersion).toBe(resourceVersion);
    await letGo('held');
    await room.advance(1_000);
    expect(await find()).toBeUndefined();
  });

  it('reports failed deletions, deletes what it can, and continues', async () => {
    await create();
    await fill('stuck');
    await room.client.create('Secret', { metadata: { name: 'secret', namespace: name } });
    const isStuck = ({ verb, name: object }: { verb: string; name: string }) => verb === 'delete' && object === 'stuck';
    room.braked.writes.fail({ times: 4, match: isStuck, error: new ApiError('InternalError', 'disk on fire') });
    await remove();
    expect(await condition('NamespaceDeletionContentFailure')).toMatchObject({
      status: 'True',
      message: 'Failed to delete all resource types, 1 remaining: disk on fire',
    });
    expect((await room.client.list('Secret', { namespace: name })).items).toEqual([]);
    await room.advance(5_000);
    expect(await find()).toBeUndefined();
  });

  it('does not delete objects again that are being deleted, and ignores those that others have deleted', async () => {
    await create();
    await fill('held', { finalizers: ['example.org/hold'] });
    await fill('gone');
    const deleted: string[] = [];
    room.braked.writes.fail({ times: 0, match: (write) => deleted.push(`${write.verb} ${write.name}`) < 0 });
    room.braked.writes.fail({
      match: (write) => write.name === 'gone',
      error: new ApiError('NotFound', 'gone'),
      applied: true,
    });
    await remove(2_000);
    expect(deleted.filter((one) => one === 'delete held')).toHaveLength(1);
    expect(await condition('NamespaceDeletionContentFailure')).toMatchObject({ status: 'False' });
  });

  it('keeps the finalizers of others, and is not emptied again for them', async () => {
    await create();
    const body = { spec: { finalizers: ['kubernetes', 'example.org/hold'] } };
    await room.client.patch('Namespace', name, { type: 'merge', body }, { subresource: 'finalize' });
    await remove();
    expect((await find())?.spec?.finalizers).toEqual(['example.org/hold']);
    const lists: string[] = [];
    room.braked.listed = (object) => lists.push(object.metadata.name) > 0;
    await room.advance(5_000);
    expect(lists).toEqual([]);
  });

  it('keeps the conditions of others, and the transition times of its own', async () => {
    await create();
    await fill('held', { finalizers: ['example.org/hold'] });
    const odd = { type: 'Odd', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' } as const;
    const namespace = await room.client.get('Namespace', name);
    await room.client.updateStatus('Namespace', {
      ...namespace,
      status: { ...namespace.status, conditions: [odd] },
    } as Namespace);
    await remove();
    expect(await condition('Odd')).toMatchObject(odd);
    expect(await condition('NamespaceContentRemaining')).toMatchObject({ lastTransitionTime: '2026-01-01T00:00:00Z' });
  });
});

describe('stale informers', () => {
  it('do not lead to deletions in another namespace of the same name', async () => {
    await create();
    // The answer to the release is lost: it is tried again, on informers that still show the first namespace.
    room.braked.writes.fail({ match: ({ verb, kind }) => verb === 'patch' && kind === 'Namespace', applied: true });
    const end = room.braked.watches.lose(
      ({ kind, type, object }) => kind === 'Namespace' && (type === 'DELETED' || !object.metadata.deletionTimestamp),
    );
    await room.client.delete('Namespace', name);
    await room.advance(1);
    expect(await find()).toBeUndefined();
    await room.client.create('Namespace', { metadata: { name } });
    await fill('new');
    await room.advance(5_000);
    expect(await maps()).toContain('new');
    end();
    await room.advance(5_000);
    expect(await maps()).toContain('new');
    expect((await find())?.metadata.deletionTimestamp).toBeUndefined();
  });

  it('do not lead to the deletion of an object with the same name in another namespace of the same name', async () => {
    await create();
    await fill('map');
    const held = room.braked.writes.hold({ match: (write) => write.verb === 'delete' && write.name === 'map' });
    await remove();
    await held.arrived;
    // Another server empties the namespace and lets it go, and it is made again.
    await room.client.delete('ConfigMap', 'map', { namespace: name });
    const body = { spec: { finalizers: [] } };
    await room.client.patch('Namespace', name, { type: 'merge', body }, { subresource: 'finalize' });
    expect(await find()).toBeUndefined();
    await room.client.create('Namespace', { metadata: { name } });
    await fill('map');
    held.release();
    await room.advance(5_000);
    expect(await maps()).toContain('map');
    expect((await find())?.metadata.deletionTimestamp).toBeUndefined();
  });

  it('that missed the deletion lead to its completion once they list again', async () => {
    await create();
    await fill('map');
    const end = room.braked.watches.lose();
    await remove();
    expect(await maps()).toContain('map');
    end();
    await room.advance(1_000);
    expect(await find()).toBeUndefined();
  });

  it('do not lead to the removal of a finalizer that was added meanwhile', async () => {
    await create();
    const held = room.braked.writes.hold({ match: ({ verb, kind }) => verb === 'patch' && kind === 'Namespace' });
    await remove();
    await held.arrived;
    const body = { spec: { finalizers: ['kubernetes', 'example.org/hold'] } };
    await room.client.patch('Namespace', name, { type: 'merge', body }, { subresource: 'finalize' });
    held.release();
    await room.advance(1_000);
    expect((await find())?.spec?.finalizers).toEqual(['example.org/hold']);
  });
});

it('a refused release is retried', async () => {
  await create();
  room.braked.writes.fail({ times: 2, match: ({ kind }) => kind === 'Namespace', error: new ApiError('Timeout', 'x') });
  await remove(2_000);
  expect(await find()).toBeUndefined();
});
