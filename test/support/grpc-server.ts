import type { NodeStreams } from '../../control-plane/api/api.ts';
import { Authenticator } from '../../control-plane/api/auth/authenticator.ts';
import { createAuthorizer } from '../../control-plane/api/auth/authorizer.ts';
import { createEnrollment } from '../../control-plane/api/auth/enrollment.ts';
import { LiveCredentials } from '../../control-plane/api/auth/live-credentials.ts';
import { NodeCertificates } from '../../control-plane/api/auth/node-certificates.ts';
import { objectsOf } from '../../control-plane/api/auth/tokens/objects.ts';
import { Chain } from '../../control-plane/api/chain/chain.ts';
import type { FairGate } from '../../control-plane/api/chain/fairness/gate.ts';
import { createGrpcServer, type GrpcServer } from '../../control-plane/api/grpc/server.ts';
import type { KindHandlers } from '../../control-plane/api/requests/unstored.ts';
import { systemClock } from '../../shared/clock.ts';
import type { Pod } from '../../shared/generated/types.ts';
import { silentLog } from '../../shared/log.ts';
import { type Authority, type ClientSubject, createAuthority, loadAuthority } from '../../shared/pki/certificates.ts';
import { systemRandom } from '../../shared/random.ts';
import type { ClientTls } from '../../shared/rpc/channel.ts';
import { createGrpcClient, type GrpcClient } from '../../shared/rpc/client.ts';
import { createRpcSchema, type RpcSchema } from '../../shared/rpc/schema.ts';
import type { SessionServer } from '../../shared/session.ts';
import { startTestApi, type TestApi } from './api-server.ts';
import { bootstrapRbac } from './rbac.ts';

const deps = { clock: systemClock, random: systemRandom };

export const administrator: ClientSubject = { user: 'kubernetes-admin', groups: ['system:masters'] };

export interface TestGrpc extends TestApi {
  readonly server: GrpcServer;
  /** `127.0.0.1:PORT` */
  readonly address: string;
  readonly authority: Authority;
  readonly schema: RpcSchema;
  /** The administrator's. */
  readonly remote: GrpcClient;
  /** What a client of that name shows; no credentials for undefined. */
  tls(subject?: ClientSubject): Promise<ClientTls>;
  /** A client of its own, closed with the server. */
  clientOf(subject?: ClientSubject): Promise<GrpcClient>;
}

/** The whole gRPC surface on loopback: real TLS, real certificates, the pipeline over a memory store. */
export async function startTestGrpc(
  parts: {
    sessions?: SessionServer;
    nodeStreams?: NodeStreams;
    handlers?: KindHandlers;
    port?: number;
    gate?: FairGate;
    takenWithinMs?: number;
  } = {},
): Promise<TestGrpc> {
  const authority = await loadAuthority(await createAuthority('test-ca', deps), deps);
  let pods: () => readonly Pod[] = () => [];
  const authorizer = createAuthorizer({
    rbac: bootstrapRbac(),
    pods: {
      get: (key) => pods().find(({ metadata }) => `${metadata.namespace}/${metadata.name}` === key),
      by: (_index, node) => pods().filter(({ spec }) => spec.nodeName === node),
    },
  });
  const core = await startTestApi({ authorizer, nodeStreams: parts.nodeStreams, handlers: parts.handlers });
  pods = () => core.cache.list('Pod');
  const nodes = new NodeCertificates(objectsOf(core));
  const live = new LiveCredentials({ clock: systemClock, nodes });
  const schema = createRpcSchema();
  const authenticator = new Authenticator({ clock: systemClock, authorizer, nodes });
  const server = createGrpcServer({
    api: core.api,
    chain: new Chain({
      clock: systemClock,
      log: silentLog,
      authenticator,
      live,
      ...(parts.gate ? { gate: parts.gate } : {}),
    }),
    enrollment: createEnrollment({ client: core.client, authority, ...deps, log: silentLog }),
    sessions: parts.sessions ?? { serve: async () => undefined, tunnel: async () => undefined },
    tls: {
      ca: authority.certificate,
      server: await authority.issueServer({ commonName: 'coracle', names: ['localhost', '127.0.0.1'] }),
    },
    ...(parts.takenWithinMs ? { takenWithinMs: parts.takenWithinMs } : {}),
    clock: systemClock,
    log: silentLog,
    schema,
  });
  const address = `127.0.0.1:${await server.listen(`127.0.0.1:${parts.port ?? 0}`)}`;
  server.setServing(true);

  const clients: GrpcClient[] = [];
  const tls = async (subject?: ClientSubject): Promise<ClientTls> => ({
    ca: authority.certificate,
    ...(subject ? { credentials: await authority.issueClient(subject) } : {}),
  });
  const clientOf = async (subject?: ClientSubject): Promise<GrpcClient> => {
    const made = createGrpcClient({ address, tls: await tls(subject) }, { ...deps, schema });
    clients.push(made);
    return made;
  };
  return {
    ...core,
    server,
    address,
    authority,
    schema,
    remote: await clientOf(administrator),
    tls,
    clientOf,
    async stop() {
      for (const client of clients) client.close();
      await server.close(1000);
      await core.stop();
    },
  };
}
