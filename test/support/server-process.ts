import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { Agent, type AgentOptions, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ServerOptions } from '../../control-plane/main.ts';
import { systemClock } from '../../shared/clock.ts';
import type { Authority, ClientSubject } from '../../shared/pki/certificates.ts';
import { loadAuthorityFrom } from '../../shared/pki/files.ts';
import { readKubeconfig } from '../../shared/pki/kubeconfig.ts';
import { systemRandom } from '../../shared/random.ts';
import { eventually } from './eventually.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

export type Caller = (method: string, path: string, options?: CallOptions) => Promise<Answer>;

export interface CallOptions {
  readonly body?: string | Uint8Array | object;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A server as people run it: a process, with an etcd of its own and its data in a temporary directory. */
export interface ServerProcess {
  readonly dir: string;
  readonly kubeconfig: string;
  readonly authority: Authority;
  readonly restPort: number;
  /** `127.0.0.1:PORT` of gRPC. */
  readonly grpc: string;
  /** What it has written to its log so far. */
  readonly log: () => string;
  /** Undefined as long as it runs. */
  readonly exitCode: () => number | null;
  /** Resident memory, in bytes. */
  rss(): Promise<number>;
  /** The longest pause of its event loop since this was last asked, in milliseconds (`loop-pauses.ts`). */
  longestPause(): Promise<number>;
  /** Connection options for a user; anonymous without a subject. */
  tls(subject?: ClientSubject): Promise<AgentOptions>;
  /** Requests as a user, over kept connections. */
  caller(subject?: ClientSubject): Promise<Caller>;
  stop(): Promise<void>;
  /** Its thread that serves requests computes for so long (ms). */
  keepBusy(ms: number): void;
  /** SIGKILL, and waits for its end. Its data stays until it is stopped. */
  kill(): Promise<void>;
}

export const administrator: ClientSubject = { user: 'kubernetes-admin', groups: ['system:masters'] };

/** The kubeconfig contains all credentials. */
const noFiles = (path: string): never => {
  throw new Error(`${path} is not in the kubeconfig`);
};

const pki = { clock: systemClock, random: systemRandom };

export interface ProcessOptions {
  /** The most that its heap may grow to. */
  readonly heapMiB?: number;
  /** The directory of a server that was killed, to go on with its data. */
  readonly dir?: string;
}

/** `like`: another server of the same cluster, whose keys it is given. */
export async function startServerProcess(
  { heapMiB, dir: given, ...more }: Partial<ServerOptions> & ProcessOptions = {},
  like?: ServerProcess,
): Promise<ServerProcess> {
  const dir = given ?? (await mkdtemp(join(tmpdir(), 'coracle-server-')));
  if (given) await rm(join(dir, 'admin.kubeconfig'), { force: true });
  if (like) await cp(join(like.dir, 'pki'), join(dir, 'pki'), { recursive: true });
  const options: ServerOptions = {
    dataDir: dir,
    restListen: '127.0.0.1:0',
    grpcListen: '127.0.0.1:0',
    advertiseAddresses: ['127.0.0.1'],
    podCIDR: '10.64.0.0/16',
    serviceCIDR: '10.68.0.0/16',
    logLevel: 'warn',
    ...more,
  };
  const program = fileURLToPath(new URL('./server-child.ts', import.meta.url));
  const heap = heapMiB ? [`--max-old-space-size=${heapMiB}`] : [];
  const child = spawn(process.execPath, [...heap, '--import', 'tsx', program, JSON.stringify(options)], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let log = '';
  child.stderr?.on('data', (data: Buffer) => {
    log = (log + data).slice(-100_000);
  });
  const kubeconfig = join(dir, 'admin.kubeconfig');
  const agents: Agent[] = [];
  const stop = async (): Promise<void> => {
    for (const agent of agents) agent.destroy();
    await end(child);
    await rm(dir, { recursive: true, force: true });
  };
  try {
    await eventually(
      () => {
        if (child.exitCode !== null) throw new Error(`the server ended: ${log}`);
        return existsSync(kubeconfig);
      },
      { timeoutMs: 40_000, what: 'the server did not come up' },
    );
    const authority = await loadAuthorityFrom(join(dir, 'pki'), pki);
    const config = readKubeconfig(await readFile(kubeconfig, 'utf8'), noFiles);
    const restPort = Number(new URL(config.rest).port);
    const tls = async (subject?: ClientSubject): Promise<AgentOptions> => {
      const pair = subject && (await authority.issueClient(subject));
      return { ca: authority.certificate, ...(pair ? { cert: pair.certificate, key: pair.key } : {}) };
    };
    return {
      dir,
      kubeconfig,
      authority,
      restPort,
      tls,
      stop,
      kill: () => end(child, 'SIGKILL'),
      keepBusy: (busyMs) => void child.send({ busyMs }),
      grpc: config.grpc ?? '',
      log: () => log,
      exitCode: () => child.exitCode,
      async rss() {
        const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
        return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
      },
      longestPause: () =>
        new Promise((resolve) => {
          child.once('message', (pause) => resolve(Number(pause)));
          child.send('pause');
        }),
      async caller(subject) {
        const agent = new Agent({ keepAlive: true, ...(await tls(subject)) });
        agents.push(agent);
        return (method, path, given) => call(agent, restPort, method, path, given);
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** One request over HTTPS. A connection that is cut rejects. */
export function call(
  agent: Agent,
  port: number,
  method: string,
  path: string,
  { body, headers = {} }: CallOptions = {},
): Promise<Answer> {
  const plain = body === undefined || typeof body === 'string' || body instanceof Uint8Array;
  const content = plain ? body : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const length = content === undefined ? {} : { 'content-length': Buffer.byteLength(content) };
    const type = content === undefined ? {} : { 'content-type': 'application/json' };
    const sent = request(
      { host: '127.0.0.1', port, method, path, agent, headers: { ...type, ...length, ...headers } },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
        });
      },
    );
    sent.on('error', reject);
    sent.end(content);
  });
}

async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill(signal);
  const forced = setTimeout(() => child.kill('SIGKILL'), 15_000);
  await gone;
  clearTimeout(forced);
}
