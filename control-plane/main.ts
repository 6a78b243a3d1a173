import { spawn } from 'node:child_process';
import { isIPv4 } from 'node:net';
import { hostname, networkInterfaces, totalmem } from 'node:os';
import { join } from 'node:path';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { bracketed, splitAddress } from '../shared/address.ts';
import { systemClock as clock } from '../shared/clock.ts';
import { messageOf } from '../shared/errors.ts';
import { createLog, type Log } from '../shared/log.ts';
import { overlaps, parseCidr } from '../shared/net/ipv4.ts';
import { systemRandom as random } from '../shared/random.ts';
import { grpcPeers } from '../shared/rpc/peers.ts';
import { createRpcSchema } from '../shared/rpc/schema.ts';
import { serverUser } from '../shared/well-known.ts';
import { storageLimits } from './api/admission/storage-quota.ts';
import { Authenticator } from './api/auth/authenticator.ts';
import { createEnrollment } from './api/auth/enrollment.ts';
import { defaultIssuer, issuerDocuments, loadTokenKeys, type TokenKeys } from './api/auth/tokens/index.ts';
import { type AuditOptions, createAuditor } from './api/chain/audit/create-auditor.ts';
import { Chain } from './api/chain/chain.ts';
import { FairGate } from './api/chain/fairness/gate.ts';
import { grpcMetrics } from './api/grpc/metrics.ts';
import { createGrpcServer } from './api/grpc/server.ts';
import { firstAddress } from './api/resources/service/claims.ts';
import { createRestServer } from './api/rest/server.ts';
import { Certificates } from './certificates.ts';
import { createControlPlane } from './control-plane.ts';
import { takeDataDir } from './data-dir.ts';
import { KubernetesService } from './kubernetes-service.ts';
import { requireClusterCIDR } from './nodes/pod-cidr.ts';
import { encrypted } from './secrets.ts';
import { startLiveness } from './start-liveness.ts';
import type { EncryptedStore } from './store/encryption/index.ts';
import { EtcdStore } from './store/etcd/etcd-store.ts';
import { type EtcdFiles, etcdTls } from './store/etcd/files.ts';
import { EtcdProcess, etcdQuota } from './store/etcd/process.ts';
import { keepEtcdSpace } from './store/etcd/space.ts';
import { type ObserveStore, storeMetrics } from './store/metrics.ts';

export interface ServerOptions extends EtcdFiles, AuditOptions {
  readonly dataDir: string;
  /** `host:port` or URLs of an etcd. Absent: the server starts and supervises its own. */
  readonly etcdEndpoints?: readonly string[];
  /** `host:port` */
  readonly restListen: string;
  readonly grpcListen: string;
  /** Where nodes send their heartbeats. Absent: the port after that of gRPC. */
  readonly heartbeatListen?: string;
  /** What clients dial, beyond this machine's own names and addresses; the first is written into kubeconfigs. */
  readonly advertiseAddresses: readonly string[];
  /** By which name or address other servers reach this one's gRPC API. Absent: where that listens, or else this machine's own. */
  readonly peerAdvertiseAddress?: string;
  /** The range that nodes get their pods' addresses from. */
  readonly podCIDR: string;
  /** The range that services get their addresses from. */
  readonly serviceCIDR: string;
  /** The issuer of service account tokens, a URL. Absent: the API server's name in the cluster. */
  readonly tokenIssuer?: string;
  readonly logLevel: string;
  /** How long events are kept, in seconds; absent: an hour. */
  readonly eventTtlSeconds?: number;
  /** What stored objects may take of memory, in bytes. Absent: what the machine allows (`api/admission/storage-quota.ts`). */
  readonly storageQuota?: number;
}

/** How long requests that run may take to end when the server stops. */
const graceMs = 3_000;

/** `coracle server`: runs until aborted, then stops in order. Rejects when it can't start or can't go on. */
export async function runServer(options: ServerOptions, signal: AbortSignal): Promise<void> {
  const log = createLog(options.logLevel, { program: 'server' });
  const started = clock.monotonic();
  const metrics = new Registry();
  collectDefaultMetrics({ register: metrics });
  const observe = storeMetrics(metrics);
  checkRanges(options);
  const dataDir = await takeDataDir(options.dataDir, random);
  const etcd = options.etcdEndpoints?.length ? undefined : ownEtcd(options.dataDir, log);
  try {
    const [certificates, tokenKeys, store] = await Promise.all([
      Certificates.load({ dataDir: options.dataDir, clock, random, log }, [
        ...options.advertiseAddresses,
        ...(options.peerAdvertiseAddress ? [options.peerAdvertiseAddress] : []),
        firstAddress(options.serviceCIDR),
      ]),
      loadTokenKeys(join(options.dataDir, 'pki', 'service-accounts'), { clock, random }),
      openStore(options, etcd, { log, observe }, signal),
    ]);
    try {
      const endpoints = endpointsOf(options, etcd);
      const found = { certificates, tokenKeys, store, endpoints };
      const parts = { ...found, log, metrics, observe, started, holder: dataDir.serverId };
      await serve(options, parts, signal);
    } finally {
      await store.close();
    }
  } finally {
    await etcd?.stop();
    await dataDir.release();
  }
}

interface Parts {
  readonly certificates: Certificates;
  readonly tokenKeys: TokenKeys;
  readonly store: EncryptedStore;
  readonly log: Log;
  readonly metrics: Registry;
  /** RecordedEvent of each call to etcd. */
  readonly observe: ObserveStore;
  /** Of etcd. */
  readonly endpoints: readonly string[];
  readonly holder: string;
  /** By the monotonic clock, in milliseconds. */
  readonly started: number;
}

async function serve(options: ServerOptions, parts: Parts, stop: AbortSignal): Promise<void> {
  const { certificates, tokenKeys, store, log, metrics } = parts;
  const issuer = options.tokenIssuer ?? defaultIssuer;
  const auditor = await createAuditor(options, {
    clock,
    random,
    log: log.child({ component: 'audit' }),
    registry: metrics,
  });
  const schema = createRpcSchema();
  const peers = grpcPeers({
    clock,
    schema,
    log: log.child({ component: 'peers' }),
    tls: { ca: certificates.authority.certificate, serverUser },
    credentials: () => certificates.peer(parts.holder),
  });
  const failed = new AbortController();
  const liveness = startLiveness(
    {
      server: parts.holder,
      logLevel: options.logLevel,
      tls: grpcTls(certificates),
      etcd: { endpoints: parts.endpoints, ...etcdTls(options) },
    },
    { failed: (error) => failed.abort(error), observe: parts.observe },
  );
  const own = ownAddresses(options);
  let heartbeatPort = 0;
  const controlPlane = createControlPlane({
    store,
    clock,
    random,
    log,
    metrics,
    auditor,
    liveness,
    heartbeats: () => ({ ...(own.host === undefined ? {} : { host: own.host }), port: heartbeatPort }),
    holder: parts.holder,
    hostname: hostname(),
    clusterCIDR: options.podCIDR,
    serviceCIDR: options.serviceCIDR,
    storageLimits: storageLimits(Math.min(totalmem(), process.constrainedMemory() || totalmem()), options.storageQuota),
    ...(options.eventTtlSeconds === undefined ? {} : { eventTtlSeconds: options.eventTtlSeconds }),
    tokenKeys,
    tokenIssuer: issuer,
    authority: certificates.authority,
    peers,
  });
  const { api, authorizer } = controlPlane;
  const enrollment = createEnrollment({
    client: controlPlane.client,
    authority: certificates.authority,
    clock,
    random,
    log,
  });

  const { nodeCertificates: nodes, liveCredentials: live } = controlPlane;
  const authenticator = new Authenticator({ clock, authorizer, nodes, tokens: controlPlane.tokens?.authenticators });
  const gate = new FairGate({
    clock,
    registry: metrics,
    sizeOf: (kind, namespace) => controlPlane.cache.count(kind, namespace),
  });
  const chain = new Chain({ clock, log: log.child({ component: 'chain' }), authenticator, auditor, gate, live });
  let restUrl = '';
  const rest = createRestServer({
    api,
    authorizer,
    chain,
    clock,
    registry: metrics,
    kinds: controlPlane.kinds,
    issuer: issuerDocuments({ issuer, keys: tokenKeys, url: () => restUrl }),
    log: log.child({ component: 'rest' }),
    tls: restTls(certificates),
    checks: { ready: { etcd: async () => void (await store.get('/')) } },
  });
  const grpc = createGrpcServer({
    api,
    chain,
    enrollment,
    clock,
    schema,
    sessions: controlPlane.sessions,
    peers: controlPlane.peerServer,
    log: log.child({ component: 'grpc' }),
    observe: grpcMetrics(metrics),
    tls: grpcTls(certificates),
  });

  const signal = AbortSignal.any([stop, failed.signal]);
  const running = controlPlane.run(signal).catch((error) => failed.abort(error));
  try {
    await controlPlane.ready(signal);
    const { host, port } = splitAddress(options.restListen);
    const restPort = await rest.listen(port, host);
    heartbeatPort = await liveness.listen(options.heartbeatListen ?? portAfter(options.grpcListen));
    const grpcPort = await grpc.listen(options.grpcListen);
    await liveness.announce({
      id: parts.holder,
      host: hostname(),
      ...(own.rest ? { rest: `${own.rest}:${restPort}` } : {}),
      ...(own.host ? { grpc: `${bracketed(own.host)}:${grpcPort}` } : {}),
    });
    const kubernetes = new KubernetesService({
      client: controlPlane.client,
      clock,
      log: log.child({ component: 'kubernetes-service' }),
      clusterIP: firstAddress(options.serviceCIDR),
      port: restPort,
    });
    await kubernetes.look();
    grpc.setServing(true);
    const address = options.advertiseAddresses[0] ?? hostToDial(host);
    restUrl = `https://${bracketed(address)}:${restPort}`;
    const writeAccess = () => certificates.writeAdminKubeconfig(restUrl, `${bracketed(address)}:${grpcPort}`);
    const kubeconfig = await writeAccess();
    const ms = Math.round(clock.monotonic() - parts.started);
    log.info({ rest: restPort, grpc: grpcPort, heartbeats: heartbeatPort, kubeconfig, ms }, 'ready');
    const fresh = certificates.keepFresh(async () => {
      rest.setCertificate(restTls(certificates));
      grpc.replaceTls(grpcTls(certificates));
      liveness.replaceTls(grpcTls(certificates));
      await writeAccess();
    }, signal);
    const settled = store.settle(signal).catch((error: unknown) => {
      if (!signal.aborted) log.warn({ err: messageOf(error) }, 'not everything old is encrypted yet');
    });
    const ownEtcd = options.etcdEndpoints?.length ? {} : { quota: etcdQuota };
    const etcdAt = { endpoints: parts.endpoints, ...etcdTls(options), ...ownEtcd };
    const space = keepEtcdSpace({ ...etcdAt, clock, log: log.child({ component: 'etcd-space' }) }, signal);
    await Promise.all([fresh, running, settled, kubernetes.run(signal), space]);
    failed.signal.throwIfAborted();
  } catch (error) {
    if (!stop.aborted) throw error;
  } finally {
    log.info('stopping');
    failed.abort(new Error('stopped'));
    controlPlane.sessions.close();
    peers.close();
    await Promise.all([rest.close(), grpc.close(graceMs)]);
    await auditor.close();
    await running;
    await liveness.stop();
  }
}

/** Throws an Error that names the range that cannot be used. */
function checkRanges({ podCIDR, serviceCIDR }: Pick<ServerOptions, 'podCIDR' | 'serviceCIDR'>): void {
  const pods = requireClusterCIDR(podCIDR);
  const services = parseCidr(serviceCIDR);
  if (!services)
    throw new Error(`${JSON.stringify(serviceCIDR)} is not an IPv4 range for services, such as 10.68.0.0/16`);
  if (overlaps(pods, services)) throw new Error(`the range of services ${services} overlaps that of pods ${pods}`);
}

function ownEtcd(dataDir: string, log: Log): EtcdProcess {
  return new EtcdProcess({ dataDir, spawn, clock, random, log: log.child({ component: 'etcd' }) });
}

async function openStore(
  options: ServerOptions,
  etcd: EtcdProcess | undefined,
  { log, observe }: Pick<Parts, 'log' | 'observe'>,
  signal: AbortSignal,
): Promise<EncryptedStore> {
  await etcd?.start(signal);
  const storeLog = log.child({ component: 'store' });
  const store = new EtcdStore({
    clock,
    random,
    log: storeLog,
    observe,
    endpoints: endpointsOf(options, etcd),
    ...etcdTls(options),
  });
  try {
    return await encrypted(store, options.dataDir, storeLog);
  } catch (error) {
    await store.close();
    throw error;
  }
}

function endpointsOf({ etcdEndpoints = [] }: ServerOptions, etcd: EtcdProcess | undefined): readonly string[] {
  return etcd ? [etcd.endpoint] : etcdEndpoints;
}

function restTls({ server, authority }: Certificates) {
  return { cert: server.certificate, key: server.key, ca: authority.certificate };
}

function grpcTls({ server, authority }: Certificates) {
  return { ca: authority.certificate, server };
}

/** The address whose port is the next; any port after any. */
function portAfter(address: string): string {
  const { host, port } = splitAddress(address);
  return `${bracketed(host)}:${port === 0 ? 0 : port + 1}`;
}

/** By which addresses others reach this server, for REST and for all else: a balancer's would lead them to any. */
function ownAddresses({ advertiseAddresses, peerAdvertiseAddress, grpcListen }: ServerOptions): {
  readonly rest?: string;
  readonly host?: string;
} {
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const outer = own.filter(({ internal }) => !internal).map(({ address }) => address);
  const rest = [...advertiseAddresses, ...outer].find(isUsable);
  const listens = splitAddress(grpcListen).host;
  const host =
    peerAdvertiseAddress ?? (isWildcard(listens) ? [...outer, ...advertiseAddresses].find(isUsable) : listens);
  return { ...(rest ? { rest } : {}), ...(host ? { host } : {}) };
}

/** An IPv4 address that others could dial. */
function isUsable(address: string): boolean {
  return isIPv4(address) && !/^(127|169\.254|0)\./.test(address);
}

/** What to dial to reach a server that listens on `host`. */
function hostToDial(host: string): string {
  return isWildcard(host) ? hostname() : host;
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::' || host === '';
}
