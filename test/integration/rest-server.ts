import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import type { NodeStreams } from '../../control-plane/api/api.ts';
import { Authenticator } from '../../control-plane/api/auth/authenticator.ts';
import { createAuthorizer } from '../../control-plane/api/auth/authorizer.ts';
import { groups } from '../../control-plane/api/auth/identity.ts';
import { Chain } from '../../control-plane/api/chain/chain.ts';
import { FairGate } from '../../control-plane/api/chain/fairness/gate.ts';
import { createRestServer, type RestServer } from '../../control-plane/api/rest/server.ts';
import type { Store } from '../../control-plane/store/store.ts';
import { systemClock } from '../../shared/clock.ts';
import { silentLog } from '../../shared/log.ts';
import { type Authority, createAuthority, type KeyPair, loadAuthority } from '../../shared/pki/certificates.ts';
import { writeKubeconfig } from '../../shared/pki/kubeconfig.ts';
import { systemRandom } from '../../shared/random.ts';
import { startTestApi, type TestApi } from '../support/api-server.ts';
import { bootstrapRbac } from '../support/rbac.ts';

export interface TestRest extends TestApi {
  readonly rest: RestServer;
  readonly port: number;
  /** With an administrator's kubeconfig and a cache directory of its own. */
  readonly dir: string;
  readonly kubeconfig: string;
  readonly authority: Authority;
  /** One request; as an administrator unless another certificate, or none, is given. */
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
}

export interface CallOptions {
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  readonly as?: KeyPair | 'nobody';
}

export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly text: string;
  readonly bytes: Buffer;
  // biome-ignore lint/suspicious/noExplicitAny: the wire's edge, in tests
  readonly json: any;
}

/** The REST API on a free loopback port, with a CA of its own. */
export async function startTestRest(parts: { store?: Store; nodeStreams?: NodeStreams } = {}): Promise<TestRest> {
  const clock = systemClock;
  const pki = { clock, random: systemRandom };
  const authority = await loadAuthority(await createAuthority('test', pki), pki);
  const serverPair = await authority.issueServer({ commonName: 'apiserver', names: ['127.0.0.1', 'localhost'] });
  const admin = await authority.issueClient({ user: 'kubernetes-admin', groups: [groups.masters] });
  const authorizer = createAuthorizer({ pods: { get: () => undefined, by: () => [] }, rbac: bootstrapRbac() });
  const server = await startTestApi({ ...parts, authorizer });
  const authenticator = new Authenticator({ clock, authorizer });
  const rest = createRestServer({
    api: server.api,
    kinds: server.kinds,
    chain: new Chain({
      clock,
      log: silentLog,
      authenticator,
      gate: new FairGate({ clock, sizeOf: (kind, namespace) => server.cache.count(kind, namespace) }),
    }),
    authorizer,
    clock,
    log: silentLog,
    tls: { cert: serverPair.certificate, key: serverPair.key, ca: authority.certificate },
    registry: new Registry(),
    checks: { ready: { cache: () => server.cache.revision > 0 } },
  });
  const port = await rest.listen(0, '127.0.0.1');
  const dir = await mkdtemp(join(tmpdir(), 'coracle-rest-'));
  const kubeconfig = join(dir, 'kubeconfig');
  await writeFile(
    kubeconfig,
    writeKubeconfig({
      cluster: 'test',
      user: 'kubernetes-admin',
      rest: `https://127.0.0.1:${port}`,
      grpc: '127.0.0.1:1',
      ca: authority.certificate,
      credentials: admin,
    }),
    { mode: 0o600 },
  );
  const agents = new Map<KeyPair | undefined, Agent>();
  const agentFor = (pair: KeyPair | undefined): Agent => {
    let agent = agents.get(pair);
    if (!agent) {
      agent = new Agent({ keepAlive: true, ca: authority.certificate, cert: pair?.certificate, key: pair?.key });
      agents.set(pair, agent);
    }
    return agent;
  };
  return {
    ...server,
    rest,
    port,
    dir,
    kubeconfig,
    authority,
    call: (method, path, { body, headers = {}, as = admin } = {}) =>
      new Promise((resolve, reject) => {
        const ready = body === undefined || typeof body === 'string' || body instanceof Uint8Array;
        const text = ready ? body : JSON.stringify(body);
        const sent = request(
          {
            host: '127.0.0.1',
            port,
            method,
            path,
            agent: agentFor(as === 'nobody' ? undefined : as),
            headers: {
              ...(text === undefined
                ? {}
                : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
              ...headers,
            },
          },
          (response) => {
            const chunks: Buffer[] = [];
            response.on('data', (chunk: Buffer) => chunks.push(chunk));
            response.on('end', () => {
              const bytes = Buffer.concat(chunks);
              resolve({
                status: response.statusCode ?? 0,
                headers: response.headers,
                bytes,
                text: bytes.toString(),
                get json() {
                  return JSON.parse(bytes.toString());
                },
              });
            });
          },
        );
        sent.on('error', reject);
        sent.end(text);
      }),
    async stop() {
      for (const agent of agents.values()) agent.destroy();
      await rest.close();
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
