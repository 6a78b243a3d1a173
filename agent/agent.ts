import { setMaxListeners } from 'node:events';
import type { Registry } from 'prom-client';
import type { Clock } from '../shared/clock.ts';
import type { Log } from '../shared/log.ts';
import { parseIpv4 } from '../shared/net/ipv4.ts';
import { type Random, uuid } from '../shared/random.ts';
import type { SessionTransport } from '../shared/session.ts';
import { localVolumesAnnotation } from '../shared/storage/local.ts';
import { nodeView } from './admission/node-view.ts';
import { Checkpoint, type CheckpointStorage, memoryCheckpoint } from './checkpoint/checkpoint.ts';
import { type Dns, noDns, podDns } from './dns/pod-dns.ts';
import { StorageEvictor } from './eviction/storage-evictor.ts';
import { Kubelet } from './kubelet/kubelet.ts';
import { volumeStats } from './kubelet/volume-stats.ts';
import { type MetricsScope, type MetricsSource, metricsRegistries } from './metrics.ts';
import { parseNetworkSettings } from './node/network-settings.ts';
import { NodeEvents } from './node/node-events.ts';
import { NodeNetwork, type NodeNetworkDeps } from './node/node-network.ts';
import { type NodeIdentity, nodeObject, type Pressure } from './node/node-status.ts';
import { NodeStatusReporter } from './node/node-status-reporter.ts';
import { createHooks } from './pod/hooks.ts';
import { ConfigError } from './pod/inputs.ts';
import type { TokenSource } from './pod/tokens.ts';
import { PodManager } from './pods/pod-manager.ts';
import type { Dialers } from './probes/dialers.ts';
import type { Runtime } from './runtime/runtime.ts';
import { Assigned } from './session/assigned.ts';
import { assignedKinds, type NodeAssigned } from './session/assigned-kinds.ts';
import { EventQueue } from './session/event-queue.ts';
import { AgentSession } from './session/session.ts';
import { Streams } from './streams/streams.ts';
import { runTicker } from './ticker.ts';
import { UsageMeter } from './usage/meter.ts';
import type { MachineUsage } from './usage/report.ts';
import { VolumeMeter } from './usage/volume-meter.ts';
import { hollowLocalVolumes, type LocalVolumes } from './volumes/local-volumes.ts';
import type { PodVolumes } from './volumes/pod-volumes.ts';
import { VolumeDeletions } from './volumes/volume-deletions.ts';

export interface AgentDeps {
  readonly transport: SessionTransport;
  readonly runtime: Runtime;
  /** Absent: hollow pods, whose addresses are not routed. */
  readonly network?: NodeNetworkDeps['network'];
  readonly volumes: PodVolumes;
  /** Absent: hollow pods, whose claims have no files. */
  readonly localVolumes?: LocalVolumes;
  /** Absent: hollow pods, which read no tokens. */
  readonly tokens?: TokenSource;
  readonly checkpoint: CheckpointStorage;
  /** In the machine's memory: survives the process. Absent: in that of the process. */
  readonly volatile?: CheckpointStorage;
  readonly dialers: Dialers;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly node: NodeIdentity;
  /** What the machine is short of; absent: nothing. */
  readonly machine?: { look(): Promise<{ pressure: Pressure; diskBytes: number }> };
  /** The usage of the whole machine; absent: the sum of its pods. */
  readonly machineUsage?: () => Promise<MachineUsage>;
  /** Milliseconds between two measurements of the usage; absent: 15 s. */
  readonly usageEveryMs?: number;
  /** The node's current resolver settings. Absent: none. */
  readonly hostDns?: () => Dns;
  /** The node's seccomp profiles by name; absent: it has none. */
  readonly seccompProfile?: (name: string) => Promise<string>;
  /** Sysctls that pods may set beside the safe ones, from `parseSysctlPatterns`. */
  readonly allowedUnsafeSysctls?: readonly string[];
  readonly clusterDns?: { readonly server: string; readonly domain: string };
}

export interface Agent extends MetricsSource {
  /** Runs until aborted; containers run on afterwards. Never throws. */
  run(signal: AbortSignal): Promise<void>;
  metrics(scope: MetricsScope): Promise<Registry>;
}

const noSeccompProfiles = (name: string): Promise<string> =>
  Promise.reject(new ConfigError(`cannot load seccomp profile ${JSON.stringify(name)}: this node has none`));

/**
 * Composes a node's agent: with the deps of a machine in `main.ts`, with a fake runtime in simulations.
 *
 *     session ── assignments ──▶ pods ──▶ a worker each ──▶ runtime, volumes
 *        ▲                                     │
 *        └── statuses, events, node status ────┘
 */
export function createAgent(deps: AgentDeps): Agent {
  const { clock, random, log, runtime, node } = deps;
  const address = parseIpv4(node.address);
  if (!address) throw new Error(`${JSON.stringify(node.address)} is not an IPv4 address of a node`);
  const localVolumes = deps.localVolumes ?? hollowLocalVolumes;
  const checkpoint = new Checkpoint({ storage: deps.checkpoint, clock, log });
  const volatile = new Checkpoint({ storage: deps.volatile ?? memoryCheckpoint(), clock, log });
  const nodeStatus = new NodeStatusReporter({
    node,
    runtime,
    machine: deps.machine,
    clock,
    log,
    pods: () => ({ engineUp: pods.engineUp, clean: pods.clean }),
    capacityKnown: () => pods.capacityKnown(),
  });
  const hooks = createHooks({ runtime, dialers: deps.dialers, clock, hostIP: () => node.address });
  const events = new EventQueue({ clock, random, nodeName: node.name, ready: () => session.notify() });
  const nodeEvents = new NodeEvents(node.name, (reason, message) => events.node('Normal', reason, message));
  const assigned: NodeAssigned = new Assigned(assignedKinds, { checkpoint, log });
  const network = new NodeNetwork({
    network: deps.network,
    node: { name: node.name, address },
    assigned,
    checkpoint,
    clock,
    random,
    log,
    ready: (podCIDR) => pods.setPodCIDR(podCIDR),
  });
  const pods = new PodManager({
    runtime,
    volumes: deps.volumes,
    hooks,
    dialers: deps.dialers,
    tokens: deps.tokens,
    assigned,
    checkpoint,
    volatile,
    clock,
    random,
    log,
    node: () => ({ ...nodeStatus.podFacts(), kubernetes: network.settings?.kubernetes }),
    nodeView: nodeView(node.name, assigned, () => nodeStatus.status().allocatable ?? {}),
    features: () => nodeStatus.features(deps.allowedUnsafeSysctls ?? []),
    seccompProfile: deps.seccompProfile ?? noSeccompProfiles,
    status: () => ({ hostIP: node.address, runtimeName: runtime.name }),
    dnsOf: (pod) => podDns(pod, deps.hostDns?.() ?? noDns, deps.clusterDns),
    event: (...args) => events.pod(...args),
    report: (update) => session.report(update),
    changed: () => {
      nodeStatus.podsChanged();
      session.notify();
    },
    listed: (uids) => network.setPods(uids),
  });

  const deletions = new VolumeDeletions({
    assigned,
    volumes: localVolumes,
    clock,
    random,
    log,
    inUse: (claim) => pods.usesClaim(claim),
    ready: () => session.notify(),
  });
  const evictor = new StorageEvictor({
    runtime,
    volumes: deps.volumes,
    clock,
    log,
    pods: () => pods.lister.active(),
    evict: (uid, message) => pods.evict(uid, message),
  });
  const meter = new UsageMeter({
    runtime,
    clock,
    log,
    ...(deps.machineUsage ? { machine: deps.machineUsage } : {}),
    ...(deps.usageEveryMs ? { everyMs: deps.usageEveryMs } : {}),
    running: () => pods.lister.runningContainers(),
    ready: () => session.notify(),
  });
  const volumeMeter = new VolumeMeter({ volumes: localVolumes, clock, log });
  const kubelet = new Kubelet({
    nodeName: node.name,
    clock,
    log,
    logs: { runtime, hasPod: (uid) => pods.lister.hasPod(uid), statusOf: (uid) => pods.lister.statusOf(uid) },
    pods: () => pods.lister.pods(),
    usage: () => ({ sample: meter.last, report: meter.report }),
    volumesOf: (uid) => {
      const pod = pods.lister.podOf(uid);
      return pod ? volumeStats(pod, volumeMeter.last, (claim) => localPath(assigned, claim)) : [];
    },
    metrics: (scope) => agent.metrics(scope),
  });
  const streams = new Streams({
    transport: deps.transport,
    runtime,
    clock,
    log,
    pods: pods.lister,
    kubelet: kubelet.serve,
  });
  const session = new AgentSession({
    transport: deps.transport,
    clock,
    random,
    log,
    nodeName: node.name,
    instance: uuid(random),
    handlers: {
      node: () => {
        const status = nodeStatus.register();
        nodeEvents.note(status);
        return nodeObject(node, status, { [localVolumesAnnotation]: localVolumes.root });
      },
      registered: (message) => network.registered(parseNetworkSettings(message, address)),
      assignments: (message) => assigned.apply(message),
      openStream: (id, request, signal) => streams.open(id, request, signal),
      closeStream: (id) => streams.close(id),
      statuses: () => pods.lister.reports(),
      takeEvent: () => events.take(),
      takeNodeStatus: () => {
        const status = nodeStatus.take();
        if (status) nodeEvents.note(status);
        return status;
      },
      takeUsage: () => meter.take(),
      takeVolumeDeletion: () => deletions.take(),
      leaseExpired: () => pods.leaseExpired(),
      connected: (connected) => {
        if (connected) {
          meter.resend();
          deletions.resend();
          nodeStatus.registered();
        }
      },
    },
  });

  const tick = (): void => {
    pods.tick();
    meter.tick();
    if (nodeStatus.tick()) session.notify();
  };

  const agent: Agent = {
    metrics: (scope) => metrics(scope),
    async run(signal) {
      // Every loop and every worker adds a listener.
      setMaxListeners(0, signal);
      const documents = new Map([...(await checkpoint.loadOrEmpty()), ...(await volatile.loadOrEmpty())]);
      network.restore(documents.get('node'));
      assigned.restore(documents);
      const networking = network.run(signal);
      const following = pods.run(documents, signal);
      await nodeStatus.firstLook(signal);
      await Promise.all([
        networking,
        following,
        evictor.run(signal),
        deletions.run(signal),
        ...(deps.localVolumes ? [volumeMeter.run(signal)] : []),
        session.run(signal),
        runTicker(clock, tick, signal),
      ]);
      checkpoint.close();
      volatile.close();
    },
    get usage() {
      return meter.last;
    },
    get stats() {
      return {
        pods: pods.lister.size,
        connected: session.connected,
        sessions: session.begun,
        unacknowledgedStatuses: session.unacknowledged,
        droppedEvents: events.dropped,
        engineUp: pods.engineUp,
        ready: pods.engineUp && pods.clean,
      };
    },
  };
  const metrics = metricsRegistries(agent);
  return agent;
}

/** Where the volume of a claim lies on this node; undefined when it is not a local volume. */
function localPath(assigned: NodeAssigned, key: string): string | undefined {
  const claim = assigned.of('PersistentVolumeClaim').get(key);
  const source = claim && assigned.of('PersistentVolume').get(claim.volumeName)?.source;
  return source?.type === 'local' ? source.path : undefined;
}
