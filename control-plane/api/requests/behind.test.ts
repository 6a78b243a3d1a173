import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../shared/clock.ts';
import type { ConfigMap } from '../../../shared/generated/types.ts';
import { startTestApi, type TestApi } from '../../../test/support/api-server.ts';
import { BrakedStore } from '../../../test/support/braked-store.ts';
import { MemoryStore } from '../../store/memory.ts';

/** Two servers on one store. The watch of one is blocked, so that its cache is older than the other's writes. */
describe('a server whose cache is behind', () => {
  let ahead: TestApi;
  let behind: TestApi;
  let release: () => void;
  beforeEach(async () => {
    const memory = new MemoryStore({ clock: systemClock });
    const braked = new BrakedStore(memory);
    ahead = await startTestApi({ store: memory });
    behind = await startTestApi({ store: braked });
    for (const [name, x] of [
      ['kept', '1'],
      ['gone', '1'],
    ] as const) {
      await ahead.client.create('ConfigMap', map(name, x));
    }
    await behind.cache.waitFor((await braked.get('/')).revision, AbortSignal.timeout(5_000));
    release = braked.watches.hold();
  });
  afterEach(async () => {
    release();
    await behind.stop();
    await ahead.stop();
  });

  const map = (name: string, x: string) => ({ metadata: { name, namespace: 'default' }, data: { x } });
  const known = (name: string) => behind.cache.get('ConfigMap', `default/${name}`) as ConfigMap | undefined;
  const now = (name: string) => ahead.client.get('ConfigMap', name, 'default');
  const edit = async (name: string, x: string): Promise<ConfigMap> => {
    const there = await now(name);
    return ahead.client.update('ConfigMap', { ...there, data: { ...there.data, x } });
  };
  const remove = (name: string) => ahead.client.delete('ConfigMap', name, { namespace: 'default' });

  it('refuses to create an object that exists in the store but not in its cache', async () => {
    await ahead.client.create('ConfigMap', map('new', 'theirs'));
    expect(known('new')).toBeUndefined();
    await expect(behind.client.create('ConfigMap', map('new', 'mine'))).rejects.toMatchObject({
      reason: 'AlreadyExists',
    });
    expect((await now('new')).data).toEqual({ x: 'theirs' });
  });

  it('creates an object that exists only in its cache', async () => {
    await remove('gone');
    expect(known('gone')).toBeDefined();
    await behind.client.create('ConfigMap', map('gone', 'again'));
    expect((await now('gone')).data).toEqual({ x: 'again' });
  });

  it('accepts an update at the store’s revision, and refuses one at its cache’s revision', async () => {
    const newer = await edit('kept', '2');
    const older = known('kept') as ConfigMap;
    expect(older.data).toEqual({ x: '1' });
    await expect(behind.client.update('ConfigMap', { ...older, data: { x: 'lost' } })).rejects.toMatchObject({
      reason: 'Conflict',
    });
    await behind.client.update('ConfigMap', { ...newer, data: { x: '3' } });
    expect((await now('kept')).data).toEqual({ x: '3' });
  });

  it('makes an update that looks like no change to it but is one', async () => {
    await edit('kept', '2');
    const older = known('kept') as ConfigMap;
    const { resourceVersion: _, ...metadata } = older.metadata;
    await behind.client.update('ConfigMap', { ...older, metadata } as ConfigMap);
    expect((await now('kept')).data).toEqual({ x: '1' });
    await edit('kept', '2');
    await behind.client.patch(
      'ConfigMap',
      'kept',
      { type: 'merge', body: { data: { x: '1' } } },
      { namespace: 'default' },
    );
    expect((await now('kept')).data).toEqual({ x: '1' });
  });

  it('patches the store’s object without losing changes', async () => {
    await edit('kept', '2');
    await behind.client.patch(
      'ConfigMap',
      'kept',
      { type: 'merge', body: { data: { y: '1' } } },
      { namespace: 'default' },
    );
    expect((await now('kept')).data).toEqual({ x: '2', y: '1' });
    const test = {
      type: 'json',
      body: [
        { op: 'test', path: '/data/x', value: '2' },
        { op: 'remove', path: '/data/y' },
      ],
    } as const;
    await behind.client.patch('ConfigMap', 'kept', test, { namespace: 'default' });
    expect((await now('kept')).data).toEqual({ x: '2' });
  });

  it('patches an object that only the store has, and refuses one that only the cache has', async () => {
    await ahead.client.create('ConfigMap', map('new', '1'));
    await behind.client.patch(
      'ConfigMap',
      'new',
      { type: 'merge', body: { data: { x: '2' } } },
      { namespace: 'default' },
    );
    expect((await now('new')).data).toEqual({ x: '2' });
    await remove('gone');
    await expect(
      behind.client.patch('ConfigMap', 'gone', { type: 'merge', body: { data: { x: '2' } } }, { namespace: 'default' }),
    ).rejects.toMatchObject({ reason: 'NotFound' });
  });

  it('deletes an object that only the store has, and refuses one that only the cache has', async () => {
    await ahead.client.create('ConfigMap', map('new', '1'));
    await behind.client.delete('ConfigMap', 'new', { namespace: 'default' });
    await expect(now('new')).rejects.toMatchObject({ reason: 'NotFound' });
    await remove('gone');
    await expect(behind.client.delete('ConfigMap', 'gone', { namespace: 'default' })).rejects.toMatchObject({
      reason: 'NotFound',
    });
  });

  it('decides the preconditions of a deletion on the object that is there', async () => {
    const first = known('gone') as ConfigMap;
    await remove('gone');
    const second = await ahead.client.create('ConfigMap', map('gone', '2'));
    const { uid } = first.metadata;
    await expect(
      behind.client.delete('ConfigMap', 'gone', { namespace: 'default', preconditions: { uid } }),
    ).rejects.toMatchObject({ reason: 'Conflict' });
    expect((await now('gone')).metadata.uid).toBe(second.metadata.uid);
    await behind.client.delete('ConfigMap', 'gone', {
      namespace: 'default',
      preconditions: { uid: second.metadata.uid },
    });
    await expect(now('gone')).rejects.toMatchObject({ reason: 'NotFound' });
  });

  it('shows the object that it wrote itself, whatever it has read before', async () => {
    const written = await behind.client.create('ConfigMap', map('own', '1'));
    const reading = behind.client.get('ConfigMap', 'own', 'default');
    release();
    expect((await reading).metadata.resourceVersion).toBe(written.metadata.resourceVersion);
  });
});
