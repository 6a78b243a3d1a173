import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ApiError } from '../../../shared/errors.ts';
import type { OwnerReference } from '../../../shared/generated/types.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { ControllerRoom } from '../../../test/support/controller-room.ts';
import { createGarbageCollector } from './controller.ts';

const namespace = 'default';
let room: ControllerRoom;
beforeEach(async () => {
  room = await ControllerRoom.start(createGarbageCollector);
});
afterEach(() => room.stop());

const ref = ({ metadata: { name, uid } }: KubeObject, more: Partial<OwnerReference> = {}): OwnerReference => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  name,
  uid,
  ...more,
});
const blocking = (owner: KubeObject) => ref(owner, { blockOwnerDeletion: true });
const make = (name: string, owners: OwnerReference[] = [], more: object = {}) =>
  room.client.create('ConfigMap', { metadata: { name, namespace, ownerReferences: owners, ...more } });
const remove = async (name: string, propagationPolicy = 'Background') => {
  await room.client.delete('ConfigMap', name, { namespace, propagationPolicy });
  await room.advance();
};
const own = ['kube-root-ca.crt'];
const all = async () =>
  (await room.client.list('ConfigMap', { namespace })).items.filter(({ metadata }) => !own.includes(metadata.name));
const names = async () => (await all()).map(({ metadata }) => metadata.name).sort();
const get = (name: string) => room.client.get('ConfigMap', name, namespace);
const ownersOf = async (name: string) => ((await get(name)).metadata.ownerReferences ?? []).map((one) => one.name);
const patch = async (name: string, metadata: object) => {
  await room.client.patch('ConfigMap', name, { type: 'merge', body: { metadata } }, { namespace });
  await room.advance();
};

describe('a dependent', () => {
  it('is deleted with its owner, and its own dependents as well', async () => {
    const owner = await make('owner');
    const middle = await make('middle', [ref(owner)]);
    await make('last', [ref(middle)]);
    await make('free');
    await room.advance();
    expect(await names()).toEqual(['free', 'last', 'middle', 'owner']);
    await remove('owner');
    expect(await names()).toEqual(['free']);
  });

  it('is deleted when its owner never existed, or has another uid than the reference', async () => {
    const there = await make('there');
    await make('a', [ref(there, { uid: 'other' })]);
    await make('b', [ref(there, { name: 'never', uid: 'never' })]);
    await room.advance();
    expect(await names()).toEqual(['there']);
    expect(room.events).toEqual([]);
  });

  it('is kept while one of its owners exists, and loses the references to those that do not', async () => {
    const [a, b] = [await make('a'), await make('b')];
    await make('both', [ref(a), ref(b)]);
    await room.advance();
    expect(await ownersOf('both')).toEqual(['a', 'b']);
    await remove('a');
    expect(await ownersOf('both')).toEqual(['b']);
    await remove('b');
    expect(await names()).toEqual([]);
  });

  it('is deleted when its reference changes to an owner that does not exist', async () => {
    const owner = await make('owner');
    await make('owned', [ref(owner)]);
    await room.advance();
    await patch('owned', { ownerReferences: [ref(owner, { uid: 'gone' })] });
    expect(await names()).toEqual(['owner']);
  });

  it('is kept when its reference was removed before its owner was deleted', async () => {
    const owner = await make('owner');
    await make('owned', [ref(owner)]);
    await patch('owned', { ownerReferences: null });
    await remove('owner');
    expect(await names()).toEqual(['owned']);
  });

  it('is kept when the kind of its owner cannot be looked up', async () => {
    await make('a', [{ apiVersion: 'example.org/v1', kind: 'Thing', name: 'x', uid: 'x' }]);
    await room.advance(1_000);
    expect(await names()).toEqual(['a']);
  });

  it('may have a cluster-scoped owner, and is deleted with it', async () => {
    const owner = await room.client.create('PriorityClass', { metadata: { name: 'high' }, value: 5 });
    await make('a', [ref(owner, { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass' })]);
    await room.advance();
    expect(await names()).toEqual(['a']);
    await room.client.delete('PriorityClass', 'high');
    await room.advance();
    expect(await names()).toEqual([]);
  });

  it('in another namespace than its owner is deleted, and an event reports it', async () => {
    const owner = await make('owner');
    await room.client.create('Namespace', { metadata: { name: 'other' } });
    await room.client.create('ConfigMap', {
      metadata: { name: 'far', namespace: 'other', ownerReferences: [ref(owner)] },
    });
    await room.advance();
    await expect(room.client.get('ConfigMap', 'far', 'other')).rejects.toThrow(/not found/);
    expect(room.events[0]).toMatchObject({ about: 'far', type: 'Warning', reason: 'OwnerRefInvalidNamespace' });
  });

  it('that is cluster-scoped is kept when its owner is namespaced, and an event reports it', async () => {
    const owner = await make('owner');
    const metadata = { name: 'high', ownerReferences: [ref(owner), ref(owner, { uid: 'unknown' })] };
    await room.client.create('PriorityClass', { metadata, value: 5 });
    await room.advance(1_000);
    expect((await room.client.get('PriorityClass', 'high')).metadata.deletionTimestamp).toBeUndefined();
    expect(new Set(room.reasons('high'))).toEqual(new Set(['OwnerRefInvalidNamespace']));
    expect(room.events.some(({ message }) => message.includes('uid: unknown'))).toBe(true);
  });

  it('of an existing owner causes no event', async () => {
    const owner = await make('owner');
    await make('a', [ref(owner)]);
    await room.advance();
    expect(room.events).toEqual([]);
  });
});

describe('a foreground deletion', () => {
  it('keeps the owner until its blocking dependents are gone, however long that takes', async () => {
    const owner = await make('owner');
    await make('held', [blocking(owner)], { finalizers: ['example.org/hold'] });
    await make('free', [blocking(owner)]);
    await remove('owner', 'Foreground');
    expect(await names()).toEqual(['held', 'owner']);
    expect((await get('held')).metadata.deletionTimestamp).toBeDefined();
    await patch('held', { finalizers: null });
    expect(await names()).toEqual([]);
  });

  it('does not wait for dependents that do not block', async () => {
    const owner = await make('owner');
    await make('held', [ref(owner)], { finalizers: ['example.org/hold'] });
    await remove('owner', 'Foreground');
    expect(await names()).toEqual(['held']);
  });

  it('ends immediately without dependents, and keeps other finalizers', async () => {
    await make('owner', [], { finalizers: ['example.org/hold'] });
    await remove('owner', 'Foreground');
    expect((await get('owner')).metadata.finalizers).toEqual(['example.org/hold']);
  });

  it('includes the dependents of dependents', async () => {
    const owner = await make('owner');
    const middle = await make('middle', [blocking(owner)]);
    await make('last', [blocking(middle)], { finalizers: ['example.org/hold'] });
    await remove('owner', 'Foreground');
    expect(await names()).toEqual(['last', 'middle', 'owner']);
    await patch('last', { finalizers: null });
    expect(await names()).toEqual([]);
  });

  it('keeps a dependent that has another owner, without the reference', async () => {
    const [owner, other] = [await make('owner'), await make('other')];
    await make('both', [blocking(owner), ref(other)]);
    await remove('owner', 'Foreground');
    expect(await names()).toEqual(['both', 'other']);
    expect(await ownersOf('both')).toEqual(['other']);
  });

  it('of two objects that own each other ends', async () => {
    const a = await make('a');
    const b = await make('b', [blocking(a)]);
    await patch('a', { ownerReferences: [blocking(b)] });
    await remove('a', 'Foreground');
    await room.advance(1_000);
    expect(await names()).toEqual([]);
  });
});

describe('an orphan deletion', () => {
  it('keeps the dependents without this owner, with their other owners', async () => {
    const [owner, other] = [await make('owner'), await make('other')];
    await make('one', [ref(owner)]);
    await make('two', [ref(other), ref(owner)]);
    await remove('owner', 'Orphan');
    expect(await names()).toEqual(['one', 'other', 'two']);
    expect(await ownersOf('one')).toEqual([]);
    expect(await ownersOf('two')).toEqual(['other']);
  });

  it('is what the finalizer of a collected object requests', async () => {
    const owner = await make('owner');
    const middle = await make('middle', [ref(owner)], { finalizers: ['orphan'] });
    await make('last', [ref(middle)]);
    await remove('owner');
    expect(await names()).toEqual(['last']);
    expect(await ownersOf('last')).toEqual([]);
  });

  it('writes nothing for dependents that were released before', async () => {
    const owner = await make('owner');
    await make('free', [ref(owner)]);
    await patch('free', { ownerReferences: null });
    const attempts: string[] = [];
    room.braked.writes.fail({ times: 0, match: ({ name }) => attempts.push(name) < 0 });
    await remove('owner', 'Orphan');
    expect(attempts).toEqual(['owner']);
  });

  it('continues after a refused write', async () => {
    const owner = await make('owner');
    await make('one', [ref(owner)]);
    room.braked.writes.fail({ times: 2, error: new ApiError('InternalError', 'a blip') });
    await remove('owner', 'Orphan');
    await room.advance(1_000);
    expect(await names()).toEqual(['one']);
    expect(await ownersOf('one')).toEqual([]);
  });
});

it('a collected object with the foreground finalizer is deleted in the foreground', async () => {
  const owner = await make('owner');
  const middle = await make('middle', [ref(owner)], { finalizers: ['foregroundDeletion'] });
  await make('last', [blocking(middle)], { finalizers: ['example.org/hold'] });
  await remove('owner');
  expect(await names()).toEqual(['last', 'middle']);
  await patch('last', { finalizers: null });
  expect(await names()).toEqual([]);
});

it('an object that is being deleted is not deleted again', async () => {
  const owner = await make('owner');
  await make('held', [ref(owner)], { finalizers: ['example.org/hold'] });
  await remove('held');
  const tried: string[] = [];
  room.braked.writes.fail({ times: 0, match: ({ verb, name }) => tried.push(`${verb} ${name}`) < 0 });
  await remove('owner');
  await room.advance(1_000);
  expect(tried).toEqual([]);
});

describe('stale informers', () => {
  it('do not lead to the deletion of an object whose owner they do not show yet', async () => {
    const end = room.braked.watches.lose(({ object }) => object.metadata.name === 'owner');
    const owner = await make('owner');
    await make('owned', [ref(owner)]);
    await room.advance();
    expect(await names()).toEqual(['owned', 'owner']);
    end();
    await room.advance(1_000);
    await remove('owner');
    expect(await names()).toEqual([]);
  });

  it('do not lead to the deletion of an object that has got another owner since', async () => {
    const [owner, other] = [await make('owner'), await make('other')];
    await make('owned', [ref(owner)]);
    await room.advance();
    const end = room.braked.watches.lose(({ object }) => object.metadata.name === 'owned');
    await patch('owned', { ownerReferences: [ref(other)] });
    await remove('owner');
    expect(await names()).toEqual(['other', 'owned']);
    end();
    await room.advance(1_000);
    expect(await names()).toEqual(['other', 'owned']);
    await remove('other');
    expect(await names()).toEqual([]);
  });

  it('that missed the deletion of an owner lead to the deletion of its dependents once they list again', async () => {
    const owner = await make('owner');
    await make('owned', [ref(owner)]);
    await room.advance();
    const end = room.braked.watches.lose();
    await remove('owner');
    expect(await names()).toEqual(['owned']);
    end();
    await room.advance(1_000);
    expect(await names()).toEqual([]);
  });

  it('that show a successor of an owner with the same name lead to the deletion of the first owner’s dependents', async () => {
    const owner = await make('owner');
    await make('owned', [ref(owner)]);
    await room.advance();
    const end = room.braked.watches.lose();
    await remove('owner');
    const second = await make('owner');
    await make('new', [ref(second)]);
    end();
    await room.advance(1_000);
    expect(await names()).toEqual(['new', 'owner']);
  });
});

it('an object whose deletion is refused is collected later', async () => {
  const owner = await make('owner');
  await make('owned', [ref(owner)]);
  room.braked.writes.fail({ times: 3, error: new ApiError('ServiceUnavailable', 'a blip') });
  await remove('owner');
  await room.advance(2_000);
  expect(await names()).toEqual([]);
});
