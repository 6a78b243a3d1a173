import type { ConfigMap, Pod, Secret, ServiceAccountTokenProjection } from '../../shared/generated/types.ts';
import { allContainers } from '../../shared/pod.ts';
import { intValue, milliValue } from '../../shared/quantity.ts';
import type { NodeClaim, NodeVolume } from '../../shared/session.ts';

/** The objects that pods read; undefined when they are not assigned to the node. */
export interface PodInputs {
  configMap(namespace: string, name: string): ConfigMap | undefined;
  secret(namespace: string, name: string): Secret | undefined;
  /** Absent: the node has no claims. */
  readonly claims?: ClaimInputs;
  /**
   * A token of the pod's service account; undefined: its file is left out. Throws TokenError when there is none now. Absent: pods have no
   * tokens.
   */
  token?(projection: ServiceAccountTokenProjection): string | undefined;
  /** For a pod that has run before: the inputs of a volume without content while there is no token. Absent: it waits for the token. */
  readonly withoutTokens?: PodInputs;
}

/** The claims of pods and their volumes; undefined when they are not assigned to the node. */
export interface ClaimInputs {
  claim(namespace: string, name: string): NodeClaim | undefined;
  volume(name: string): NodeVolume | undefined;
  /** The labels of the node; undefined while they are not known. */
  nodeLabels(): Readonly<Record<string, string>> | undefined;
  /** Takes the claim for the pod alone; false when another pod uses it. */
  takeAlone(pod: Pod, claim: string): boolean;
}

/** What pods can read of the node by the downward API. */
export interface PodFacts {
  readonly nodeName: string;
  readonly hostIP: string;
  readonly podIP: string;
  /** The address of the API server for pods; absent until the control plane has sent it. */
  readonly kubernetes?: { readonly host: string; readonly port: number } | undefined;
  readonly allocatable: { readonly cpuMillis: number; readonly memoryBytes: number; readonly ephemeralBytes: number };
}

/** A pod with the objects and facts that it may read. */
export interface PodEnvironment {
  readonly pod: Pod;
  readonly inputs: PodInputs;
  readonly facts: PodFacts;
}

/** Something that a pod refers to is missing or wrong: reported as CreateContainerConfigError or FailedMount. */
export class ConfigError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ConfigError';
  }
}

/** A claim has no volume that can be mounted. */
export class ClaimError extends ConfigError {}

/** There is no token now. */
export class TokenError extends ConfigError {}

/** The value of a downward API field (Kubernetes, "Available fields"). Throws ConfigError for an unknown path. */
export function fieldValue(pod: Pod, path: string, facts: PodFacts): string {
  const { metadata, spec } = pod;
  switch (path) {
    case 'metadata.name':
      return metadata.name;
    case 'metadata.namespace':
      return metadata.namespace ?? '';
    case 'metadata.uid':
      return metadata.uid;
    case 'metadata.labels':
      return formatMap(metadata.labels);
    case 'metadata.annotations':
      return formatMap(metadata.annotations);
    case 'spec.nodeName':
      return spec.nodeName ?? facts.nodeName;
    case 'spec.serviceAccountName':
      return spec.serviceAccountName ?? '';
    case 'status.hostIP':
    case 'status.hostIPs':
      return facts.hostIP;
    case 'status.podIP':
    case 'status.podIPs':
      return facts.podIP;
  }
  const keyed = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path);
  if (keyed) return metadata[keyed[1] as 'labels' | 'annotations']?.[keyed[2] ?? ''] ?? '';
  throw new ConfigError(`unsupported fieldPath: ${path}`);
}

/** The value of a container's resource, in units of `divisor`, rounded up. A limit that is absent is the node's allocatable. */
export function resourceValue(
  pod: Pod,
  containerName: string,
  ref: { resource: string; divisor?: string },
  facts: PodFacts,
): string {
  const container = allContainers(pod.spec).find(({ name }) => name === containerName);
  if (!container) throw new ConfigError(`container ${containerName} not found`);
  const [, kind, name = ''] = /^(limits|requests)\.(.+)$/.exec(ref.resource) ?? [];
  if (!kind) throw new ConfigError(`unsupported container resource : ${ref.resource}`);
  const { limits, requests } = container.resources ?? {};
  const amount = (kind === 'limits' ? limits : requests)?.[name];
  const divisor = ref.divisor && ref.divisor !== '0' ? ref.divisor : '1';
  if (name === 'cpu') {
    const millis = amount ? milliValue(amount) : kind === 'limits' ? facts.allocatable.cpuMillis : 0;
    return String(Math.ceil(millis / Math.max(1, milliValue(divisor))));
  }
  const allocatable =
    name === 'memory'
      ? facts.allocatable.memoryBytes
      : name === 'ephemeral-storage'
        ? facts.allocatable.ephemeralBytes
        : 0;
  const units = amount ? intValue(amount) : kind === 'limits' ? allocatable : 0;
  return String(Math.ceil(units / Math.max(1, intValue(divisor))));
}

/** `key="value"` lines in the order of the keys, as the downward API formats maps. */
function formatMap(map: Record<string, string> | undefined): string {
  return Object.entries(map ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n');
}
