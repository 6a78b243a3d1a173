import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { get } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { readKubeconfig } from '../../../shared/pki/kubeconfig.ts';
import { freePort } from '../../support/free-port.ts';
import { type BenchContext, until } from './bench.ts';
import { findProcess } from './processes.ts';
import type { RestTarget } from './rest.ts';

export const coracle = join(import.meta.dirname, '..', '..', '..', 'bin', 'coracle');

/** A real `coracle server`, in a process of its own with an etcd of its own. */
export interface BenchServer {
  readonly dataDir: string;
  readonly pid: number;
  readonly etcdPid: number;
  /** From the spawn to the first 200 of `/readyz`, in milliseconds. */
  readonly readyMs: number;
  readonly rest: RestTarget;
  /** Where its etcd is reached: `unix:…`. */
  readonly etcd: string;
  /** Stops it in order; its data stays. */
  stop(): Promise<void>;
}

export interface ServerOptions {
  /** A directory of its own when absent. */
  readonly dataDir?: string;
  /** Flags for Node. */
  readonly node?: readonly string[] | undefined;
}

const readyLimitMs = 60_000;
const stopLimitMs = 20_000;

/** Resolves when the server is ready. It ends with the benchmark. */
export async function startServer(context: BenchContext, options: ServerOptions = {}): Promise<BenchServer> {
  const dataDir = options.dataDir ?? context.directory();
  const [restPort, grpcPort, heartbeatPort] = [await freePort(), await freePort(), await freePort()];
  const args = [
    'server',
    '--data-dir',
    dataDir,
    '--log-level',
    'warn',
    '--advertise-address',
    '127.0.0.1',
    '--rest-listen',
    `127.0.0.1:${restPort}`,
    '--grpc-listen',
    `127.0.0.1:${grpcPort}`,
    '--heartbeat-listen',
    `127.0.0.1:${heartbeatPort}`,
  ];
  const began = performance.now();
  const [program, ...words] = options.node ? [process.execPath, ...options.node, coracle] : [coracle];
  const child = spawn(program, [...words, ...args], { stdio: ['ignore', 'inherit', 'inherit'] });
  const stop = (): Promise<void> => end(child);
  context.defer(stop);
  await until('the server is ready', () => alive(child) && isReady(restPort), { timeoutMs: readyLimitMs, everyMs: 5 });
  const readyMs = performance.now() - began;
  const etcdData = join(dataDir, 'etcd', 'data');
  const etcdPid = findProcess('--name=coracle', `--data-dir=${etcdData}`);
  if (!child.pid || !etcdPid) throw new Error('the server runs no etcd of its own');
  const kubeconfig = join(dataDir, 'admin.kubeconfig');
  await until('the server has written its kubeconfig', () => existsSync(kubeconfig), { timeoutMs: 5_000 });
  const access = readKubeconfig(readFileSync(kubeconfig, 'utf8'), (path) => readFileSync(path, 'utf8'));
  if (!access.credentials) throw new Error('the kubeconfig holds no credentials');
  const { certificate: cert, key } = access.credentials;
  const etcd = `unix:${join(dataDir, 'etcd', 'run', 'client:0')}`;
  const rest = { url: access.rest, ca: access.ca, cert, key };
  return { dataDir, pid: child.pid, etcdPid, readyMs, rest, etcd, stop };
}

/** Ends a process that this one started: in order, by force after a while. */
export async function end(child: ChildProcess, limitMs = stopLimitMs): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const force = setTimeout(() => child.kill('SIGKILL'), limitMs);
  await gone;
  clearTimeout(force);
}

function alive(child: ChildProcess): true {
  if (child.exitCode !== null || child.signalCode !== null) throw new Error('the server has ended');
  return true;
}

/** The cheapest check: a connection to a port without a listener costs no handshake. */
async function isReady(port: number): Promise<boolean> {
  return (await listens(port)) && (await answersReady(port));
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

function answersReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    // Anybody may ask for this; the CA is not known before the server has made it.
    const options = { host: '127.0.0.1', port, path: '/readyz', rejectUnauthorized: false, agent: false } as const;
    const request = get({ ...options, timeout: 2_000 }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode === 200));
    });
    request.once('timeout', () => request.destroy());
    request.once('error', () => resolve(false));
  });
}
