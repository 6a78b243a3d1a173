import { setMaxListeners } from 'node:events';
import type { Registry } from 'prom-client';
import type { Client } from '../shared/client.ts';
import type { Clock } from '../shared/clock.ts';
import { createEventRecorder } from '../shared/event-recorder.ts';
import type { Kind } from '../shared/generated/types.ts';
import type { Informers } from '../shared/informer.ts';
import { createInformers } from '../shared/informers.ts';
import { createKindRegistry } from '../shared/kinds/index.ts';
import type { KindRegistry } from '../shared/kinds/registry.ts';
import type { Log } from '../shared/log.ts';
import type { PeerServer, PeerTransport } from '../shared/peers.ts';
import type { Authority } from '../shared/pki/certificates.ts';
import type { Random } from '../shared/random.ts';
import type { HeartbeatTarget } from '../shared/session.ts';
import type { StorageLimits } from './api/admission/storage-quota.ts';
import type { Api } from './api/api.ts';
import { createAuthorizer } from './api/auth/authorizer.ts';
import { apiServer, type ClientOf, controller, controllerManager, scheduler } from './api/auth/components.ts';
import type { Authorizer } from './api/auth/identity.ts';
import { LiveCredentials } from './api/auth/live-credentials.ts';
import { NodeCertificates } from './api/auth/node-certificates.ts';
import { bootstrapPolicy } from './api/auth/rbac/bootstrap-policy.ts';
import { ensureBootstrapPolicy } from './api/auth/rbac/ensure-policy.ts';
import { RbacIndex } from './api/auth/rbac/rbac-index.ts';
import { createTokens, defaultIssuer, type TokenKeys, type Tokens } from './api/auth/tokens/index.ts';
import { objectsOf } from './api/auth/tokens/objects.ts';
import { ensureBootObjects } from './api/boot.ts';
import { auditedApi } from './api/chain/audit/audited-api.ts';
import type { Auditor } from './api/chain/audit/auditor.ts';
import { createApi } from './api/create-api.ts';
import { LocalClient } from './api/local-client.ts';
import { type UsageSource, usageHandlers } from './api/resources/metrics/usage.ts';
import { controllerAccounts, controllerKinds, runControllers } from './controllers/index.ts';
import { queueMetrics } from './controllers/queue-metrics.ts';
import { lead, requireTerm } from './leader.ts';
import { LivenessCore } from './liveness/core.ts';
import type { Liveness, Term } from './liveness/liveness.ts';
import { clusterUsage } from './nodes/reports/cluster-usage.ts';
import { createNodeSessions, type NodeSessions, sessionKinds } from './nodes/sessions.ts';
import { NodeStreams } from './nodes/streams/node-streams.ts';
import { schedulerMetrics } from './scheduler/metrics.ts';
import { createScheduler, schedulerKinds } from './scheduler/scheduler.ts';
import { WatchCache } from './store/cache/watch-cache.ts';
import { runCompactor } from './store/compactor.ts';
import { cacheMetrics } from './store/metrics.ts';
import type { Store } from './store/store.ts';

export interface ControlPlaneDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Who this control plane is among several on one store; stable over its restarts. */
  readonly holder: string;
  /** The name of its machine, for the scheduler's events. */
  readonly hostname?: string;
  /** The range that nodes get their pods' addresses from. */
  readonly clusterCIDR: string;
  /** How long events are kept, in seconds; absent: an hour. */
  readonly eventTtlSeconds?: number;
  /** The range that services get their addresses from. */
  readonly serviceCIDR?: string;
  /** What stored objects may take of memory. Absent: anything. */
  readonly storageLimits?: StorageLimits;
  /** How many recent changes a watch can be resumed from. Absent: as many as the cache keeps by default. */
  readonly watchWindow?: number;
  readonly heartbeatMs?: number;
  readonly leaseMs?: number;
  readonly metrics?: Registry;
  /** The audit log. Absent: requests are not audited. */
  readonly auditor?: Auditor;
  /** What tokens of service accounts are signed with. Absent: there are none, and pods are given none. */
  readonly tokenKeys?: TokenKeys;
  /** The issuer of these tokens. */
  readonly tokenIssuer?: string;
  /** Signs the cluster's certificates. Absent: no namespace gets the CA's certificate, and no request is signed. */
  readonly authority?: Authority;
  /** Calls to the other servers on the same store, for nodes with a session there. Absent: none are made. */
  readonly peers?: PeerTransport;
  /** Keeps the leases of this server and its nodes, and who leads. Absent: in this thread. */
  readonly liveness?: Liveness;
  /** Where agents send their heartbeats; asked for each session. Absent: their transport knows. */
  readonly heartbeats?: () => HeartbeatTarget;
}

export const defaults = { heartbeatMs: 1_000, leaseMs: 5_000 } as const;
/** How long nodes have to come back to a control plane that has just started, beyond their lease. */
const returnMs = 5_000;

/** Everything between the store and the wires: the same for the server, for tests and for the simulation. */
export interface ControlPlane {
  /** As the wires serve it: audited. */
  readonly api: Api;
  readonly authorizer: Authorizer;
  /** The kinds that are served. */
  readonly kinds: KindRegistry;
  readonly cache: WatchCache;
  /** The API as one of the cluster's own components sees it. */
  readonly client: Client;
  readonly sessions: NodeSessions;
  /** What is answered to other servers. */
  readonly peerServer: PeerServer;
  readonly informers: Informers;
  /** Which certificates of nodes count, and what ends the streams of those that no longer do. */
  readonly nodeCertificates: NodeCertificates;
  readonly liveCredentials: LiveCredentials;
  /** Absent when there are none. */
  readonly tokens?: Tokens;
  /** Resolves when requests can be served. */
  ready(signal: AbortSignal): Promise<void>;
  /** Runs until aborted. */
  run(signal: AbortSignal): Promise<void>;
}

export function createControlPlane(deps: ControlPlaneDeps): ControlPlane {
  const { store, clock, random, log, metrics } = deps;
  const heartbeatMs = deps.heartbeatMs ?? defaults.heartbeatMs;
  const leaseMs = deps.leaseMs ?? defaults.leaseMs;
  const liveness = deps.liveness ?? new LivenessCore({ store, clock, random, log, server: deps.holder });

  const kinds = createKindRegistry();
  const window = deps.watchWindow;
  const cache = new WatchCache({
    kinds: kinds.stored,
    store,
    clock,
    random,
    log: log.child({ component: 'cache' }),
    ...(window === undefined ? {} : { window }),
  });
  const rbac = new RbacIndex();
  const authorizer = createAuthorizer({
    volumes: { get: (key) => informers.of('PersistentVolume').get(key) },
    rbac,
    pods: {
      get: (key) => informers.of('Pod').get(key),
      by: (index, value) => informers.of('Pod').by(index, value),
    },
  });
  const { tokenKeys: keys, tokenIssuer: issuer = defaultIssuer } = deps;
  const tokens = keys && createTokens({ keys, issuer, store, cache, clock, random });
  const usage: UsageSource = (nodes, signal) => clusterUsage({ ...cluster, own: sessions.usage }, nodes, signal);
  const bare: Api = createApi({
    store,
    cache,
    clock,
    random,
    log,
    authorizer,
    serviceCIDR: deps.serviceCIDR,
    ...(deps.storageLimits ? { storageLimits: deps.storageLimits } : {}),
    ...(deps.eventTtlSeconds === undefined ? {} : { eventTtlSeconds: deps.eventTtlSeconds }),
    handlers: { ...usageHandlers(usage), ...tokens?.handlers },
    ...(tokens ? { tokens: tokens.accounts } : {}),
    ...(deps.authority ? { rootCertificate: deps.authority.certificate } : {}),
    nodeStreams: {
      logs: (node, parameters, signal) => streams.logs(node, parameters, signal),
      open: (node, request, signal) => streams.open(node, request, signal),
      reach: (node, signal) => streams.reach(node, signal),
    },
  });
  const { auditor } = deps;
  const api = auditor ? auditedApi(bare, auditor) : bare;
  const audited = auditor?.on ?? false;
  const clients =
    (mayWrite?: () => void): ClientOf =>
    (identity, userAgent) =>
      new LocalClient({
        api,
        clock,
        identity,
        audited,
        ...(userAgent ? { userAgent } : {}),
        ...(mayWrite ? { mayWrite } : {}),
      });
  const clientOf = clients();
  const componentKinds = new Set<Kind>([...sessionKinds, ...schedulerKinds, ...controllerKinds]);
  const watched: Kind[] = [...componentKinds, 'NodeEnrollment'];
  const informers: Informers = createInformers({ client: clientOf(apiServer), clock, random, log }, watched);
  informers.onChange((changes) => rbac.apply(changes));
  const nodeCertificates = new NodeCertificates(objectsOf({ cache, store }));
  const liveCredentials = new LiveCredentials({ clock, nodes: nodeCertificates });
  informers.onChange((changes) => liveCredentials.note(changes));
  const sessions = createNodeSessions({
    store,
    clientOf: ({ user, groups, uid, extra, peer }) =>
      new LocalClient({
        api,
        clock,
        userAgent: 'kubelet',
        audited: auditor?.on ?? false,
        peer,
        identity: { user, groups, ...(uid ? { uid } : {}), ...(extra ? { extra } : {}) },
      }),
    ranges: clientOf(controller('node-controller'), 'kube-controller-manager'),
    enrollments: clientOf(apiServer),
    informers,
    clock,
    random,
    log,
    liveness,
    heartbeats: deps.heartbeats ?? (() => ({ port: 0 })),
    clusterCIDR: deps.clusterCIDR,
    heartbeatMs,
    leaseMs,
  });
  const cluster = { informers, clock, random, log, self: deps.holder, ...(deps.peers ? { peers: deps.peers } : {}) };
  const streams = new NodeStreams({ ...cluster, sessions });
  const schedulerCounters = metrics && schedulerMetrics(metrics);
  const queueCounters = metrics && queueMetrics(metrics);
  if (metrics) cacheMetrics(metrics, cache);

  /** What only one control plane at a time does. */
  async function decide(term: Term, signal: AbortSignal): Promise<void> {
    const clientOf = clients(() => requireTerm(term));
    const recorder = (component: string, client: Client, host?: string) =>
      createEventRecorder({ client, clock, random, log, component, host, signal });
    const manager = clientOf(controllerManager);
    // Their own informers: a new leader starts from a whole state, and hears no changes of an older term.
    const view = createInformers({ client: manager, clock, random, log }, [...componentKinds]);
    const binding = clientOf(scheduler);
    const scheduling = createScheduler({
      client: binding,
      informers: view,
      recorder: recorder('default-scheduler', binding, deps.hostname),
      metrics: schedulerCounters,
      clock,
      random,
      log,
    });
    const controllers = {
      client: manager,
      clientOf: (name: string) => clientOf(controller(name), 'kube-controller-manager'),
      informers: view,
      events: recorder('controller-manager', manager),
      ...(queueCounters ? { metrics: queueCounters } : {}),
      clock,
      random,
      log,
    };
    const options = {
      leaseMs,
      startupMs: leaseMs + returnMs,
      ...(deps.authority ? { authority: deps.authority } : {}),
      ...(tokens ? { issueToken: tokens.accounts.issueLegacy.bind(tokens.accounts) } : {}),
    };
    await Promise.all([view.run(signal), scheduling.run(signal), runControllers(controllers, options, signal)]);
  }

  return {
    api,
    authorizer,
    kinds,
    cache,
    client: clientOf(apiServer),
    sessions,
    peerServer: {
      open: async (server, ...asked) => (server === deps.holder ? sessions.open(...asked) : undefined),
      usage: sessions.usage,
    },
    informers,
    nodeCertificates,
    liveCredentials,
    ...(tokens ? { tokens } : {}),
    async ready(signal) {
      await cache.ready(signal);
      await ensureBootObjects(bare, signal);
      const revision = await ensureBootstrapPolicy(clientOf(apiServer), bootstrapPolicy(controllerAccounts));
      await informers.synced(signal);
      // What was just written is what requests are decided by.
      while (informers.revision < revision) await clock.sleep(1, signal);
    },
    async run(signal) {
      // Every request of this process listens for its end.
      setMaxListeners(0, signal);
      await Promise.all([
        cache.run(signal),
        informers.run(signal),
        runCompactor({ store, clock, log: log.child({ component: 'compactor' }) }, signal),
        cache.ready(signal).then(() => lead({ liveness, clock, random, log, holder: deps.holder }, decide, signal)),
      ]).catch((error) => {
        if (!signal.aborted) throw error;
      });
    },
  };
}
