import { describe, expect, it } from 'vitest';
import { silentLog } from '../../shared/log.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { runCompactor } from './compactor.ts';
import { MemoryStore } from './memory.ts';

describe('the compactor', () => {
  it('keeps the history of the last minutes and compacts older revisions', async () => {
    const clock = new VirtualClock();
    const store = new MemoryStore({ clock });
    const stop = new AbortController();
    const put = async () => (await store.txn({ guards: [], writes: [{ type: 'put', key: '/a', value: '' }] })).revision;
    const old = await put();
    await put();
    const running = runCompactor({ store, clock, log: silentLog, keepMs: 60_000 }, stop.signal);
    await clock.advance(30_000);
    const young = await put();
    await put();
    await clock.advance(45_000);
    await expect(store.list('/', { revision: old })).rejects.toMatchObject({ reason: 'Expired' });
    expect((await store.list('/', { revision: young })).items).toHaveLength(1);
    await clock.advance(120_000);
    await expect(store.list('/', { revision: young })).rejects.toMatchObject({ reason: 'Expired' });
    stop.abort();
    await running;
  });

  it('continues when the store fails for a while', async () => {
    const clock = new VirtualClock();
    const store = new MemoryStore({ clock });
    const stop = new AbortController();
    await store.close();
    const running = runCompactor({ store, clock, log: silentLog, keepMs: 1000 }, stop.signal);
    await clock.advance(10_000);
    stop.abort();
    await expect(running).resolves.toBeUndefined();
  });

  it('compacts to the revision of five minutes ago by default, and retries', async () => {
    const clock = new VirtualClock();
    const store = new MemoryStore({ clock });
    const stop = new AbortController();
    const compactions: [number, number][] = [];
    let broken = false;
    store.compact = async (revision) => {
      compactions.push([clock.monotonic() / 60_000, revision]);
      if (broken) throw new Error('no answer');
    };
    const put = () => store.txn({ guards: [], writes: [{ type: 'put', key: '/a', value: '' }] });
    await put();
    const running = runCompactor({ store, clock, log: silentLog }, stop.signal);
    await clock.advance(60_000);
    await put();
    await clock.advance(9 * 60_000);
    expect(compactions).toEqual([
      [5, 2],
      [10, 3],
    ]);
    broken = true;
    await put();
    await clock.advance(10 * 60_000);
    broken = false;
    await clock.advance(5 * 60_000);
    expect(compactions.slice(2)).toEqual([
      [15, 3],
      [20, 3],
      [25, 3],
    ]);
    await clock.advance(5 * 60_000);
    expect(compactions.at(-1)).toEqual([30, 4]);
    stop.abort();
    await running;
    await clock.advance(60 * 60_000);
    expect(compactions).toHaveLength(6);
  });
});
