import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Authenticator } from '../../control-plane/api/auth/authenticator.ts';
import { groups } from '../../control-plane/api/auth/identity.ts';
import { issuerDocuments } from '../../control-plane/api/auth/tokens/index.ts';
import { Chain } from '../../control-plane/api/chain/chain.ts';
import { createRestServer } from '../../control-plane/api/rest/server.ts';
import type { ControlPlane } from '../../control-plane/control-plane.ts';
import { systemClock } from '../../shared/clock.ts';
import { silentLog } from '../../shared/log.ts';
import type { Authority, KeyPair } from '../../shared/pki/certificates.ts';
import { writeKubeconfig } from '../../shared/pki/kubeconfig.ts';
import { complaintsOf, inWordsOf132, kubectlProgram } from './kubectl-program.ts';

export interface Ran {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface RunningKubectl {
  readonly child: ChildProcess;
  /** What it has written so far. */
  readonly so: { out: string; err: string };
  readonly done: Promise<Ran>;
}

/** Real kubectl against a control plane's REST API, which this serves. */
export interface Kubectl {
  readonly port: number;
  readonly dir: string;
  readonly ca: string;
  readonly admin: KeyPair;
  /** `input`: all of its standard input; without it there is none. Killed when it takes longer than a minute. */
  run(args: readonly string[], options?: { input?: string | Buffer; env?: NodeJS.ProcessEnv }): Promise<Ran>;
  /** Its standard input stays open. */
  start(args: readonly string[], options?: { env?: NodeJS.ProcessEnv; command?: string }): RunningKubectl;
  readonly environment: NodeJS.ProcessEnv;
  close(): Promise<void>;
}

const limitMs = 60_000;

export async function serveKubectl(parts: {
  controlPlane: ControlPlane;
  authority: Authority;
  requestMs?: number;
}): Promise<Kubectl> {
  const { controlPlane, authority, requestMs } = parts;
  const { api, authorizer } = controlPlane;
  const clock = systemClock;
  const pair = await authority.issueServer({ commonName: 'apiserver', names: ['127.0.0.1', 'localhost'] });
  const admin = await authority.issueClient({ user: 'kubernetes-admin', groups: [groups.masters] });
  const authenticator = new Authenticator({ clock, authorizer, tokens: controlPlane.tokens?.authenticators });
  let port = 0;
  const tokens = controlPlane.tokens?.accounts;
  const rest = createRestServer({
    api,
    authorizer,
    clock,
    kinds: controlPlane.kinds,
    chain: new Chain({ clock, log: silentLog, authenticator }),
    ...(tokens
      ? {
          issuer: issuerDocuments({ issuer: tokens.issuer, keys: tokens.keys, url: () => `https://127.0.0.1:${port}` }),
        }
      : {}),
    log: silentLog,
    ...(requestMs ? { requestMs } : {}),
    tls: { cert: pair.certificate, key: pair.key, ca: authority.certificate },
  });
  port = await rest.listen(0, '127.0.0.1');
  const dir = await mkdtemp(join(tmpdir(), 'coracle-kubectl-'));
  await writeFile(join(dir, 'ca.crt'), authority.certificate);
  const kubeconfig = join(dir, 'kubeconfig');
  const access = { cluster: 'test', user: 'kubernetes-admin', grpc: '127.0.0.1:1', ca: authority.certificate };
  await writeFile(kubeconfig, writeKubeconfig({ ...access, rest: `https://127.0.0.1:${port}`, credentials: admin }), {
    mode: 0o600,
  });
  const environment = { PATH: process.env.PATH, HOME: dir, KUBECONFIG: kubeconfig, TERM: 'dumb' };
  const start: Kubectl['start'] = (args, { env = {}, command = kubectlProgram } = {}) => {
    const child = spawn(command, args, { env: { ...environment, ...env }, cwd: dir });
    const so = { out: '', err: '' };
    child.stdout.setEncoding('utf8').on('data', (text) => {
      so.out += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      so.err += text;
    });
    // It may end before it has read its input.
    child.stdin.on('error', () => undefined);
    const late = setTimeout(() => child.kill('SIGKILL'), limitMs);
    const done = new Promise<Ran>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve({ code, out: inWordsOf132(so.out), err: complaintsOf(so.err) }));
    }).finally(() => clearTimeout(late));
    return { child, so, done };
  };
  return {
    port,
    dir,
    admin,
    environment,
    ca: authority.certificate,
    start,
    run(args, { input, env } = {}) {
      const { child, done } = start(args, { env });
      child.stdin?.end(input ?? '');
      return done;
    },
    async close() {
      await rest.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
