import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { Authenticator } from '../../control-plane/api/auth/authenticator.ts';
import type { TokenAuthenticator } from '../../control-plane/api/auth/token-cache.ts';
import { Chain } from '../../control-plane/api/chain/chain.ts';
import { createGrpcServer } from '../../control-plane/api/grpc/server.ts';
import { createRestServer } from '../../control-plane/api/rest/server.ts';
import { type ControlPlane, createControlPlane } from '../../control-plane/control-plane.ts';
import { MemoryStore } from '../../control-plane/store/memory.ts';
import { systemClock as clock } from '../../shared/clock.ts';
import { silentLog } from '../../shared/log.ts';
import { type Authority, createAuthority, type KeyPair, loadAuthority } from '../../shared/pki/certificates.ts';
import { writeKubeconfig } from '../../shared/pki/kubeconfig.ts';
import { systemRandom as random } from '../../shared/random.ts';
import { kubectlProgram } from './kubectl-program.ts';

const run = promisify(execFile);

export const rbac = '/apis/rbac.authorization.k8s.io/v1';
export const rbacGroup = 'rbac.authorization.k8s.io';
export const subject = (kind: string, name: string) => ({ kind, name, apiGroup: rbacGroup });

interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: the wire's edge, in tests
  readonly json: any;
}

/** A whole control plane on a memory store, with both of its surfaces. */
export interface RbacServer {
  readonly controlPlane: ControlPlane;
  readonly authority: Authority;
  readonly dir: string;
  readonly grpc: string;
  /** A certificate of a user with groups, the same for the same names. `''`: an anonymous user. */
  pair(user: string, groups?: readonly string[]): Promise<KeyPair | undefined>;
  call(
    who: string,
    method: string,
    path: string,
    body?: object,
    headers?: Record<string, string | string[]>,
  ): Promise<Answer>;
  /** Binds a ClusterRole, in a namespace or everywhere. */
  bind(name: string, role: string, who: object, namespace?: string): Promise<void>;
  /** Resolves with what kubectl printed; with its error's text when it failed. */
  kubectl(who: string, args: readonly string[], input?: string): Promise<string>;
  kubeconfig(who: string): Promise<string>;
  stop(): Promise<void>;
}

const robots: TokenAuthenticator = {
  async authenticate(token) {
    return token === 'robot-token' ? { user: 'robot', groups: ['robots'] } : undefined;
  },
};

export async function startRbacServer(): Promise<RbacServer> {
  const authority = await loadAuthority(await createAuthority('test', { clock, random }), { clock, random });
  const serverPair = await authority.issueServer({ commonName: 'apiserver', names: ['127.0.0.1', 'localhost'] });
  const stop = new AbortController();
  const store = new MemoryStore({ clock });
  const parts = { store, clock, random, log: silentLog };
  const controlPlane = createControlPlane({ ...parts, holder: 'test', clusterCIDR: '10.64.0.0/16' });
  const { api, authorizer } = controlPlane;
  const authenticator = new Authenticator({ clock, authorizer, tokens: [robots] });
  const chain = new Chain({ clock, log: silentLog, authenticator });
  const rest = createRestServer({
    api,
    authorizer,
    chain,
    clock,
    log: silentLog,
    kinds: controlPlane.kinds,
    tls: { cert: serverPair.certificate, key: serverPair.key, ca: authority.certificate },
  });
  const grpc = createGrpcServer({
    api,
    chain,
    clock,
    log: silentLog,
    sessions: controlPlane.sessions,
    enrollment: {
      holderOf: () => Promise.reject(new Error('none')),
      enroll: () => Promise.reject(new Error('none')),
      renew: () => Promise.reject(new Error('none')),
    },
    tls: { ca: authority.certificate, server: serverPair },
  });
  const running = controlPlane.run(stop.signal);
  await controlPlane.ready(stop.signal);
  const port = await rest.listen(0, '127.0.0.1');
  const grpcPort = await grpc.listen('127.0.0.1:0');
  const dir = await mkdtemp(join(tmpdir(), 'coracle-rbac-'));
  const pairs = new Map<string, Promise<KeyPair>>();
  const agents = new Map<string, Agent>();

  const pair = async (user: string, groups: readonly string[] = []) => {
    if (user === '') return undefined;
    const known = pairs.get(user) ?? authority.issueClient({ user, groups });
    pairs.set(user, known);
    return known;
  };
  const agentOf = async (user: string): Promise<Agent> => {
    const own = await pair(user);
    const agent =
      agents.get(user) ??
      new Agent({ keepAlive: true, ca: authority.certificate, cert: own?.certificate, key: own?.key });
    agents.set(user, agent);
    return agent;
  };
  const kubeconfigOf = async (user: string): Promise<string> => {
    const credentials = await pair(user);
    if (!credentials) throw new Error('an anonymous user has no kubeconfig');
    const path = join(dir, `${user}.kubeconfig`);
    const text = writeKubeconfig({
      cluster: 'test',
      user,
      credentials,
      ca: authority.certificate,
      rest: `https://127.0.0.1:${port}`,
      grpc: `127.0.0.1:${grpcPort}`,
    });
    await writeFile(path, text, { mode: 0o600 });
    return path;
  };
  const call: RbacServer['call'] = async (who, method, path, body, headers = {}) => {
    const agent = await agentOf(who);
    const type = body ? { 'content-type': 'application/json' } : {};
    return new Promise((resolve, reject) => {
      const sent = request(
        { host: '127.0.0.1', port, method, path, agent, headers: { ...type, ...headers } },
        (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (chunk) => {
            text += chunk;
          });
          response.on('end', () => {
            const json = text.startsWith('{') ? JSON.parse(text) : text;
            resolve({ status: response.statusCode ?? 0, json });
          });
        },
      );
      sent.on('error', reject);
      sent.end(body && JSON.stringify(body));
    });
  };
  await pair('admin', ['system:masters']);
  const other = await loadAuthority(await createAuthority('other', { clock, random }), { clock, random });
  pairs.set('impostor', other.issueClient({ user: 'kubernetes-admin', groups: ['system:masters'] }));
  return {
    controlPlane,
    authority,
    dir,
    grpc: `127.0.0.1:${grpcPort}`,
    pair,
    call,
    async bind(name, role, who, namespace) {
      const path = namespace ? `${rbac}/namespaces/${namespace}/rolebindings` : `${rbac}/clusterrolebindings`;
      const roleRef = { apiGroup: rbacGroup, kind: 'ClusterRole', name: role };
      const made = await call('admin', 'POST', path, { metadata: { name }, roleRef, subjects: [who] });
      expect(made.status).toBe(201);
    },
    async kubectl(who, args, input = '') {
      const env = { PATH: process.env.PATH, HOME: dir, KUBECONFIG: await kubeconfigOf(who) };
      const running = run(kubectlProgram, [...args, `--cache-dir=${dir}/cache`], { env, timeout: 30_000 });
      running.child.stdin?.end(input);
      return running.then(
        ({ stdout }) => stdout,
        ({ stdout, stderr }: { stdout: string; stderr: string }) => stdout + stderr,
      );
    },
    kubeconfig: kubeconfigOf,
    async stop() {
      for (const agent of agents.values()) agent.destroy();
      await Promise.all([rest.close(), grpc.close(100)]);
      controlPlane.sessions.close();
      stop.abort();
      await running;
      await store.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
