import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EtcdStore } from '../../control-plane/store/etcd/etcd-store.ts';
import { EtcdProcess } from '../../control-plane/store/etcd/process.ts';
import { findByArgument, findProcess } from '../../control-plane/store/etcd/process-table.ts';
import { systemClock } from '../../shared/clock.ts';
import { silentLog } from '../../shared/log.ts';
import { systemRandom } from '../../shared/random.ts';
import { hasEtcd } from '../support/etcd.ts';
import { eventually } from '../support/eventually.ts';

const put = (key: string, value: string) => ({ guards: [], writes: [{ type: 'put' as const, key, value }] });

describe.skipIf(!hasEtcd())('an etcd of our own', () => {
  let dataDir: string;
  let undo: (() => Promise<unknown>)[];
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'coracle-'));
    undo = [];
  });
  afterEach(async () => {
    for (const step of undo.reverse()) await step();
    for (const { pid } of await findByArgument('etcd', `--data-dir=${dataDir}/etcd/data`)) process.kill(pid, 'SIGKILL');
    await rm(dataDir, { recursive: true, force: true });
  });

  const make = (dir = dataDir, program?: string): EtcdProcess => {
    const made = new EtcdProcess({
      dataDir: dir,
      spawn,
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      program,
    });
    undo.push(() => made.stop());
    return made;
  };
  const begin = async (dir = dataDir): Promise<EtcdProcess> => {
    const made = make(dir);
    await made.start(AbortSignal.timeout(20_000));
    return made;
  };
  const openStore = (endpoint: string): EtcdStore => {
    const store = new EtcdStore({ endpoints: [endpoint], clock: systemClock, random: systemRandom, log: silentLog });
    undo.push(() => store.close());
    return store;
  };

  it('serves, keeps its data over a clean stop, and leaves no process behind', async () => {
    const first = await begin();
    const store = openStore(first.endpoint);
    await store.txn(put('/coracle/a', '1'));
    await store.close();
    const { pid = 0 } = first;
    await first.stop();
    expect(await findProcess(pid)).toBeUndefined();
    const second = await begin();
    expect((await openStore(second.endpoint).get('/coracle/a')).item?.value).toBe('1');
  });

  it('is open to our user only', async () => {
    await begin();
    expect((await stat(join(dataDir, 'etcd'))).mode & 0o777).toBe(0o700);
    const { pid = 0 } = (await findByArgument('etcd', `--data-dir=${dataDir}/etcd/data`))[0] ?? {};
    const inodes = await readFile(`/proc/${pid}/net/tcp`, 'utf8');
    const listening = inodes.split('\n').filter((line) => line.trim().split(/\s+/)[3] === '0A');
    const own = await socketsOf(pid);
    expect(listening.filter((line) => own.has(line.trim().split(/\s+/)[9] ?? ''))).toEqual([]);
  });

  it('is started again when it dies, and loses nothing', async () => {
    const etcd = await begin();
    const store = openStore(etcd.endpoint);
    for (let round = 0; round < 3; round++) {
      await store.txn(put('/coracle/round', String(round)));
      const { pid = 0 } = etcd;
      process.kill(pid, 'SIGKILL');
      await eventually(() => etcd.pid !== undefined && etcd.pid !== pid);
      await eventually(async () => (await store.get('/coracle/round')).item?.value === String(round));
    }
  });

  it('refuses a data directory that another server runs on', async () => {
    const first = await begin();
    const { pid } = first;
    await expect(startElsewhere(dataDir)).resolves.toMatch(/Conflict/);
    expect(first.pid).toBe(pid);
    expect((await openStore(first.endpoint).get('/coracle/a')).revision).toBeGreaterThan(0);
  });

  it('after the server was killed: the next start leaves exactly one etcd, with all the data', async () => {
    for (let round = 0; round < 3; round++) {
      const server = serverProcess(dataDir);
      const endpoint = await server.endpoint;
      const store = openStore(endpoint);
      await store.txn(put('/coracle/round', String(round)));
      await store.close();
      server.child.kill('SIGKILL');
      await endChild(server.child);
      const next = await begin();
      expect(await findByArgument('etcd', `--data-dir=${dataDir}/etcd/data`)).toHaveLength(1);
      expect((await openStore(next.endpoint).get('/coracle/round')).item?.value).toBe(String(round));
      await next.stop();
    }
  });

  it('ends an etcd that an earlier run left on its data directory, and no other', async () => {
    const root = join(dataDir, 'etcd');
    const first = await begin();
    await openStore(first.endpoint).txn(put('/coracle/a', '1'));
    await first.stop();
    const leave = async (dir: string) => {
      const sockets = await mkdtemp(join(dataDir, 'left-'));
      const urls = [
        '--listen-client-urls=unix://c:0',
        '--advertise-client-urls=unix://c:0',
        '--listen-peer-urls=unix://p:0',
      ];
      const peer = [
        '--initial-advertise-peer-urls=http://localhost:2380',
        '--initial-cluster=coracle=http://localhost:2380',
      ];
      const child = spawn('etcd', ['--name=coracle', ...urls, ...peer, `--data-dir=${dir}`], {
        cwd: sockets,
        stdio: 'ignore',
      });
      undo.push(() => endChild(child));
      return child;
    };
    const left = await leave(join(root, 'data'));
    await eventually(async () => (await findByArgument('etcd', `--data-dir=${root}/data`)).length === 1);
    const other = await leave(join(dataDir, 'other'));
    const second = await begin();
    expect(left.exitCode ?? left.signalCode).not.toBeNull();
    expect(other.exitCode ?? other.signalCode).toBeNull();
    expect((await openStore(second.endpoint).get('/coracle/a')).item?.value).toBe('1');
  });

  it('works under a path too long for a socket', async () => {
    const deep = join(dataDir, 'd'.repeat(60), 'e'.repeat(60));
    const etcd = await begin(deep);
    const store = openStore(etcd.endpoint);
    await store.txn(put('/coracle/a', '1'));
    expect((await store.get('/coracle/a')).item?.value).toBe('1');
    await etcd.stop();
  });

  it('explains what to do without an etcd, and leaves nothing running or locked', async () => {
    const missing = make(dataDir, 'etcd-that-is-not-there');
    await expect(missing.start(AbortSignal.timeout(5000))).rejects.toMatchObject({
      reason: 'NotFound',
      message: expect.stringContaining('etcd-server'),
    });
    await begin();
  });
});

/** A server in a process of its own that has an etcd on `dataDir`. */
function serverProcess(dataDir: string): { child: ChildProcess; endpoint: Promise<string> } {
  const url = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
  const code = `
    import { spawn } from 'node:child_process';
    import { EtcdProcess } from ${url('../../control-plane/store/etcd/process.ts')};
    import { systemClock as clock } from ${url('../../shared/clock.ts')};
    import { silentLog as log } from ${url('../../shared/log.ts')};
    import { systemRandom as random } from ${url('../../shared/random.ts')};
    const etcd = new EtcdProcess({ dataDir: ${JSON.stringify(dataDir)}, spawn, clock, random, log });
    try {
      await etcd.start(AbortSignal.timeout(20_000));
      console.log(etcd.endpoint);
      setInterval(() => undefined, 1000);
    } catch (error) {
      console.log(error.reason);
      process.exit(1);
    }`;
  const tsx = new URL('../../node_modules/tsx/dist/loader.mjs', import.meta.url).href;
  const child = spawn(process.execPath, ['--import', tsx, '--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const endpoint = new Promise<string>((resolve, reject) => {
    let text = '';
    child.stdout?.on('data', (data: Buffer) => {
      text += String(data);
      if (text.includes('\n')) resolve(text.trim());
    });
    child.once('exit', () => reject(new Error(`the server ended: ${text}`)));
  });
  return { child, endpoint };
}

async function startElsewhere(dataDir: string): Promise<string> {
  const { child, endpoint } = serverProcess(dataDir);
  const answer = await endpoint;
  await endChild(child);
  return answer;
}

async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGKILL');
  await gone;
}

async function socketsOf(pid: number): Promise<Set<string>> {
  const { readdir, readlink } = await import('node:fs/promises');
  const found = new Set<string>();
  for (const fd of await readdir(`/proc/${pid}/fd`)) {
    const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '');
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
    if (inode) found.add(inode);
  }
  return found;
}
