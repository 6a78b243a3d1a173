import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../shared/clock.ts';
import { isApiError } from '../../../shared/errors.ts';
import { silentLog } from '../../../shared/log.ts';
import { systemRandom as random } from '../../../shared/random.ts';
import { BrakedStore } from '../../../test/support/braked-store.ts';
import { MemoryStore } from '../memory.ts';
import type { Store, Txn } from '../store.ts';
import { newSecretKey, seal, sealedWith, secretKeyOf, unseal } from './cipher.ts';
import { EncryptedStore, type RootKeys, rootKeysIn } from './index.ts';
import { ringKey } from './ring.ts';

const never = new AbortController().signal;
const secret = '/secrets/a/one';
const put = (key: string, value: string, revision?: number): Txn => ({
  guards: revision === undefined ? [] : [{ key, revision }],
  writes: [{ type: 'put', key, value }],
});

describe('an encrypted value', () => {
  const key = newSecretKey(random);

  it('decrypts with its key and location to the original, for any length', () => {
    for (const text of [
      '',
      '{}',
      'ü🚣',
      'x'.repeat(64 * 1024),
      Buffer.from(random.bytes(300_000)).toString('base64'),
    ]) {
      const value = seal(key, secret, text, random);
      expect(sealedWith(value)).toBe(key.id);
      expect(unseal(key, secret, value)).toBe(text);
    }
  });

  it('does not decrypt at another location, with another key, or after a changed bit', () => {
    const value = seal(key, secret, '{"data":{}}', random);
    const other = { id: key.id, bytes: newSecretKey(random).bytes };
    const bytes = Buffer.from(value.split(':').at(-1) ?? '', 'base64');
    expect(() => unseal(key, '/secrets/a/two', value)).toThrow('does not open');
    expect(() => unseal(other, secret, value)).toThrow('does not open');
    for (let i = 0; i < bytes.length; i++) {
      const changed = Buffer.from(bytes);
      changed[i] = (changed[i] ?? 0) ^ 1;
      expect(() => unseal(key, secret, `coracle:enc:v1:${key.id}:${changed.toString('base64')}`)).toThrow();
    }
    expect(() => unseal(key, secret, value.slice(0, 30))).toThrow('does not open');
  });

  it('of the largest Secret fits into a request of etcd', () => {
    const text = JSON.stringify({ data: { large: Buffer.from(random.bytes(1024 * 1024)).toString('base64') } });
    expect(seal(key, secret, text, random).length).toBeLessThan(1.5 * 1024 * 1024 - 64 * 1024);
  });

  it('differs each time', () => {
    expect(seal(key, secret, 'same', random)).not.toBe(seal(key, secret, 'same', random));
  });
});

describe('an encrypted store', () => {
  const roots = memoryRoots();
  const open = (inner: Store, with_: RootKeys = roots): Promise<EncryptedStore> =>
    EncryptedStore.open(inner, { roots: with_, prefixes: ['/secrets/'], random, log: silentLog });
  const raw = async (inner: Store, key: string): Promise<string> => (await inner.get(key)).item?.value ?? '';

  it('encrypts values under its prefixes only', async () => {
    const inner = new MemoryStore({ clock: systemClock });
    const store = await open(inner);
    await store.txns([put(secret, 'hidden'), put('/pods/a', 'seen')]);
    expect(await raw(inner, secret)).toMatch(/^coracle:enc:v1:[0-9a-f]{8}:/);
    expect(await raw(inner, '/pods/a')).toBe('seen');
    expect((await store.get(secret)).item?.value).toBe('hidden');
  });

  it('reads values stored in plaintext before, and encrypts them on start', async () => {
    const inner = new MemoryStore({ clock: systemClock });
    await inner.txn(put(secret, 'old'));
    const store = await open(inner);
    expect((await store.get(secret)).item?.value).toBe('old');
    expect((await store.list('/secrets/')).items[0]?.value).toBe('old');
    expect(await store.settle(never)).toBe(1);
    expect(await raw(inner, secret)).not.toContain('old');
    expect((await store.get(secret)).item?.value).toBe('old');
    expect(await store.settle(never)).toBe(0);
  });

  it('rotates its key while another server reads and writes: all values are re-encrypted, and no server uses an old key', async () => {
    const inner = new MemoryStore({ clock: systemClock });
    const [one, two] = [await open(inner), await open(inner)];
    for (let i = 0; i < 250; i++) await one.txn(put(`/secrets/a/${i}`, `value ${i}`));
    const before = one.ring.active.id;
    let busy = true;
    const writer = (async () => {
      let written = 0;
      for (; busy; written++) {
        const { item } = await two.get('/secrets/a/7');
        await two.txn(put('/secrets/a/7', `written ${written}`, item?.revision));
        await new Promise(setImmediate);
      }
      return written;
    })();
    expect(await one.rotate(never)).toBeGreaterThanOrEqual(249);
    expect(one.ring.active.id).not.toBe(before);
    await two.txn(put('/secrets/a/8', 'after'));
    await one.rotate(never);
    busy = false;
    expect(await writer).toBeGreaterThan(0);
    await two.txn(put('/secrets/a/9', 'after'));
    const { items } = await inner.list('/secrets/');
    expect(new Set(items.map(({ value }) => sealedWith(value)))).toEqual(new Set([one.ring.active.id]));
    // Those with keys from before, and one that starts now, read all of it.
    for (const store of [one, two, await open(inner)]) {
      const page = await store.list('/secrets/');
      expect(page.items.find(({ key }) => key === '/secrets/a/3')?.value).toBe('value 3');
      expect(page.items.filter(({ value }) => sealedWith(value) !== undefined)).toEqual([]);
    }
    expect(one.ring.keys.map(({ id }) => id)).not.toContain(before);
  });

  it('completes an interrupted rotation', async () => {
    const inner = new MemoryStore({ clock: systemClock });
    const store = await open(inner);
    await store.settle(never);
    for (let i = 0; i < 5; i++) await store.txn(put(`/secrets/a/${i}`, `value ${i}`));
    const stopped = AbortSignal.abort(new Error('stopped'));
    await expect(store.rotate(stopped)).rejects.toThrow('stopped');
    const next = await open(inner);
    expect(next.ring.settled).toBe(false);
    expect((await next.get('/secrets/a/1')).item?.value).toBe('value 1');
    expect(await next.settle(never)).toBe(5);
  });

  it('decrypts with any given root key, and encrypts its keys with the newest at a rotation', async () => {
    const inner = new MemoryStore({ clock: systemClock });
    const own = memoryRoots();
    const store = await open(inner, own);
    await store.txn(put(secret, 'hidden'));
    await own.add();
    await store.rotate(never);
    const [, newest] = await own.all();
    if (!newest) throw new Error('no second root key');
    const only: RootKeys = { place: 'here', all: async () => [newest], add: own.add };
    expect((await (await open(inner, only)).get(secret)).item?.value).toBe('hidden');
  });

  it('does not start without the root key of its store, and names the missing key and its directory', async () => {
    const inner = new MemoryStore({ clock: systemClock });
    await open(inner);
    await expect(open(inner, memoryRoots())).rejects.toThrow(/root key [0-9a-f]{8}, which is not in memory/);
  });

  it('returns the other values when one cannot be decrypted', async () => {
    const inner = new MemoryStore({ clock: systemClock });
    const store = await open(inner);
    await store.txns([put('/secrets/a/1', 'one'), put('/secrets/a/2', 'two')]);
    await inner.txn(put('/secrets/a/1', await raw(inner, '/secrets/a/2')));
    const { items } = await store.list('/secrets/');
    expect(items[1]?.value).toBe('two');
    expect(items[0]?.value).not.toContain('two');
    await expect(store.get('/secrets/a/1')).rejects.toSatisfy((error) => isApiError(error, 'InternalError'));
  });

  it('decrypts a value whose key is missing in a concurrent older read of the ring', async () => {
    const inner = new MemoryStore({ clock: systemClock });
    const slow = new SlowRing(inner);
    const [one, two] = [await open(inner), await open(slow)];
    await one.txn(put(secret, 'hidden'));
    await inner.txn(put('/secrets/a/lost', `coracle:enc:v1:00000000:${'A'.repeat(80)}`));
    const release = slow.hold();
    const lost = two.get('/secrets/a/lost').catch((error: unknown) => error);
    await new Promise(setImmediate);
    await inner.txn({ guards: [], writes: [{ type: 'delete', key: '/secrets/a/lost' }] });
    await one.rotate(never);
    const read = two.get(secret);
    await new Promise(setImmediate);
    release();
    expect((await read).item?.value).toBe('hidden');
    expect(isApiError(await lost, 'InternalError')).toBe(true);
    expect((await two.get(secret)).item?.value).toBe('hidden');
  });

  it('does not write when the key ring is missing, instead of reporting a conflict', async () => {
    const inner = new MemoryStore({ clock: systemClock });
    const store = await open(inner);
    await inner.txn({ guards: [], writes: [{ type: 'delete', key: ringKey }] });
    await expect(store.txn(put(secret, 'x', 0))).rejects.toSatisfy((error) => isApiError(error, 'ServiceUnavailable'));
  });
});

describe('root keys', () => {
  let dir: string | undefined;
  afterEach(async () => {
    if (dir) await rm(dir, { recursive: true, force: true });
  });

  it('are in files that only their owner can read, the newest last, and a damaged one is named', async () => {
    dir = await mkdtemp(join(tmpdir(), 'coracle-roots-'));
    const keys = rootKeysIn(join(dir, 'encryption'), { clock: systemClock, random });
    await keys.add();
    const [name = ''] = await readdir(join(dir, 'encryption'));
    expect((await stat(join(dir, 'encryption', name))).mode & 0o777).toBe(0o600);
    const later = Buffer.alloc(32, 7);
    await writeFile(join(dir, 'encryption', 'z.key'), `${later.toString('base64')}\n`);
    expect((await keys.all()).map(({ id }) => id).at(-1)).toBe(secretKeyOf(later)?.id);
    await writeFile(join(dir, 'encryption', 'bad.key'), 'short\n');
    await expect(keys.all()).rejects.toThrow('bad.key is not a key');
  });
});

/** Returns the key ring as it was at the time of the request, but only on release. */
class SlowRing extends BrakedStore {
  #held: Promise<void> | undefined;

  hold(): () => void {
    let release: () => void = () => undefined;
    this.#held = new Promise((resolve) => {
      release = resolve;
    });
    return () => {
      this.#held = undefined;
      release();
    };
  }

  override async get(key: string): ReturnType<BrakedStore['get']> {
    const read = await super.get(key);
    if (key === ringKey) await this.#held;
    return read;
  }
}

function memoryRoots(): RootKeys {
  const keys: ReturnType<typeof newSecretKey>[] = [];
  return { place: 'memory', all: async () => [...keys], add: async () => void keys.push(newSecretKey(random)) };
}
