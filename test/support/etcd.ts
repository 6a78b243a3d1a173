import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EtcdTls } from '../../control-plane/store/etcd/client.ts';
import { EtcdStore } from '../../control-plane/store/etcd/etcd-store.ts';
import { systemClock } from '../../shared/clock.ts';
import { silentLog } from '../../shared/log.ts';
import { systemRandom } from '../../shared/random.ts';
import { eventually } from './eventually.ts';
import { freePort } from './free-port.ts';

export interface TestEtcd {
  /** `127.0.0.1:port`: stays the same over restarts. */
  readonly endpoint: string;
  readonly port: number;
  readonly dataDir: string;
  /** A new store on it; the caller closes it. */
  open(endpoint?: string): EtcdStore;
  /** SIGKILL, and waits for its end. */
  kill(): Promise<void>;
  /** Starts it again on its data, and waits until it serves. */
  start(): Promise<void>;
  /** Ends it and removes its data. */
  cleanup(): Promise<void>;
}

export interface TestEtcdOptions {
  /** Further flags for etcd. */
  readonly flags?: readonly string[];
  /** What its stores show; the flags must then make etcd serve TLS. */
  readonly tls?: EtcdTls;
}

/** Whether there is an etcd to test with. Where there must be one (CI), its absence is an error. */
export function hasEtcd(): boolean {
  const found = spawnSync('etcd', ['--version']).status === 0;
  if (!found && process.env.CI) throw new Error('etcd is not installed: these tests must run in CI');
  return found;
}

/** An etcd of its own on a free loopback port, with its data in a temporary directory. */
export async function startTestEtcd(options: TestEtcdOptions = {}): Promise<TestEtcd> {
  const { flags = [], tls } = options;
  const scheme = tls ? 'https' : 'http';
  const dataDir = await mkdtemp(join(tmpdir(), 'coracle-etcd-'));
  const [port, peerPort] = [await freePort(), await freePort()];
  const endpoint = `127.0.0.1:${port}`;
  let child: ChildProcess | undefined;
  let output = '';

  const open = (at = endpoint): EtcdStore =>
    new EtcdStore({ endpoints: [at], tls, clock: systemClock, random: systemRandom, log: silentLog });

  const kill = async (): Promise<void> => {
    const dying = child;
    child = undefined;
    if (!dying || dying.exitCode !== null || dying.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => dying.once('exit', () => resolve()));
    dying.kill('SIGKILL');
    await gone;
  };

  const start = async (): Promise<void> => {
    const started = spawn(
      'etcd',
      [
        '--name=test',
        `--data-dir=${dataDir}`,
        `--listen-client-urls=${scheme}://${endpoint}`,
        `--advertise-client-urls=${scheme}://${endpoint}`,
        `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
        `--initial-advertise-peer-urls=http://127.0.0.1:${peerPort}`,
        `--initial-cluster=test=http://127.0.0.1:${peerPort}`,
        '--heartbeat-interval=20',
        '--election-timeout=100',
        '--logger=zap',
        '--log-level=error',
        ...flags,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    child = started;
    const gather = (data: Buffer): void => {
      output = (output + data).slice(-4000);
    };
    started.stdout?.on('data', gather);
    started.stderr?.on('data', gather);
    const probe = open();
    try {
      await eventually(
        () => {
          if (started.exitCode !== null) throw new Error(`etcd ended: ${output}`);
          return probe.get('/').then(() => true);
        },
        { timeoutMs: 15_000, what: `etcd did not serve: ${output}` },
      );
    } finally {
      await probe.close();
    }
  };

  const cleanup = async (): Promise<void> => {
    await kill();
    await rm(dataDir, { recursive: true, force: true });
  };

  try {
    await start();
  } catch (error) {
    await cleanup();
    throw error;
  }
  return { endpoint, port, dataDir, open, kill, start, cleanup };
}
