import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../shared/log.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { Checkpoint, type CheckpointStorage, memoryCheckpoint } from './checkpoint.ts';
import { fileCheckpoint } from './checkpoint-files.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'coracle-checkpoint-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe.each([
  ['files', () => fileCheckpoint(dir, silentLog)],
  [
    'memory',
    () => {
      const kept = new Map<string, string>();
      return memoryCheckpoint(kept);
    },
  ],
])('a checkpoint in %s', (_, make) => {
  it('gives back what was written last, and not what was removed', async () => {
    const storage = make();
    await storage.write('pods/a', '1');
    await storage.write('pods/a', '2');
    await storage.write('secrets/default/b', '3');
    await storage.write('gone', '4');
    await storage.remove('gone');
    await storage.remove('never');
    expect([...(await storage.load())].sort()).toEqual([
      ['pods/a', '2'],
      ['secrets/default/b', '3'],
    ]);
  });
});

it('a document that is put just as the last one has been written is written too', async () => {
  const clock = new VirtualClock();
  const kept = new Map<string, string>();
  for (let turns = 0; turns < 20; turns++) {
    const checkpoint = new Checkpoint({
      clock,
      log: silentLog,
      storage: {
        ...memoryCheckpoint(kept),
        async write(key, text) {
          kept.set(key, text);
          if (key !== 'first') return;
          void (async () => {
            for (let turn = 0; turn < turns; turn++) await undefined;
            checkpoint.put('second', { turns });
          })();
        },
      },
    });
    checkpoint.put('first', {});
    await clock.advance(1_000);
    expect(kept.get('second')).toBe(JSON.stringify({ turns }));
  }
});

describe('checkpoint files', () => {
  const pathOf = (key: string): string => join(dir, `${key}.json`);

  it('can be read by their owner only', async () => {
    await fileCheckpoint(dir, silentLog).write('secrets/default/b', 'hidden');
    expect((await stat(pathOf('secrets/default/b'))).mode & 0o777).toBe(0o600);
    expect((await stat(join(dir, 'secrets'))).mode & 0o777).toBe(0o700);
  });

  it('hold the old version or the new one wherever a write is cut off', async () => {
    const storage = fileCheckpoint(dir, silentLog);
    await storage.write('pods/a', JSON.stringify({ version: 'old' }));
    const old = await readFile(pathOf('pods/a'));
    await storage.write('pods/a', JSON.stringify({ version: 'new' }));
    const fresh = await readFile(pathOf('pods/a'));
    for (let cut = 0; cut <= fresh.length; cut++) {
      // The write goes to a file beside: the cut leaves that one short, and the old one in its place.
      await writeFile(pathOf('pods/a'), old);
      await writeFile(`${pathOf('pods/a')}.tmp`, fresh.subarray(0, cut));
      const kept = await fileCheckpoint(dir, silentLog).load();
      expect(kept.get('pods/a')).toBe('{"version":"old"}');
    }
    expect(await readdir(join(dir, 'pods'))).toEqual(['a.json']);
  });

  it('that are damaged are set aside, and the others are read', async () => {
    const storage = fileCheckpoint(dir, silentLog);
    await storage.write('pods/a', JSON.stringify({ fine: true }));
    await storage.write('pods/b', JSON.stringify({ fine: true }));
    const { size } = await stat(pathOf('pods/b'));
    for (let length = 0; length < size; length++) {
      await storage.write('pods/b', JSON.stringify({ fine: true }));
      await truncate(pathOf('pods/b'), length);
      expect([...(await storage.load()).keys()]).toEqual(['pods/a']);
      expect(await readdir(join(dir, 'pods'))).toContain('b.json.corrupt');
    }
  });

  it('never lie outside of their directory', async () => {
    const storage = fileCheckpoint(join(dir, 'inner'), silentLog);
    await storage.write('pods/../../x', '1');
    await storage.write('pods/..', '2');
    expect(await readdir(dir)).toEqual(['inner']);
    expect((await storage.load()).get('pods/../../x')).toBe('1');
  });
});

describe('writing', () => {
  it('stores only the newest of many changes, and tries again what failed', async () => {
    const clock = new VirtualClock();
    const kept = new Map<string, string>();
    let writes = 0;
    const storage: CheckpointStorage = {
      ...memoryCheckpoint(kept),
      write: async (key, text) => {
        if (++writes === 1) throw new Error('no space left on device');
        kept.set(key, text);
      },
    };
    const checkpoint = new Checkpoint({ storage, clock, log: silentLog });
    for (let i = 0; i < 50; i++) checkpoint.put('pods/a', { i });
    await clock.advance(5_000);
    expect(kept.get('pods/a')).toBe('{"i":49}');
    expect(writes).toBe(2);
  });

  it('gathers the changes of a tenth of a second, and writes those of several documents one after the other', async () => {
    const clock = new VirtualClock();
    const writes: string[] = [];
    let under = 0;
    const storage: CheckpointStorage = {
      ...memoryCheckpoint(),
      write: async (key, text) => {
        expect(++under).toBe(1);
        await clock.sleep(10);
        under--;
        writes.push(`${key} ${text}`);
      },
    };
    const checkpoint = new Checkpoint({ storage, clock, log: silentLog });
    checkpoint.put('a', { n: 1 });
    checkpoint.put('b', { n: 1 });
    await clock.advance(99);
    expect(writes).toEqual([]);
    checkpoint.put('b', { n: 2 });
    await clock.advance(12);
    expect(writes).toEqual(['a {"n":1}']);
    checkpoint.put('a', { n: 3 });
    await clock.advance(1_000);
    expect(writes).toEqual(['a {"n":1}', 'b {"n":2}', 'a {"n":3}']);
  });

  it('has ended when a flush resolves, of all that was put before, and a flush waits for nothing else', async () => {
    const clock = new VirtualClock();
    const kept = new Map<string, string>();
    const checkpoint = new Checkpoint({ storage: memoryCheckpoint(kept), clock, log: silentLog });
    await checkpoint.flush();
    checkpoint.put('a', {});
    let flushed = false;
    const done = checkpoint.flush().then(() => {
      expect([...kept.keys()]).toEqual(['a', 'b']);
      flushed = true;
    });
    checkpoint.put('b', {});
    await clock.advance(50);
    expect(flushed).toBe(false);
    await clock.advance(100);
    await done;
  });

  it('tries a failed write or removal again after a second, until it succeeds', async () => {
    const clock = new VirtualClock();
    const kept = new Map([['gone', '1']]);
    const tries: number[] = [];
    let full = true;
    const storage: CheckpointStorage = {
      load: async () => kept,
      write: async (key, text) => {
        tries.push(clock.monotonic());
        if (full) throw new Error('no space left on device');
        kept.set(key, text);
      },
      remove: async (key) => {
        if (full) throw new Error('read-only file system');
        kept.delete(key);
      },
    };
    const checkpoint = new Checkpoint({ storage, clock, log: silentLog });
    checkpoint.put('a', {});
    await clock.advance(3_500);
    expect(tries).toEqual([100, 1_100, 2_100, 3_100]);
    checkpoint.remove('gone');
    await clock.advance(5_000);
    full = false;
    await clock.advance(5_000);
    expect([...kept]).toEqual([['a', '{}']]);
  });

  it('never puts an older document in the place of a newer one, or brings back a removed one, when a write fails', async () => {
    for (const next of ['newer', 'removed'] as const) {
      const clock = new VirtualClock();
      const kept = new Map<string, string>();
      let failing = true;
      const storage: CheckpointStorage = {
        ...memoryCheckpoint(kept),
        write: async (key, text) => {
          if (failing) {
            failing = false;
            if (next === 'newer') checkpoint.put(key, { n: 2 });
            else checkpoint.remove(key);
            throw new Error('no space left on device');
          }
          kept.set(key, text);
        },
      };
      const checkpoint = new Checkpoint({ storage, clock, log: silentLog });
      checkpoint.put('a', { n: 1 });
      await clock.advance(10_000);
      expect([...kept]).toEqual(next === 'newer' ? [['a', '{"n":2}']] : []);
    }
  });

  it('ends when it is closed: nothing that was put is written, and nothing that is put later', async () => {
    const clock = new VirtualClock();
    const kept = new Map<string, string>();
    const checkpoint = new Checkpoint({ storage: memoryCheckpoint(kept), clock, log: silentLog });
    checkpoint.put('a', {});
    checkpoint.close();
    checkpoint.put('b', {});
    await clock.advance(10_000);
    await checkpoint.flush();
    expect(kept.size).toBe(0);
  });

  it('that fails as it is closed is not tried again', async () => {
    const clock = new VirtualClock();
    let tries = 0;
    const storage: CheckpointStorage = {
      ...memoryCheckpoint(),
      write: async () => {
        tries++;
        checkpoint.close();
        throw new Error('gone');
      },
    };
    const checkpoint = new Checkpoint({ storage, clock, log: silentLog });
    checkpoint.put('a', {});
    await clock.advance(10_000);
    expect(tries).toBe(1);
  });

  it('removes a document that cannot be read, so that it is set aside once', async () => {
    const kept = new Map([['pods/b', '{"cut']]);
    const checkpoint = new Checkpoint({ storage: memoryCheckpoint(kept), clock: new VirtualClock(), log: silentLog });
    expect([...(await checkpoint.load())]).toEqual([]);
    expect(kept.size).toBe(0);
  });

  it('goes on without a document that is not JSON', async () => {
    const kept = new Map([
      ['pods/a', '{"fine":true}'],
      ['pods/b', '{"cut'],
    ]);
    const checkpoint = new Checkpoint({ storage: memoryCheckpoint(kept), clock: new VirtualClock(), log: silentLog });
    expect([...(await checkpoint.load()).keys()]).toEqual(['pods/a']);
  });
});
