import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, type FileHandle, mkdir, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Etcd3 } from 'etcd3';
import { backoffMs } from '../../../shared/backoff.ts';
import { type Clock, pause } from '../../../shared/clock.ts';
import { ApiError, messageOf } from '../../../shared/errors.ts';
import type { Log } from '../../../shared/log.ts';
import type { Random } from '../../../shared/random.ts';
import { createEtcdClient, type EtcdEndpoint } from './client.ts';
import { takeOwnership } from './owner-lock.ts';
import { findByArgument, isRunning, type ProcessId } from './process-table.ts';

/** The deadline of a start until the first read: etcd may replay a large log. */
const readyTimeoutMs = 60_000;
/** Between two readiness checks. */
const probeEveryMs = 10;
const probeTimeoutMs = 1000;
/** Between SIGTERM and SIGKILL. */
const stopTimeoutMs = 10_000;
const restart = { firstMs: 50, capMs: 10_000 };
/** An etcd that ran this long before it died is restarted at once. */
const stableMs = 60_000;
/** A log file larger than this is rotated at the next start. */
const maxLogBytes = 8 * 1024 * 1024;
/** unix(7): sun_path holds 108 bytes with the closing zero. */
const maxSocketPath = 107;
/** etcd requires the form host:port, and creates a socket file of that name in its working directory. */
const clientSocket = 'client:0';
const peerSocket = 'peer:0';
/** util-linux; with it the kernel ends etcd when this process dies. */
const setpriv = '/usr/bin/setpriv';

/** The endpoint of the running etcd of a data directory (its real path). */
export function ownEndpoint(dataDir: string): EtcdEndpoint {
  return `unix:${join(dataDir, 'etcd', 'run', clientSocket)}`;
}

export interface EtcdProcessDeps {
  /** etcd keeps everything under `<dataDir>/etcd`. */
  readonly dataDir: string;
  readonly spawn: (command: string, args: readonly string[], options: SpawnOptions) => ChildProcess;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The etcd program; `etcd` on the PATH when absent. */
  readonly program?: string;
  /** The readiness check. Absent: a read over its endpoint. */
  readonly connect?: (endpoints: readonly EtcdEndpoint[]) => Pick<Etcd3, 'kv' | 'close'>;
}

/**
 * An etcd of our own: one member, reached over a unix socket in a directory that only our user may enter.
 *
 *     <dataDir>/etcd/          0700
 *       data/                  etcd's data directory
 *       run/                   its working directory, with its sockets
 *       etcd.log               warnings and worse, and whatever it says when it dies
 *       owner                  which process supervises it
 *
 * When it dies it is restarted with a backoff; the endpoint stays the same. When this process is killed the kernel ends it; without
 * setpriv it runs on until the next start, which finds it by its data directory and ends it first. So one data directory never has
 * two (etcd's file lock prevents that too). No acknowledged write is lost: etcd syncs before it answers.
 */
export class EtcdProcess {
  readonly #deps: EtcdProcessDeps;
  readonly #stopping = new AbortController();
  #child: ChildProcess | undefined;
  #supervision: Promise<void> = Promise.resolve();
  #ownership: { release(): Promise<void> } | undefined;
  #runHandle: FileHandle | undefined;
  #endpoint: EtcdEndpoint = '';
  #root = '';

  constructor(deps: EtcdProcessDeps) {
    this.#deps = deps;
  }

  /** `unix:/path`, once started. */
  get endpoint(): EtcdEndpoint {
    return this.#endpoint;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /**
   * Resolves when it serves. Throws Conflict when another process supervises an etcd on this data directory, NotFound when there
   * is no etcd program, Timeout when it does not come to serve; then nothing is left running.
   */
  async start(signal: AbortSignal): Promise<void> {
    const { dataDir, clock, log } = this.#deps;
    const began = clock.monotonic();
    await mkdir(join(dataDir, 'etcd', 'run'), { recursive: true, mode: 0o700 });
    this.#root = await realpath(join(dataDir, 'etcd'));
    await chmod(this.#root, 0o700);
    this.#ownership = await takeOwnership(join(this.#root, 'owner'), process.pid);
    try {
      for (const orphan of await findByArgument('etcd', this.#dataFlag())) {
        log.warn({ pid: orphan.pid }, 'an etcd of an earlier run is still here: it is stopped first');
        await this.#end(orphan);
      }
      this.#endpoint = `unix:${await this.#socketPath()}`;
      const child = await this.#spawn();
      await this.#ready(child, signal);
      this.#supervision = this.#supervise(child);
    } catch (error) {
      await this.stop();
      throw error;
    }
    log.info({ pid: this.pid, ms: Math.round(clock.monotonic() - began) }, 'etcd serves');
  }

  /** Ends it by SIGTERM, after a deadline by SIGKILL. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    const child = this.#child;
    if (child && !hasEnded(child)) await this.#stopChild(child);
    await this.#supervision;
    await this.#runHandle?.close();
    this.#runHandle = undefined;
    await this.#ownership?.release();
    this.#ownership = undefined;
  }

  async #supervise(first: ChildProcess): Promise<void> {
    const { clock, random, log } = this.#deps;
    const stopping = this.#stopping.signal;
    let child: ChildProcess | undefined = first;
    for (let attempt = 0; !stopping.aborted; attempt++) {
      const began = clock.monotonic();
      if (child) await ended(child);
      if (stopping.aborted) return;
      if (clock.monotonic() - began > stableMs) attempt = 0;
      log.error({ code: child?.exitCode, signal: child?.signalCode, log: join(this.#root, 'etcd.log') }, 'etcd died');
      await pause(clock, backoffMs(attempt, restart, random), stopping);
      if (stopping.aborted) return;
      try {
        child = await this.#spawn();
        log.info({ pid: child.pid }, 'etcd was started again');
      } catch (error) {
        child = undefined;
        log.error({ err: messageOf(error) }, 'etcd could not be started again');
      }
    }
  }

  async #spawn(): Promise<ChildProcess> {
    const { program = 'etcd', spawn } = this.#deps;
    // A killed etcd leaves its socket files, which the next one cannot bind.
    for (const socket of [clientSocket, peerSocket]) await rm(join(this.#root, 'run', socket), { force: true });
    const output = await this.#openLog();
    try {
      const args = [...flags, this.#dataFlag()];
      const guarded = existsSync(setpriv);
      const child = spawn(
        guarded ? setpriv : program,
        guarded ? ['--pdeathsig', 'TERM', '--', program, ...args] : args,
        {
          cwd: join(this.#root, 'run'),
          // A process group of its own: Ctrl-C in a terminal ends this process, which still needs etcd while it shuts down.
          detached: true,
          stdio: ['ignore', output.fd, output.fd],
          // Not the environment of this process: etcd reads every ETCD_… variable as a flag. On arm64, 3.4 and older need this one.
          env: { PATH: process.env.PATH, ...(process.arch === 'arm64' ? { ETCD_UNSUPPORTED_ARCH: 'arm64' } : {}) },
        },
      );
      this.#child = child;
      await new Promise<void>((resolve, reject) => {
        child.once('spawn', resolve);
        child.once('error', (error) => reject(notThere(error, program)));
      });
      if (this.#stopping.signal.aborted) await this.#stopChild(child);
      return child;
    } finally {
      await output.close();
    }
  }

  async #ready(child: ChildProcess, signal: AbortSignal): Promise<void> {
    const { clock, connect = createEtcdClient } = this.#deps;
    const deadline = clock.monotonic() + readyTimeoutMs;
    const client = connect([this.#endpoint]);
    try {
      for (;;) {
        signal.throwIfAborted();
        if (hasEnded(child)) throw this.#startFailure(child);
        try {
          await client.kv.range({ key: Buffer.from('/') }, { deadline: clock.now() + probeTimeoutMs });
          return;
        } catch (error) {
          if (clock.monotonic() > deadline) {
            throw new ApiError('Timeout', `etcd did not come to serve in time: ${messageOf(error)}`);
          }
        }
        await clock.sleep(probeEveryMs, signal);
      }
    } finally {
      client.close();
    }
  }

  #startFailure(child: ChildProcess): ApiError {
    const { program = 'etcd' } = this.#deps;
    // setpriv(1) exits with 127 when it can't run the program, as shells do.
    if (child.exitCode === 127) return notThere(new Error('no such program'), program);
    const how = child.signalCode ?? `code ${child.exitCode}`;
    return new ApiError(
      'ServiceUnavailable',
      `etcd ended (${how}) while it started; see ${join(this.#root, 'etcd.log')}`,
    );
  }

  async #stopChild(child: ChildProcess): Promise<void> {
    const gone = ended(child);
    child.kill('SIGTERM');
    const timer = this.#deps.clock.timer(stopTimeoutMs, () => {
      this.#deps.log.warn({ pid: child.pid }, 'etcd does not stop: it is killed');
      child.kill('SIGKILL');
    });
    await gone;
    timer.cancel();
  }

  /** Ends an etcd that is not a child of this process. */
  async #end(orphan: ProcessId): Promise<void> {
    const { clock } = this.#deps;
    for (const name of ['SIGTERM', 'SIGKILL'] as const) {
      const deadline = clock.monotonic() + stopTimeoutMs;
      if (await isRunning(orphan)) process.kill(orphan.pid, name);
      while (await isRunning(orphan)) {
        if (clock.monotonic() > deadline) break;
        await clock.sleep(probeEveryMs);
      }
    }
    if (await isRunning(orphan)) throw new ApiError('Conflict', `the old etcd (pid ${orphan.pid}) can't be stopped`);
  }

  #dataFlag(): string {
    return `--data-dir=${join(this.#root, 'data')}`;
  }

  /** A path that fits into a socket's address: for long ones, through a descriptor of the directory (Linux). */
  async #socketPath(): Promise<string> {
    const run = join(this.#root, 'run');
    const path = join(run, clientSocket);
    if (Buffer.byteLength(path) <= maxSocketPath) return path;
    this.#runHandle = await open(run, 'r');
    return `/proc/self/fd/${this.#runHandle.fd}/${clientSocket}`;
  }

  async #openLog(): Promise<FileHandle> {
    const path = join(this.#root, 'etcd.log');
    const size = await stat(path).then(
      (found) => found.size,
      () => 0,
    );
    if (size > maxLogBytes) await rename(path, `${path}.1`);
    return open(path, 'a', 0o600);
  }
}

/** The largest size of the database with its history, in bytes. */
export const etcdQuota = 4 * 1024 ** 3;

const flags = [
  '--name=coracle',
  `--listen-client-urls=unix://${clientSocket}`,
  `--advertise-client-urls=unix://${clientSocket}`,
  `--listen-peer-urls=unix://${peerSocket}`,
  // Only a name: a single member never dials it, but it must not change for this data directory.
  '--initial-advertise-peer-urls=http://localhost:2380',
  '--initial-cluster=coracle=http://localhost:2380',
  '--enable-grpc-gateway=false',
  // A single member waits only for itself: with short ticks it elects itself in 0.3 s instead of 1.5 s. Shorter ones
  // would cost more processor time when idle than they save.
  '--heartbeat-interval=50',
  '--election-timeout=250',
  // Entries since the last snapshot are held in memory; the default of 100,000 can be hundreds of megabytes.
  '--snapshot-count=5000',
  '--auto-compaction-mode=periodic',
  '--auto-compaction-retention=5m',
  `--quota-backend-bytes=${etcdQuota}`,
  `--max-request-bytes=${4 * 1024 ** 2}`,
  '--logger=zap',
  '--log-level=warn',
  '--log-outputs=stderr',
];

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (hasEnded(child)) resolve();
    else child.once('exit', () => resolve());
  });
}

function notThere(error: Error, program: string): ApiError {
  return new ApiError(
    'NotFound',
    `can't run ${program}: ${error.message}; install it (Debian: etcd-server) or name an etcd with --etcd-endpoints`,
  );
}
