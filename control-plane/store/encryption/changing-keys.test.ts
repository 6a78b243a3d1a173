import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { silentLog } from '../../../shared/log.ts';
import { systemRandom as random } from '../../../shared/random.ts';
import { VirtualClock } from '../../../shared/virtual-clock.ts';
import { BrakedStore } from '../../../test/support/braked-store.ts';
import { MemoryStore } from '../memory.ts';
import type { Store, Txn } from '../store.ts';
import { newSecretKey, type SecretKey, sealedWith, secretKeyOf } from './cipher.ts';
import { EncryptedStore, type RootKeys, rootKeysIn } from './index.ts';
import { ringKey } from './ring.ts';

const never = new AbortController().signal;
const put = (key: string, value: string, revision?: number): Txn => ({
  guards: revision === undefined ? [] : [{ key, revision }],
  writes: [{ type: 'put', key, value }],
});

function setup() {
  const clock = new VirtualClock();
  const memory = new MemoryStore({ clock });
  const inner = new BrakedStore(memory);
  const keys: SecretKey[] = [];
  const roots: RootKeys = {
    place: 'memory',
    all: async () => [...keys],
    add: async () => void keys.push(newSecretKey(random)),
  };
  const open = (store: Store = inner) =>
    EncryptedStore.open(store, { roots, prefixes: ['/secrets/', '/more/'], random, log: silentLog });
  const raw = async (key: string): Promise<string> => (await memory.get(key)).item?.value ?? '';
  return { clock, memory, inner, keys, roots, open, raw };
}

describe('a server that encrypts with a key that another server has replaced', () => {
  it('reloads the key and writes with it, for one transaction or several together', async () => {
    const { memory, open, raw } = setup();
    const [one, two] = [await open(memory), await open()];
    const first = await two.txn(put('/secrets/a', '1', 0));
    await one.rotate(never);
    const { active } = one.ring;
    expect(two.ring.active.id).not.toBe(active.id);
    const { item } = await two.get('/secrets/a');
    expect(await two.txn(put('/secrets/a', '2', item?.revision))).toMatchObject({ ok: true });
    expect(sealedWith(await raw('/secrets/a'))).toBe(active.id);
    expect(first.ok).toBe(true);
    await one.rotate(never);
    const results = await two.txns([
      put('/pods/a', 'p'),
      put('/secrets/b', '1', 0),
      put('/secrets/a', 'x', 1),
      put('/secrets/c', '1'),
    ]);
    expect(results.map(({ ok }) => ok)).toEqual([true, true, false, true]);
    for (const key of ['/secrets/b', '/secrets/c']) expect(sealedWith(await raw(key))).toBe(one.ring.active.id);
    expect((await two.get('/secrets/b')).item?.value).toBe('1');
  });

  it('refuses a transaction whose own guard fails, and returns only the requested values, decrypted', async () => {
    const { memory, open } = setup();
    const [one, two] = [await open(memory), await open()];
    await two.txn(put('/secrets/a', 'there'));
    await one.rotate(never);
    const refused = await two.txn(put('/secrets/a', 'x', 1));
    expect(refused.ok === false && [...refused.current].map(([key, { value }]) => [key, value])).toEqual([
      ['/secrets/a', 'there'],
    ]);
  });

  it('checks the key ring first when a transaction has no room for its guard', async () => {
    const { memory, open, raw } = setup();
    const [one, two] = [await open(memory), await open()];
    await one.rotate(never);
    const guards = Array.from({ length: 128 }, (_, i) => ({ key: `/none/${i}`, revision: 0 }));
    expect(await two.txn({ ...put('/secrets/a', 'x'), guards })).toMatchObject({ ok: true });
    expect(sealedWith(await raw('/secrets/a'))).toBe(one.ring.active.id);
  });

  it('stops after repeated key changes', async () => {
    const { memory, inner, open } = setup();
    const [one, two] = [await open(memory), await open()];
    const txn = inner.txn.bind(inner);
    let rotations = 0;
    inner.txn = async (given) => {
      rotations++;
      await one.rotate(never);
      return txn(given);
    };
    await expect(two.txn(put('/secrets/a', 'x'))).rejects.toMatchObject({ reason: 'ServiceUnavailable' });
    expect(rotations).toBe(5);
  });
});

describe('re-encryption', () => {
  it('covers every prefix and page, skips values with the current key, and keeps leases', async () => {
    const { clock, memory, open, raw } = setup();
    for (let i = 0; i < 205; i++) await memory.txn(put(`/secrets/${i}`, `old ${i}`));
    await memory.txn(put('/more/a', 'old'));
    await memory.txn(put('/pods/a', 'old'));
    const lease = await memory.grantLease(10);
    await memory.txn({ guards: [], writes: [{ type: 'put', key: '/more/leased', value: 'old', lease }] });
    const store = await open(memory);
    await store.txn(put('/secrets/new', 'new'));
    expect([await store.settle(never), store.ring.settled]).toEqual([207, true]);
    expect([await raw('/pods/a'), sealedWith(await raw('/more/a'))]).toEqual(['old', store.ring.active.id]);
    const { items } = await memory.list('/secrets/');
    expect(items.filter(({ value }) => sealedWith(value) === undefined)).toEqual([]);
    await clock.advance(11_000);
    expect((await memory.get('/more/leased')).item).toBeUndefined();
  });

  it('does not overwrite a write that comes between its read and its own write', async () => {
    const { memory, inner, open } = setup();
    await memory.txn(put('/secrets/a', 'old'));
    await memory.txn(put('/secrets/gone', 'old'));
    const store = await open();
    const held = inner.writes.hold({ match: ({ writes }) => writes.some(({ key }) => key === '/secrets/a') });
    const settling = store.settle(never);
    await held.arrived;
    await memory.txn(put('/secrets/a', 'newer'));
    await memory.txn({ guards: [], writes: [{ type: 'delete', key: '/secrets/gone' }] });
    held.release();
    expect(await settling).toBe(1);
    expect([(await store.get('/secrets/a')).item?.value, (await store.get('/secrets/gone')).item]).toEqual([
      'newer',
      undefined,
    ]);
  });

  it('is not reported as done when another server changed the keys meanwhile', async () => {
    const { memory, inner, open } = setup();
    const [one, two] = [await open(memory), await open()];
    const held = inner.writes.hold({ match: ({ writes }) => writes.some(({ key }) => key === ringKey) });
    const settling = two.settle(never).catch((error: unknown) => error);
    await held.arrived;
    await one.settle(never);
    await one.rotate(never);
    held.release();
    expect(await settling).toMatchObject({ reason: 'Conflict' });
  });
});

describe('an encrypted store', () => {
  it('sends decrypted events to watches, in the batches in which they arrived', async () => {
    const { open } = setup();
    const store = await open();
    const { revision } = await store.get('/');
    await store.txn(put('/secrets/a', 'hidden'));
    await store.txn({
      guards: [],
      writes: [
        { type: 'put', key: '/pods/a', value: 'seen' },
        { type: 'delete', key: '/secrets/a' },
      ],
    });
    const values: (string | undefined)[][] = [];
    for await (const { events } of store.watch('/', revision, new AbortController().signal)) {
      values.push(events.map((event) => (event.type === 'put' ? event.item.value : undefined)));
      if (values.flat().length === 3) break;
    }
    expect(values.flat()).toEqual(['hidden', 'seen', undefined]);
  });

  it('creates its first root key, but not if one exists', async () => {
    const { keys, open } = setup();
    await open();
    await open();
    expect(keys).toHaveLength(1);
    const other = setup();
    await other.roots.add();
    await other.open();
    expect(other.keys).toHaveLength(1);
  });
});

it('root keys are read in the order of their names, new ones are named by time; other files are ignored', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'coracle-roots-'));
  try {
    const clock = new VirtualClock(Date.UTC(2026, 0, 2, 3, 4, 5));
    const keys = rootKeysIn(dir, { clock, random });
    expect(await keys.all()).toEqual([]);
    await keys.add();
    await clock.advance(1_000);
    await keys.add();
    expect((await readdir(dir)).sort()).toEqual(['20260102T030405Z.key', '20260102T030406Z.key']);
    await writeFile(join(dir, 'notes.txt'), 'none');
    const ids = await Promise.all(
      ['20260102T030405Z.key', '20260102T030406Z.key'].map(
        async (name) => secretKeyOf(Buffer.from((await readFile(join(dir, name), 'utf8')).trim(), 'base64'))?.id,
      ),
    );
    expect((await keys.all()).map(({ id }) => id)).toEqual(ids);
    expect(keys.place).toBe(dir);
  } finally {
    await rm(dir, { recursive: true });
  }
});
