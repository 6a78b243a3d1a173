import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EtcdStore } from '../../control-plane/store/etcd/etcd-store.ts';
import type { StoreBatch, StoreEvent, Txn } from '../../control-plane/store/store.ts';
import { isApiError } from '../../shared/errors.ts';
import { randomInt, seededRandom } from '../../shared/random.ts';
import { hasEtcd, startTestEtcd, type TestEtcd } from '../support/etcd.ts';
import { eventually } from '../support/eventually.ts';

/** A loopback proxy whose connections can be cut, and that can be shut. */
class CuttingProxy {
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #shut = false;
  cuts = 0;
  refused = 0;

  async listen(target: number): Promise<string> {
    const server = createServer((client) => {
      if (this.#shut) {
        this.refused++;
        return client.destroy();
      }
      const upstream = connect(target, '127.0.0.1');
      for (const [from, to] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        this.#sockets.add(from);
        from.on('error', () => to.destroy());
        from.on('close', () => {
          this.#sockets.delete(from);
          to.destroy();
        });
        from.pipe(to);
      }
      return undefined;
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    return `127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
  }

  cut(): void {
    if (this.#sockets.size > 0) this.cuts++;
    for (const socket of this.#sockets) socket.destroy();
  }

  shut(shut: boolean): void {
    this.#shut = shut;
    if (shut) this.cut();
  }

  async close(): Promise<void> {
    this.shut(true);
    await new Promise<void>((resolve) => (this.#server ? this.#server.close(() => resolve()) : resolve()));
  }
}

const put = (key: string, value: string): Txn => ({ guards: [], writes: [{ type: 'put', key, value }] });

describe.skipIf(!hasEtcd())('a watch of etcd', () => {
  let etcd: TestEtcd;
  let proxy: CuttingProxy;
  let writer: EtcdStore;
  let watcher: EtcdStore;
  let stop: AbortController;
  beforeEach(async () => {
    etcd = await startTestEtcd();
    proxy = new CuttingProxy();
    writer = etcd.open();
    watcher = etcd.open(await proxy.listen(etcd.port));
    stop = new AbortController();
  });
  afterEach(async () => {
    stop.abort();
    await watcher.close();
    await writer.close();
    await proxy.close();
    await etcd.cleanup();
  });

  const follow = (from: number) => {
    const events: StoreEvent[] = [];
    const batches: StoreBatch[] = [];
    const result = { events, batches, error: undefined as unknown, ended: false };
    void (async () => {
      for await (const batch of watcher.watch('/test/', from, stop.signal)) {
        batches.push(batch);
        events.push(...batch.events);
      }
    })()
      .catch((error: unknown) => {
        result.error = error;
      })
      .finally(() => {
        result.ended = true;
      });
    return result;
  };
  const told = (event: StoreEvent): string =>
    event.type === 'put' ? `${event.item.revision} ${event.item.key}` : `${event.revision} -${event.key}`;
  /** What really happened, from etcd's own history, read in one go over an unbroken connection. */
  const history = async (from: number, until: number): Promise<string[]> => {
    const all: string[] = [];
    const own = new AbortController();
    for await (const batch of writer.watch('/test/', from, own.signal)) {
      all.push(...batch.events.map(told));
      if (batch.revision >= until) break;
    }
    own.abort();
    return all;
  };

  it('loses and repeats nothing while its connection is cut again and again', { timeout: 60_000 }, async () => {
    const random = seededRandom(7);
    const start = (await writer.get('/test/')).revision;
    const watch = follow(start);
    let last = start;
    let writing = true;
    const cutting = (async () => {
      while (writing) {
        await new Promise((resolve) => setTimeout(resolve, 5 + randomInt(random, 60)));
        proxy.cut();
      }
    })();
    for (let round = 0; round < 100; round++) {
      const txns = Array.from({ length: 10 }, (_, i): Txn => {
        const width = 1 + randomInt(random, 12);
        return {
          guards: [],
          writes: Array.from({ length: width }, (_, k) =>
            randomInt(random, 6) === 0
              ? { type: 'delete', key: `/test/${i}/${k}` }
              : { type: 'put', key: `/test/${i}/${k}`, value: 'x'.repeat(randomInt(random, 2000)) },
          ),
        };
      });
      if (round % 2 === 0) await writer.txns(txns);
      else for (const txn of txns) await writer.txn(txn);
    }
    writing = false;
    await cutting;
    last = (await writer.txn(put('/test/end', 'x'))).revision;
    await eventually(() => watch.events.some((event) => event.type === 'put' && event.item.key === '/test/end'), {
      timeoutMs: 20_000,
    });
    expect(watch.error).toBeUndefined();
    expect(watch.events.map(told)).toEqual(await history(start, last));
    expect(watch.events.length).toBeGreaterThan(3000);
    expect(proxy.cuts).toBeGreaterThan(5);
    const revisions = watch.batches.filter((batch) => batch.events.length > 0).map((batch) => batch.revision);
    expect(revisions).toEqual([...new Set(revisions)]);
  });

  it('loses nothing that it was cut off from while it caught up', { timeout: 60_000 }, async () => {
    const start = (await writer.get('/test/')).revision;
    // etcd sends a watch that catches up a thousand revisions at a time, under headers that name the store's present.
    // Writers of their own, one write after the other: so that each write has a revision of its own.
    const writers = Array.from({ length: 16 }, () => etcd.open());
    await Promise.all(
      writers.map(async (own, i) => {
        for (let k = 0; k < 250; k++) await own.txn(put(`/test/${i}/${k}`, 'x'.repeat(500)));
        await own.close();
      }),
    );
    expect((await writer.get('/test/')).revision).toBe(start + 4000);
    const watch = follow(start);
    let cut = 0;
    await eventually(
      () => {
        if (watch.events.length > 0 && cut++ < 15) proxy.cut();
        return watch.events.length >= 4000;
      },
      { timeoutMs: 30_000, everyMs: 1 },
    );
    const { revision } = await writer.get('/test/');
    expect(watch.events.map(told)).toEqual(await history(start, revision));
  });

  it('goes on without a gap when etcd is killed and started again', { timeout: 60_000 }, async () => {
    const start = (await writer.get('/test/')).revision;
    const watch = follow(start);
    const acknowledged: string[] = [];
    for (let round = 0; round < 3; round++) {
      const killed = (async () => {
        await eventually(() => acknowledged.length > round * 200 + 60, { everyMs: 1 });
        await etcd.kill();
        await etcd.start();
      })();
      for (let i = 0; i < 200; i++) {
        const key = `/test/${round}/${i}`;
        for (;;) {
          try {
            const { revision } = await writer.txn(put(key, 'x'));
            acknowledged.push(`${revision} ${key}`);
            break;
          } catch (error) {
            if (!isApiError(error, 'ServiceUnavailable', 'Timeout')) throw error;
          }
        }
      }
      await killed;
    }
    const end = (await writer.txn(put('/test/end', 'x'))).revision;
    await eventually(() => watch.events.some((event) => told(event) === `${end} /test/end`), { timeoutMs: 20_000 });
    const seen = watch.events.map(told);
    expect(watch.error).toBeUndefined();
    expect(seen).toEqual(await history(start, end));
    const known = new Set(seen);
    expect(acknowledged.filter((write) => !known.has(write))).toEqual([]);
  });

  it('is Expired when what it still had to see was compacted while it was cut off', { timeout: 30_000 }, async () => {
    const start = (await writer.get('/test/')).revision;
    const watch = follow(start);
    const first = await writer.txn(put('/test/a', '1'));
    await eventually(() => watch.events.length === 1);
    proxy.shut(true);
    await writer.txn(put('/test/a', '2'));
    const gone = await writer.txn({ guards: [], writes: [{ type: 'delete', key: '/test/a' }] });
    await writer.compact(gone.revision);
    proxy.shut(false);
    await eventually(() => watch.ended, { timeoutMs: 10_000 });
    expect(isApiError(watch.error, 'Expired')).toBe(true);
    expect(watch.events.map(told)).toEqual([`${first.revision} /test/a`]);
  });

  it('is Expired rather than silent when the compaction stands at the deletion that it has not seen', {
    timeout: 30_000,
  }, async () => {
    const made = await writer.txn(put('/test/a', '1'));
    const watch = follow(made.revision - 1);
    await eventually(() => watch.events.length === 1);
    proxy.shut(true);
    const gone = await writer.txn({ guards: [], writes: [{ type: 'delete', key: '/test/a' }] });
    expect(gone.revision).toBe(made.revision + 1);
    await writer.compact(gone.revision);
    proxy.shut(false);
    await eventually(() => watch.ended || watch.events.length > 1, { timeoutMs: 10_000 });
    const sawDeletion = watch.events.some((event) => event.type === 'delete');
    expect(sawDeletion || isApiError(watch.error, 'Expired')).toBe(true);
  });

  it('carries calls over a short outage: reads, and writes that were never sent', async () => {
    await watcher.txn(put('/test/a', '1'));
    proxy.shut(true);
    const reading = watcher.get('/test/a');
    await eventually(() => proxy.refused > 1);
    const writing = watcher.txn(put('/test/b', '2'));
    await eventually(() => proxy.refused > 3);
    proxy.shut(false);
    expect((await reading).item?.value).toBe('1');
    expect(await writing).toMatchObject({ ok: true });
    expect((await watcher.get('/test/b')).item?.value).toBe('2');
  });

  it('fails calls in time when etcd stays away', { timeout: 20_000 }, async () => {
    await watcher.get('/test/a');
    proxy.shut(true);
    const began = performance.now();
    await expect(watcher.get('/test/a')).rejects.toSatisfy((e) => isApiError(e, 'ServiceUnavailable', 'Timeout'));
    expect(performance.now() - began).toBeLessThan(7000);
  });
});
