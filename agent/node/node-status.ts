import { formatTime } from '../../shared/clock.ts';
import type { ContainerImage, Node, NodeCondition, NodeStatus, Taint } from '../../shared/generated/types.ts';
import { quantityOf, quantityOfMillis } from '../../shared/quantity.ts';
import type { EngineInfo, ImageState } from '../runtime/runtime.ts';

/** The facts that are fixed for the life of the process. */
export interface NodeIdentity {
  readonly name: string;
  readonly address: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
  /** `v1.32.0-coracle.1`. */
  readonly version: string;
  readonly machineId: string;
  readonly bootId: string;
  /** The hardware's id; absent if it has none. */
  readonly systemId?: string;
  readonly maxPods: number;
  /** Reserved for the system, not allocatable. */
  readonly reserved: { readonly cpuMillis: number; readonly memoryBytes: number };
}

/** The facts that are observed. */
export interface NodeFacts {
  readonly engine: EngineInfo | undefined;
  readonly engineUp: boolean;
  /** The node has no pods that it should not have. */
  readonly clean: boolean;
  readonly images: readonly ImageState[];
  readonly pressure: Pressure;
  /** Bytes of the file system of the pods; 0 if unknown. */
  readonly diskBytes: number;
}

export interface Pressure {
  readonly memory: boolean;
  readonly disk: boolean;
  readonly pid: boolean;
}

/** The most images a status names, the largest first, as in the kubelet. */
const maxImages = 50;

/** The Node object that the agent registers. */
export function nodeObject(
  identity: NodeIdentity,
  status: NodeStatus,
  annotations: Readonly<Record<string, string>>,
): Node {
  const { name, labels, taints } = identity;
  const arch = status.nodeInfo?.architecture ?? '';
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      uid: '',
      resourceVersion: '',
      creationTimestamp: '',
      labels: {
        'kubernetes.io/hostname': name,
        'kubernetes.io/os': 'linux',
        'kubernetes.io/arch': arch,
        'beta.kubernetes.io/os': 'linux',
        'beta.kubernetes.io/arch': arch,
        ...labels,
      },
      annotations: { ...annotations },
    },
    spec: taints.length > 0 ? { taints: [...taints] } : {},
    status,
  };
}

/** The node's status, as the kubelet reports it. `previous` supplies the times of transitions. */
export function nodeStatus(
  identity: NodeIdentity,
  facts: NodeFacts,
  previous: NodeStatus | undefined,
  now: number,
): NodeStatus {
  const { engine } = facts;
  const capacity = amounts(engine?.cpus ?? 0, engine?.memoryBytes ?? 0, facts.diskBytes, identity.maxPods);
  const allocatable = amounts(
    Math.max(0, (engine?.cpus ?? 0) - identity.reserved.cpuMillis / 1000),
    Math.max(0, (engine?.memoryBytes ?? 0) - identity.reserved.memoryBytes),
    Math.floor(facts.diskBytes * 0.9),
    identity.maxPods,
  );
  const architecture = goArch(engine?.architecture ?? '');
  return {
    capacity: engine ? capacity : (previous?.capacity ?? capacity),
    allocatable: engine ? allocatable : (previous?.allocatable ?? allocatable),
    conditions: conditionsOf(facts, previous, now),
    addresses: [
      { type: 'InternalIP', address: identity.address },
      { type: 'Hostname', address: identity.name },
    ],
    daemonEndpoints: { kubeletEndpoint: { Port: 0 } },
    nodeInfo: {
      machineID: identity.machineId,
      systemUUID: identity.systemId || identity.machineId,
      bootID: identity.bootId,
      kernelVersion: engine?.kernelVersion ?? '',
      osImage: engine?.osImage ?? '',
      containerRuntimeVersion: engine?.version ?? '',
      kubeletVersion: identity.version,
      kubeProxyVersion: identity.version,
      operatingSystem: 'linux',
      architecture,
    },
    images: imagesOf(facts.images),
    features: { supplementalGroupsPolicy: true },
  };
}

/** Whether two statuses are equal apart from the times of their heartbeats. */
export function sameStatus(a: NodeStatus | undefined, b: NodeStatus): boolean {
  const bare = (status: NodeStatus): string =>
    JSON.stringify({ ...status, conditions: status.conditions?.map(({ lastHeartbeatTime: _, ...rest }) => rest) });
  return a !== undefined && bare(a) === bare(b);
}

/** An architecture's name in Go and Kubernetes. */
function goArch(architecture: string): string {
  const known: Record<string, string> = { x86_64: 'amd64', x64: 'amd64', aarch64: 'arm64', armv7l: 'arm', i686: '386' };
  return known[architecture] ?? architecture;
}

function conditionsOf(facts: NodeFacts, previous: NodeStatus | undefined, now: number): NodeCondition[] {
  const { pressure } = facts;
  return [
    pressured('MemoryPressure', pressure.memory),
    pressured('DiskPressure', pressure.disk),
    pressured('PIDPressure', pressure.pid),
    readiness(facts),
  ].map((verdict) => {
    const old = previous?.conditions?.find(({ type }) => type === verdict.type);
    const kept = old?.status === verdict.status ? old.lastTransitionTime : undefined;
    const at = formatTime(now);
    return { ...verdict, lastHeartbeatTime: at, lastTransitionTime: kept ?? at };
  });
}

type Verdict = Required<Pick<NodeCondition, 'type' | 'status' | 'reason' | 'message'>>;

/** The kubelet's reason and message for each condition, with the pressure and without. */
const pressureTexts = {
  MemoryPressure: {
    True: ['InsufficientMemory', 'insufficient memory available'],
    False: ['SufficientMemory', 'sufficient memory available'],
  },
  DiskPressure: { True: ['DiskPressure', 'disk pressure'], False: ['NoDiskPressure', 'no disk pressure'] },
  PIDPressure: {
    True: ['InsufficientPID', 'insufficient PID available'],
    False: ['SufficientPID', 'sufficient PID available'],
  },
} as const;

function pressured(type: keyof typeof pressureTexts, has: boolean): Verdict {
  const status = has ? 'True' : 'False';
  const [reason, message] = pressureTexts[type][status];
  return { type, status, reason: `KubeletHas${reason}`, message: `kubelet has ${message}` };
}

function readiness({ engineUp, clean }: NodeFacts): Verdict {
  if (!engineUp) {
    return { type: 'Ready', status: 'False', reason: 'KubeletNotReady', message: 'container runtime is down' };
  }
  if (!clean) {
    const message = 'orphaned pods are being removed';
    return { type: 'Ready', status: 'False', reason: 'KubeletNotReady', message };
  }
  return { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' };
}

function amounts(cpus: number, memory: number, disk: number, pods: number): Record<string, string> {
  return {
    cpu: quantityOfMillis(cpus * 1000),
    memory: quantityOf(Math.floor(memory / 1024) * 1024, 'BinarySI'),
    'ephemeral-storage': quantityOf(Math.floor(disk / 1024) * 1024, 'BinarySI'),
    pods: String(pods),
  };
}

function imagesOf(images: readonly ImageState[]): ContainerImage[] {
  return [...images]
    .filter(({ names }) => names.length > 0)
    .sort((a, b) => b.sizeBytes - a.sizeBytes)
    .slice(0, maxImages)
    .map(({ names, sizeBytes }) => ({ names: [...names], sizeBytes }));
}
