import type { Kind, Lease, Node, Pod } from '../../shared/generated/types.ts';
import type { Change, Informers } from '../../shared/informer.ts';
import { parseCidr, parseIpv4 } from '../../shared/net/ipv4.ts';
import { parsePort } from '../../shared/net/names.ts';
import { type KubeObject, keyOf, splitKey } from '../../shared/object.ts';
import { ownNodeOf } from '../../shared/own-node.ts';
import { podReferences } from '../../shared/pod-references.ts';
import type { ApiServer, Assignment, Peer, ToNode } from '../../shared/session.ts';
import { serverLeaseNamespace, serverOf } from '../liveness/server-lease.ts';

type OwnNodeMessage = Extract<ToNode, { type: 'ownNode' }>;
type AssignmentsMessage = Extract<ToNode, { type: 'assignments' }>;

/** The kinds that the informers must hold: what assignments are made from, the leases that tell how far they have come, and the service of the API. */
export const assignmentKinds = [
  'Pod',
  'Node',
  'ConfigMap',
  'Secret',
  'Lease',
  'Service',
] as const satisfies readonly Kind[];

/**
 * What one node should run, as a chain of messages: the first is COMPLETE, the others INCREMENTAL, each for exactly
 * the state that the one before resulted in. It holds the node's pods, the ConfigMaps and Secrets they name, and
 * the other nodes as peers, and the servers of the API. Pure bookkeeping: `note` marks what may have changed, `next` says what to send.
 */
export class AssignmentChain {
  readonly #node: string;
  readonly #informers: Informers;
  /** What has been sent: id → a fingerprint of the part that the agent cares about. */
  readonly #sent = new Map<string, string>();
  /** What may have to be sent again. */
  readonly #dirty = new Set<string>();
  /** Which pods name a ConfigMap or Secret, and the other way round. */
  readonly #namedBy = new Map<string, Set<string>>();
  readonly #names = new Map<string, ReadonlySet<string>>();
  #sequence = 0;
  /** The last message of the node itself, as text. */
  #ownNode: string | undefined;

  constructor(node: string, informers: Informers) {
    this.#node = node;
    this.#informers = informers;
  }

  /** Takes note of changes; true when there may be something to send. */
  note(changes: readonly Change[]): boolean {
    let own = false;
    for (const { kind, key, before, after } of changes) {
      const id = `${kind}|${key}`;
      if (kind === 'Pod') {
        if (this.#isOurs(before) || this.#isOurs(after)) this.#dirty.add(id);
      } else if (kind === 'Node') {
        if (key === this.#node) own = true;
        else this.#dirty.add(`Peer|${key}`);
      } else if (kind === 'Lease') {
        const lease = (after ?? before) as Lease | undefined;
        if (lease && apiServerOf(lease)) this.#dirty.add(`ApiServer|${key}`);
      } else if (this.#namedBy.has(id)) {
        this.#dirty.add(id);
      }
    }
    return own || this.#dirty.size > 0;
  }

  /** What the agent admits pods by, when it has changed: to be sent before the next assignments. */
  ownNode(): OwnNodeMessage | undefined {
    const node = this.#informers.of('Node').get(this.#node);
    if (!node) return undefined;
    const known = ownNodeOf(node);
    const text = JSON.stringify(known);
    if (text === this.#ownNode) return undefined;
    this.#ownNode = text;
    return { type: 'ownNode', node: known };
  }

  /** The next message, or undefined when the node is up to date. */
  next(): AssignmentsMessage | undefined {
    const complete = this.#sequence === 0;
    if (complete) this.#markAll();
    const changes: Assignment[] = [];
    // Pods first: they tell which ConfigMaps and Secrets are wanted.
    for (const id of [...this.#dirty].filter((one) => one.startsWith('Pod|'))) this.#take(id, changes);
    for (const id of [...this.#dirty]) this.#take(id, changes);
    if (!complete && changes.length === 0) return undefined;
    const appliesTo = this.#sequence++;
    // An agent starts a pod when it comes: what the pod needs stands before it.
    changes.sort((a, b) => order(a) - order(b));
    return {
      type: 'assignments',
      mode: complete ? 'COMPLETE' : 'INCREMENTAL',
      appliesTo,
      resultsIn: this.#sequence,
      changes,
    };
  }

  #markAll(): void {
    for (const pod of this.#informers.of('Pod').by('node', this.#node)) this.#dirty.add(`Pod|${keyOf(pod)}`);
    for (const node of this.#informers.of('Node').values()) {
      if (node.metadata.name !== this.#node) this.#dirty.add(`Peer|${node.metadata.name}`);
    }
    for (const lease of this.#informers.of('Lease').by('namespace', serverLeaseNamespace)) {
      this.#dirty.add(`ApiServer|${keyOf(lease)}`);
    }
  }

  /** Compares one thing with what was sent, and adds the difference. */
  #take(id: string, changes: Assignment[]): void {
    this.#dirty.delete(id);
    const object = this.#wanted(id);
    const fingerprint = object && fingerprintOf(id, object);
    if (id.startsWith('Pod|')) this.#refer(id, object as Pod | undefined);
    if (this.#sent.get(id) === fingerprint) return;
    const [kind = '', key = ''] = id.split('|');
    const { namespace, name } = splitKey(key);
    if (fingerprint === undefined) this.#sent.delete(id);
    else this.#sent.set(id, fingerprint);
    changes.push({
      kind: kind as Assignment['kind'],
      namespace,
      name,
      removed: object === undefined,
      ...(object ? { object } : {}),
    });
  }

  #wanted(id: string): KubeObject | Peer | ApiServer | undefined {
    const [kind, key = ''] = id.split('|');
    switch (kind) {
      case 'Pod': {
        const pod = this.#informers.of('Pod').get(key);
        return this.#isOurs(pod) ? pod : undefined;
      }
      case 'Peer': {
        const node = this.#informers.of('Node').get(key);
        return node && peerOf(node);
      }
      case 'ApiServer': {
        const lease = this.#informers.of('Lease').get(key);
        return lease && apiServerOf(lease);
      }
      case 'ConfigMap':
        return this.#namedBy.has(id) ? this.#informers.of('ConfigMap').get(key) : undefined;
      default:
        return this.#namedBy.has(id) ? this.#informers.of('Secret').get(key) : undefined;
    }
  }

  /** Keeps the references of a pod, and marks what it names anew or no longer. */
  #refer(podId: string, pod: Pod | undefined): void {
    const before = this.#names.get(podId) ?? new Set<string>();
    const after = pod ? namedBy(pod) : new Set<string>();
    for (const id of after) {
      if (before.has(id)) continue;
      const pods = this.#namedBy.get(id);
      if (pods) pods.add(podId);
      else this.#namedBy.set(id, new Set([podId]));
      this.#dirty.add(id);
    }
    for (const id of before) {
      if (after.has(id)) continue;
      const pods = this.#namedBy.get(id);
      pods?.delete(podId);
      if (pods?.size === 0) this.#namedBy.delete(id);
      this.#dirty.add(id);
    }
    if (pod) this.#names.set(podId, after);
    else this.#names.delete(podId);
  }

  #isOurs(object: KubeObject | undefined): boolean {
    return (object as Pod | undefined)?.spec.nodeName === this.#node;
  }
}

/** The ids of what a pod names. */
function namedBy(pod: Pod): Set<string> {
  const { configMaps, secrets } = podReferences(pod);
  const { namespace } = pod.metadata;
  return new Set([
    ...[...configMaps].map((name) => `ConfigMap|${namespace}/${name}`),
    ...[...secrets].map((name) => `Secret|${namespace}/${name}`),
  ]);
}

/** A node as its peers see it; undefined while it has no IPv4 address or range. */
export function peerOf(node: Node): Peer | undefined {
  const address = parseIpv4(node.status?.addresses?.find((one) => one.type === 'InternalIP')?.address);
  const podCIDR = parseCidr(node.spec.podCIDR);
  return address && podCIDR ? { name: node.metadata.name, address, podCIDR } : undefined;
}

/** A server by its lease; undefined for another lease, and for a server that has no IPv4 address. */
function apiServerOf(lease: Lease): ApiServer | undefined {
  const { id, rest } = serverOf(lease) ?? {};
  const found = /^([\d.]+):(\d+)$/.exec(rest ?? '');
  const [address, port] = [parseIpv4(found?.[1]), parsePort(Number(found?.[2]))];
  return id !== undefined && address && port ? { name: id, address, port } : undefined;
}

/** Changes of a pod's status come from the agent itself: only the rest is worth sending it again, and the conditions that are its readiness gates. */
function fingerprintOf(id: string, object: KubeObject | Peer | ApiServer): string {
  if (!('metadata' in object)) return JSON.stringify(object);
  if (!id.startsWith('Pod|')) return object.metadata.resourceVersion;
  const { uid, labels, annotations, deletionTimestamp, deletionGracePeriodSeconds } = object.metadata;
  const { spec, status } = object as Pod;
  const gates = (spec.readinessGates ?? []).map(
    ({ conditionType }) => status?.conditions?.find(({ type }) => type === conditionType)?.status,
  );
  return JSON.stringify([uid, labels, annotations, deletionTimestamp, deletionGracePeriodSeconds, spec, gates]);
}

function order(change: Assignment): number {
  return (change.kind === 'Pod' ? 1 : 0) + (change.removed ? 2 : 0);
}
