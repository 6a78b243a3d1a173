import { Server } from '@grpc/grpc-js';
import type { PackageDefinition } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation, protoPath as healthProto } from 'grpc-health-check';
import protobuf from 'protobufjs';
import { ApiError } from '../../../shared/errors.ts';
import type { Kind } from '../../../shared/generated/types.ts';
import { isKind } from '../../../shared/kinds/index.ts';
import type { KubeObject } from '../../../shared/object.ts';
import type { PeerServer } from '../../../shared/peers.ts';
import { createRpcSchema, hiddenPackage, type RpcSchema } from '../../../shared/rpc/schema.ts';
import { ReplaceableCredentials, type ServerTls } from '../../../shared/rpc/server-credentials.ts';
import type { SessionServer } from '../../../shared/session.ts';
import { version } from '../../../shared/version.ts';
import { packedJson } from '../../store/cache/packed.ts';
import type { Api } from '../api.ts';
import type { Enrollment } from '../auth/enrollment.ts';
import { RecentEncodings } from '../rest/encoding/recent-encodings.ts';
import { auditedMethod } from './audited-method.ts';
import { type Registered, serverStream, unary } from './calls.ts';
import { Deliveries } from './deliveries.ts';
import { fileDescriptors } from './file-descriptors.ts';
import { kindMethods } from './kind-service.ts';
import { enrollmentMethods, sessionMethods } from './node-methods.ts';
import { peerMethods } from './peers.ts';
import type { CallDeps } from './request.ts';

export interface GrpcServerDeps extends Omit<CallDeps, 'schema' | 'deliveries'> {
  readonly api: Api;
  readonly enrollment: Enrollment;
  readonly sessions: SessionServer;
  /** Serves the other servers of the cluster. Absent: there are none. */
  readonly peers?: PeerServer;
  readonly tls: ServerTls;
  /** How long a client may take to take an answer, in milliseconds; absent: a minute. */
  readonly takenWithinMs?: number;
  /** Absent: built here. */
  readonly schema?: RpcSchema;
}

/** The gRPC surface: one service a kind, Objects, Enrollment, NodeSession, Peers, health and reflection. */
export interface GrpcServer {
  /** Binds `host:port` (port 0: any) and serves; resolves with the port. */
  listen(address: string): Promise<number>;
  /** The state that the health service reports; initially false. */
  setServing(serving: boolean): void;
  /** New certificates for new connections. */
  replaceTls(tls: ServerTls): void;
  /** Refuses new calls, lets those that run end within `graceMs`, then cuts what is left. */
  close(graceMs: number): Promise<void>;
}

/** A request holds one object; etcd takes no more than 1.5 MB of it. */
const maxRequestBytes = 4 * 1024 * 1024;

const settings = {
  'grpc.max_receive_message_length': maxRequestBytes,
  'grpc.max_send_message_length': -1,
  'grpc.max_concurrent_streams': 1000,
  // A dead peer is noticed within half a minute (an agent by its heartbeats, within its lease); long enough that an answer which came
  // while this thread was busy still counts.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 20_000,
};

export function createGrpcServer(given: GrpcServerDeps): GrpcServer {
  const schema = given.schema ?? createRpcSchema();
  const deliveries = new Deliveries(given.clock, given.takenWithinMs);
  const deps = { ...given, schema, deliveries };
  const server = new Server({ ...settings, interceptors: [deliveries.interceptor] });
  // A machine that joins has no certificate yet. grpc-js' getAuthContext shows a certificate only if the CA signed it.
  const credentials = new ReplaceableCredentials(deps.tls, { required: false, sendsAuthority: true });
  const health = new HealthImplementation({ '': 'NOT_SERVING' });

  for (const service of schema.kinds) register(server, kindMethods(deps, service));
  register(server, [watchKinds(deps), ...enrollmentMethods(deps)]);
  register(server, [versionMethod(deps)]);
  register(server, sessionMethods(deps));
  if (deps.peers) register(server, peerMethods(deps, deps.peers));
  health.addToServer(server);
  new ReflectionService(reflected(schema)).addToServer(server);

  return {
    listen: (address) =>
      new Promise((resolve, reject) => {
        server.bindAsync(address, credentials, (error, port) => (error ? reject(error) : resolve(port)));
      }),
    setServing: (serving) => health.setStatus('', serving ? 'SERVING' : 'NOT_SERVING'),
    replaceTls: (tls) => credentials.replace(tls),
    close(graceMs) {
      health.setStatus('', 'NOT_SERVING');
      return new Promise((resolve) => {
        const timer = deps.clock.timer(graceMs, () => server.forceShutdown());
        server.tryShutdown(() => {
          timer.cancel();
          resolve();
        });
      });
    },
  };
}

function register(server: Server, methods: readonly Registered[]): void {
  for (const { definition, handler } of methods) server.addService({ method: definition }, { method: handler });
}

type Deps = GrpcServerDeps & { schema: RpcSchema };

function watchKinds(deps: Deps): Registered {
  const toJson = cachedJson();
  return serverStream(deps, deps.schema.objects.Watch, async function* (context, { kinds = [] }) {
    for await (const { events, ...batch } of deps.api.watchKinds(context, kinds.map(requireKind))) {
      yield { ...batch, events: events.map(({ type, kind, object }) => ({ type, kind, object: toJson(object) })) };
    }
  });
}

function requireKind(name: string): Kind {
  if (!isKind(name)) throw new ApiError('BadRequest', `there is no kind ${JSON.stringify(name)}`);
  return name;
}

/** Stored objects never change, so the JSON of one is made once for all its watchers. */
function cachedJson(): (object: KubeObject) => Uint8Array {
  const encodings = new RecentEncodings();
  return (object) => {
    const parts = packedJson(object);
    if (parts) return Buffer.concat(parts);
    return encodings.get(object, 'json', () => Buffer.from(JSON.stringify(object)));
  };
}

function versionMethod(deps: Deps): Registered {
  const { Version } = deps.schema.servers;
  return unary(deps, Version, (context) =>
    auditedMethod(deps.chain, context, { path: Version.path }, async () => ({ version })),
  );
}

/** The files of this API, and the health service's under its canonical name. */
function reflected(schema: RpcSchema): PackageDefinition {
  const health = protobuf.loadSync(healthProto);
  health.resolveAll();
  const files = [
    ...fileDescriptors(schema.root, { hidden: [hiddenPackage] }),
    ...fileDescriptors(health, { syntax: 'proto3', nameOf: () => 'grpc/health/v1/health.proto' }),
  ];
  const definition = {
    format: 'Protocol Buffer 3 DescriptorProto',
    type: {},
    fileDescriptorProtos: files.map(({ bytes }) => Buffer.from(bytes)),
  };
  return { 'coracle.v1': definition } as unknown as PackageDefinition;
}
