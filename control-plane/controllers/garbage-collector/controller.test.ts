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

describe('what is owned', () => {
  it('goes with its owner, and what that owns as well', async () => {
    const owner = await make('owner');
    const middle = await make('middle', [ref(owner)]);
    await make('last', [ref(middle)]);
    await make('free');
    await room.advance();
    expect(await names()).toEqual(['free', 'last', 'middle', 'owner']);
    await remove('owner');
    expect(await names()).toEqual(['free']);
  });

  it('goes when its owner was never there, or has another uid than is said', async () => {
    const there = await make('there');
    await make('a', [ref(there, { uid: 'other' })]);
    await make('b', [ref(there, { name: 'never', uid: 'never' })]);
    await room.advance();
    expect(await names()).toEqual(['there']);
    expect(room.events).toEqual([]);
  });

  it('stays while one of its owners lives, and forgets those that are gone', async () => {
    const [a, b] = [await make('a'), await make('b')];
    await make('both', [ref(a), ref(b)]);
    await room.advance();
    expect(await ownersOf('both')).toEqual(['a', 'b']);
    await remove('a');
    expect(await ownersOf('both')).toEqual(['b']);
    await remove('b');
    expect(await names()).toEqual([]);
  });

  it('goes when its reference is changed to an owner that is gone', async () => {
    const owner = await make('owner');
    await make('owned', [ref(owner)]);
    await room.advance();
    await patch('owned', { ownerReferences: [ref(owner, { uid: 'gone' })] });
    expect(await names()).toEqual(['owner']);
  });

  it('stays when its reference was taken off before its owner went', async () => {
    const owner = await make('owner');
    await make('owned', [ref(owner)]);
    await patch('owned', { ownerReferences: null });
    await remove('owner');
    expect(await names()).toEqual(['owned']);
  });

  it('stays when its owner is of a kind that can’t be looked up', async () => {
    await make('a', [{ apiVersion: 'example.org/v1', kind: 'Thing', name: 'x', uid: 'x' }]);
    await room.advance(1_000);
    expect(await names()).toEqual(['a']);
  });

  it('may have an owner without a namespace, and then goes with it', async () => {
    const owner = await room.client.create('PriorityClass', { metadata: { name: 'high' }, value: 5 });
    await make('a', [ref(owner, { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass' })]);
    await room.advance();
    expect(await names()).toEqual(['a']);
    await room.client.delete('PriorityClass', 'high');
    await room.advance();
    expect(await names()).toEqual([]);
  });

  it('in another namespace than its owner is collected, and told of', async () => {
    const owner = await make('owner');
    await room.client.create('Namespace', { metadata: { name: 'other' } });
    await room.client.create('ConfigMap', {
      metadata: { name: 'far', namespace: 'other', ownerReferences: [ref(owner)] },
    });
    await room.advance();
    await expect(room.client.get('ConfigMap', 'far', 'other')).rejects.toThrow(/not found/);
    expect(room.events[0]).toMatchObject({ about: 'far', type: 'Warning', reason: 'OwnerRefInvalidNamespace' });
  });

  it('without a namespace stays when its owner has one, and an event says so', async () => {
    const owner = await make('owner');
    const metadata = { name: 'high', ownerReferences: [ref(owner), ref(owner, { uid: 'unknown' })] };
    await room.client.create('PriorityClass', { metadata, value: 5 });
    await room.advance(1_000);
    expect((await room.client.get('PriorityClass', 'high')).metadata.deletionTimestamp).toBeUndefined();
    expect(new Set(room.reasons('high'))).toEqual(new Set(['OwnerRefInvalidNamespace']));
    expect(room.events.some(({ message }) => message.includes('uid: unknown'))).toBe(true);
  });

  it('by an owner that lives is not told of', async () => {
    const owner = await make('owner');
    await make('a', [ref(owner)]);
    await room.advance();
    expect(room.events).toEqual([]);
  });
});

describe('a foreground deletion', () => {
  it('keeps the owner until what blocks it is gone, however that takes', async () => {
    const owner = await make('owner');
    await make('held', [blocking(owner)], { finalizers: ['example.org/hold'] });
    await make('free', [blocking(owner)]);
    await remove('owner', 'Foreground');
    expect(await names()).toEqual(['held', 'owner']);
    expect((await get('held')).metadata.deletionTimestamp).toBeDefined();
    await patch('held', { finalizers: null });
    expect(await names()).toEqual([]);
  });

  it('does not wait for what does not block', async () => {
    const owner = await make('owner');
    await make('held', [ref(owner)], { finalizers: ['example.org/hold'] });
    await remove('owner', 'Foreground');
    expect(await names()).toEqual(['held']);
  });

  it('ends at once without anything owned, and leaves other finalizers', async () => {
    await make('owner', [], { finalizers: ['example.org/hold'] });
    await remove('owner', 'Foreground');
    expect((await get('owner')).metadata.finalizers).toEqual(['example.org/hold']);
  });

  it('goes down to what the owned own', async () => {
    const owner = await make('owner');
    const middle = await make('middle', [blocking(owner)]);
    await make('last', [blocking(middle)], { finalizers: ['example.org/hold'] });
    await remove('owner', 'Foreground');
    expect(await names()).toEqual(['last', 'middle', 'owner']);
    await patch('last', { finalizers: null });
    expect(await names()).toEqual([]);
  });

  it('leaves what another owner has as well, without its reference', async () => {
    const [owner, other] = [await make('owner'), await make('other')];
    await make('both', [blocking(owner), ref(other)]);
    await remove('owner', 'Foreground');
    expect(await names()).toEqual(['both', 'other']);
    expect(await ownersOf('both')).toEqual(['other']);
  });

  it('of two that own each other ends', async () => {
    const a = await make('a');
    const b = await make('b', [blocking(a)]);
    await patch('a', { ownerReferences: [blocking(b)] });
    await remove('a', 'Foreground');
    await room.advance(1_000);
    expect(await names()).toEqual([]);
  });
});

describe('an orphan deletion', () => {
  it('lets what was owned go on without its owner, with its other owners', async () => {
    const [owner, other] = [await make('owner'), await make('other')];
    await make('one', [ref(owner)]);
    await make('two', [ref(other), ref(owner)]);
    await remove('owner', 'Orphan');
    expect(await names()).toEqual(['one', 'other', 'two']);
    expect(await ownersOf('one')).toEqual([]);
    expect(await ownersOf('two')).toEqual(['other']);
  });

  it('is what a collected object’s own finalizer asks for', async () => {
    const owner = await make('owner');
    const middle = await make('middle', [ref(owner)], { finalizers: ['orphan'] });
    await make('last', [ref(middle)]);
    await remove('owner');
    expect(await names()).toEqual(['last']);
    expect(await ownersOf('last')).toEqual([]);
  });

  it('asks nothing of what was let go before', async () => {
    const owner = await make('owner');
    await make('free', [ref(owner)]);
    await patch('free', { ownerReferences: null });
    const asked: string[] = [];
    room.braked.writes.fail({ times: 0, match: ({ name }) => asked.push(name) < 0 });
    await remove('owner', 'Orphan');
    expect(asked).toEqual(['owner']);
  });

  it('goes on after a write that was refused', async () => {
    const owner = await make('owner');
    await make('one', [ref(owner)]);
    room.braked.writes.fail({ times: 2, error: new ApiError('InternalError', 'a blip') });
    await remove('owner', 'Orphan');
    await room.advance(1_000);
    expect(await names()).toEqual(['one']);
    expect(await ownersOf('one')).toEqual([]);
  });
});

it('a collected object whose own finalizer asks for it goes in the foreground', async () => {
  const owner = await make('owner');
  const middle = await make('middle', [ref(owner)], { finalizers: ['foregroundDeletion'] });
  await make('last', [blocking(middle)], { finalizers: ['example.org/hold'] });
  await remove('owner');
  expect(await names()).toEqual(['last', 'middle']);
  await patch('last', { finalizers: null });
  expect(await names()).toEqual([]);
});

it('what is being deleted is not deleted again', async () => {
  const owner = await make('owner');
  await make('held', [ref(owner)], { finalizers: ['example.org/hold'] });
  await remove('held');
  const tried: string[] = [];
  room.braked.writes.fail({ times: 0, match: ({ verb, name }) => tried.push(`${verb} ${name}`) < 0 });
  await remove('owner');
  await room.advance(1_000);
  expect(tried).toEqual([]);
});

describe('informers that are behind', () => {
  it('have no object collected whose owner they do not show yet', async () => {
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

  it('have no object collected that was given another owner since', async () => {
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

  it('that lost the end of an owner have what it owned collected once they list again', async () => {
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

  it('that show an owner and then its successor of the same name have what the first owned collected', async () => {
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
