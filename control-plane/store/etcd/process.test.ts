import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { EventEmitter } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ApiError } from '../../../shared/errors.ts';
import { silentLog } from '../../../shared/log.ts';
import { VirtualClock } from '../../../shared/virtual-clock.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { FakeEtcd, header, unavailable } from '../../../test/support/fake-etcd.ts';
import { EtcdProcess, ownEndpoint } from './process.ts';

/** A child process that ends when the test ends it, or by a signal that it handles. */
class FakeChild extends EventEmitter {
  readonly pid = 4_000_000;
  exitCode: number | null = null;
  signalCode: NodeJS.Signals | null = null;
  readonly signals: string[] = [];
  heeds: readonly string[] = ['SIGTERM', 'SIGKILL'];

  kill(signal: NodeJS.Signals): boolean {
    this.signals.push(signal);
    if (this.heeds.includes(signal)) this.end(null, signal);
    return true;
  }

  end(code: number | null, signal: NodeJS.Signals | null = null): void {
    this.exitCode = code;
    this.signalCode = signal;
    this.emit('exit', code, signal);
  }
}

describe('an etcd process', () => {
  let dir: string;
  let clock: VirtualClock;
  let waits: number[];
  let etcd: FakeEtcd;
  let children: FakeChild[];
  let spawned: { command: string; args: readonly string[]; options: SpawnOptions; at: number }[];
  let refusal: Error | undefined;
  let endpoints: string[];
  let etcdProcess: EtcdProcess;
  const signal = new AbortController().signal;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'coracle-etcd-'));
    clock = new VirtualClock();
    waits = [];
    const sleep = clock.sleep.bind(clock);
    clock.sleep = (ms, stop) => {
      waits.push(ms);
      return sleep(ms, stop);
    };
    etcd = new FakeEtcd();
    etcd.answers.range = () => ({ header: header(1), kvs: [] });
    children = [];
    spawned = [];
    refusal = undefined;
    endpoints = [];
    etcdProcess = make();
  });
  afterEach(async () => {
    for (const child of children) child.heeds = ['SIGTERM', 'SIGKILL'];
    await etcdProcess.stop();
    rmSync(dir, { recursive: true });
  });

  const make = (dataDir = dir): EtcdProcess =>
    new EtcdProcess({
      dataDir,
      clock,
      random: { bytes: (count) => new Uint8Array(count) },
      log: silentLog,
      spawn: (command, args, options) => {
        const child = new FakeChild();
        children.push(child);
        spawned.push({ command, args, options, at: clock.monotonic() });
        const error = refusal;
        queueMicrotask(() => (error ? child.emit('error', error) : child.emit('spawn')));
        return child as unknown as ChildProcess;
      },
      connect: (requested) => {
        endpoints.push(...requested);
        return etcd.client;
      },
    });
  const child = (index: number) => children[index] as FakeChild;
  /** Lets virtual time pass while files are written, until `check` holds. */
  const passes = (check: () => boolean, step = 1) =>
    eventually(
      async () => {
        await clock.advance(step);
        return check();
      },
      { everyMs: 1 },
    );
  /** How a start ended, while time passes. */
  const started = async (abort = signal, step = 10): Promise<string> => {
    let outcome = '';
    etcdProcess.start(abort).then(
      () => {
        outcome = 'serves';
      },
      (error: unknown) => {
        outcome = error instanceof ApiError ? error.reason : String(error);
      },
    );
    await passes(() => outcome !== '', step);
    return outcome;
  };
  const inside = (path: string) => join(dir, 'etcd', path);

  it('runs in its own directory, on its data, without access to the terminal and environment', async () => {
    process.env.ETCD_DEBUG = 'true';
    expect(await started()).toBe('serves');
    delete process.env.ETCD_DEBUG;
    const [{ command, args, options }] = spawned as [(typeof spawned)[0]];
    expect([command, ...args].join(' ')).toMatch(/\betcd .*--data-dir=/);
    expect(args).toContain(`--data-dir=${inside('data')}`);
    expect(args).toContain('--auto-compaction-retention=5m');
    expect(options).toMatchObject({ cwd: inside('run'), detached: true });
    expect(Object.keys(options.env ?? {}).filter((name) => name.startsWith('ETCD_DEBUG'))).toEqual([]);
    expect(options.env?.PATH).toBe(process.env.PATH);
    expect([statSync(inside('')).mode & 0o777, statSync(inside('run')).mode & 0o777]).toEqual([0o700, 0o700]);
    expect([etcdProcess.endpoint, endpoints, etcdProcess.pid]).toEqual([
      ownEndpoint(dir),
      [ownEndpoint(dir)],
      4_000_000,
    ]);
    expect(JSON.parse(readFileSync(inside('owner'), 'utf8'))).toMatchObject({ pid: process.pid });
    expect(etcd.closed).toBe(1);
  });

  it('is killed by the kernel when the parent dies, where the kernel supports it', async () => {
    await started();
    const [{ command, args }] = spawned as [(typeof spawned)[0]];
    if (existsSync('/usr/bin/setpriv')) {
      expect([command, ...args.slice(0, 4)]).toEqual(['/usr/bin/setpriv', '--pdeathsig', 'TERM', '--', 'etcd']);
    } else expect(command).toBe('etcd');
  });

  it('starts over the remains of a killed one: sockets, and a directory that others can read', async () => {
    mkdirSync(inside('run'), { recursive: true, mode: 0o755 });
    for (const socket of ['client:0', 'peer:0']) writeFileSync(inside(`run/${socket}`), '');
    expect(await started()).toBe('serves');
    expect([readdirSync(inside('run')), statSync(inside('')).mode & 0o777]).toEqual([[], 0o700]);
  });

  it('is probed every 10 ms until it is ready, with a second for each probe', async () => {
    let attempts = 0;
    etcd.answers.range = () => {
      if (++attempts < 4) throw unavailable();
      return { header: header(1), kvs: [] };
    };
    expect(await started(signal, 1)).toBe('serves');
    expect(waits).toEqual([10, 10, 10]);
    const probes = etcd.named('range');
    expect(probes).toHaveLength(4);
    expect(
      new Set(probes.map(({ deadline }) => deadline >= clock.now() + 900 && deadline <= clock.now() + 1_000)),
    ).toEqual(new Set([true]));
  });

  it('that is not ready in a minute is terminated', async () => {
    delete etcd.answers.range;
    expect(await started(signal, 1_000)).toBe('Timeout');
    const waited = waits.reduce((sum, ms) => sum + ms, 0);
    expect([waited >= 60_000, waited <= 60_100]).toEqual([true, true]);
    expect([child(0).signals, existsSync(inside('owner'))]).toEqual([['SIGTERM'], false]);
    await clock.advance(60_000);
    expect(children).toHaveLength(1);
  });

  it.each([
    [127, 'NotFound'],
    [1, 'ServiceUnavailable'],
  ])('that exits with code %i during its start is %s, and leaves nothing', async (code, reason) => {
    etcd.answers.range = () => {
      child(0).end(code);
      throw unavailable();
    };
    expect(await started()).toBe(reason);
    expect([existsSync(inside('owner')), children.length]).toEqual([false, 1]);
  });

  it('that cannot be executed is NotFound', async () => {
    refusal = new Error('spawn etcd ENOENT');
    expect(await started()).toBe('NotFound');
    expect(existsSync(inside('owner'))).toBe(false);
  });

  it('is terminated when its start is cancelled', async () => {
    const own = new AbortController();
    etcd.answers.range = () => {
      own.abort('given up');
      throw unavailable();
    };
    expect(await started(own.signal)).toBe('given up');
    expect(child(0).signals).toEqual(['SIGTERM']);
  });

  it('is not started when another running process owns the directory', async () => {
    mkdirSync(inside(''), { recursive: true });
    const stat = readFileSync(`/proc/${process.ppid}/stat`, 'utf8');
    const begun = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    writeFileSync(inside('owner'), JSON.stringify({ pid: process.ppid, started: begun }));
    expect(await started()).toBe('Conflict');
    expect([children, existsSync(inside('owner'))]).toEqual([[], true]);
  });

  it.each([
    ['', 'SIGTERM'],
    ['trap "" TERM;', 'SIGKILL'],
  ] as const)('is started when one that an earlier run left on its data has ended (%j), by %s', async (trap, by) => {
    const program = join(dir, 'etcd-program');
    mkdirSync(program);
    copyFileSync('/bin/sh', join(program, 'etcd'));
    const args = ['-c', `${trap} echo ready; read line`, 'sh', `--data-dir=${inside('data')}`];
    const orphan = spawn(join(program, 'etcd'), args, { stdio: ['pipe', 'pipe', 'ignore'] });
    await new Promise((resolve) => orphan.stdout.once('data', resolve));
    const gone = new Promise((resolve) => orphan.once('exit', (_, name) => resolve(name)));
    expect(await started(signal, 100)).toBe('serves');
    expect(await gone).toBe(by);
    expect(children).toHaveLength(1);
  });

  it('is restarted when it dies, with a delay that doubles up to ten seconds', async () => {
    await started();
    for (let i = 0; i < 10; i++) {
      child(i).end(null, 'SIGKILL');
      await passes(() => children.length === i + 2, 100);
    }
    expect(waits).toEqual([25, 50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
    expect(readdirSync(inside('run'))).toEqual([]);
  });

  it('is restarted soon when it ran for a minute before', async () => {
    await started();
    for (let i = 0; i < 3; i++) {
      child(i).end(2);
      await passes(() => children.length === i + 2, 100);
    }
    await clock.advance(60_001);
    child(3).end(2);
    await passes(() => children.length === 5, 10);
    expect(waits).toEqual([25, 50, 100, 25]);
  });

  it('is retried when a restart failed', async () => {
    await started();
    refusal = new Error('spawn etcd EAGAIN');
    child(0).end(2);
    await passes(() => children.length === 3, 100);
    refusal = undefined;
    await passes(() => children.length === 4, 100);
    expect(waits.slice(0, 3)).toEqual([25, 50, 100]);
    const { length } = children;
    await clock.advance(30_000);
    expect(children).toHaveLength(length);
  });

  it('is terminated by a stop and not restarted', async () => {
    await started();
    await etcdProcess.stop();
    await clock.advance(60_000);
    expect([child(0).signals, children.length, existsSync(inside('owner'))]).toEqual([['SIGTERM'], 1, false]);
    await etcdProcess.stop();
  });

  it('is killed by a stop when it does not end within ten seconds', async () => {
    await started();
    child(0).heeds = ['SIGKILL'];
    const stopping = etcdProcess.stop();
    await clock.advance(9_999);
    expect(child(0).signals).toEqual(['SIGTERM']);
    await clock.advance(1);
    await stopping;
    expect(child(0).signals).toEqual(['SIGTERM', 'SIGKILL']);
  });

  it('that is stopped between its death and its restart is not restarted', async () => {
    await started();
    child(0).end(2);
    await clock.advance(0);
    await etcdProcess.stop();
    await clock.advance(60_000);
    expect([children.length, child(0).signals]).toEqual([1, []]);
  });

  it('is reached through a descriptor when the path is too long for a socket', async () => {
    const long = join(dir, 'x'.repeat(100));
    etcdProcess = make(long);
    expect(await started()).toBe('serves');
    expect(etcdProcess.endpoint).toMatch(/^unix:\/proc\/self\/fd\/\d+\/client:0$/);
    const [fd] = /\d+/.exec(etcdProcess.endpoint) ?? [];
    expect(existsSync(`/proc/self/fd/${fd}`)).toBe(true);
  });

  it('appends to its log, and rotates it when it is larger than 8 MiB', async () => {
    mkdirSync(inside(''), { recursive: true });
    writeFileSync(inside('etcd.log'), 'before');
    truncateSync(inside('etcd.log'), 8 * 1024 * 1024);
    await started();
    expect(existsSync(inside('etcd.log.1'))).toBe(false);
    truncateSync(inside('etcd.log'), 8 * 1024 * 1024 + 1);
    child(0).end(2);
    await passes(() => children.length === 2, 10);
    expect([statSync(inside('etcd.log')).size, statSync(inside('etcd.log.1')).size]).toEqual([0, 8 * 1024 * 1024 + 1]);
    expect(statSync(inside('etcd.log')).mode & 0o777).toBe(0o600);
  });
});
