import type { Client } from '../../shared/client.ts';
import { ApiError, isApiError } from '../../shared/errors.ts';
import type { Node } from '../../shared/generated/types.ts';
import type { Store } from '../store/store.ts';
import { writeNodeStatus } from './node-status.ts';
import { claimPodCIDR } from './pod-cidr.ts';

export interface RegistrationDeps {
  readonly store: Store;
  /** The API under the node's own identity: what the node says of itself is written with it. */
  readonly node: Client;
  /** The API under the control plane's identity: the range is written with it, and nothing else. */
  readonly ranges: Pick<Client, 'patch'>;
  readonly clusterCIDR: string;
  /** Whether a node of that name is known. */
  readonly exists: (name: string) => boolean;
}

export interface Registration {
  readonly uid: string;
  readonly podCIDR: string;
}

/**
 * Brings the Node object up to date with what its agent says; returns its uid and the node's pod range. `name`: who the connection has
 * proved to be. Taints count only when the Node is made, as with a kubelet. Throws ApiError: what a node may not say
 * of itself is refused as the same request over REST would be.
 */
export async function registerNode(deps: RegistrationDeps, name: string, said: Node): Promise<Registration> {
  const { metadata } = said;
  if (metadata?.name !== name) {
    const other = String(metadata?.name).slice(0, 253);
    throw new ApiError(
      'Forbidden',
      `nodes "${other}" is forbidden: node "${name}" is not allowed to modify node "${other}"`,
      { kind: 'nodes', name: other },
    );
  }
  const stored = await deps.node.get('Node', name).catch((error) => {
    if (isApiError(error, 'NotFound')) return undefined;
    throw error;
  });
  const node = await (stored ? updateNode(deps.node, said) : createNode(deps.node, said));
  // Once the Node is there, no late news of an earlier one's deletion gives its range away.
  const podCIDR = await claimPodCIDR(deps.store, deps.clusterCIDR, name, deps.exists, node.spec?.podCIDR);
  const { uid } = node.metadata;
  // By the claim: two nodes with one range would take each other's traffic.
  const body = { metadata: { uid }, spec: { podCIDR, podCIDRs: [podCIDR] } };
  const ranged = node.spec?.podCIDR === podCIDR ? node : await deps.ranges.patch('Node', name, { type: 'merge', body });
  await writeNodeStatus(deps.node, ranged, said.status ?? {});
  // Reports on pods are checked by the cached Node: a read waits until the cache has what was just written.
  await deps.node.get('Node', name);
  return { uid, podCIDR };
}

function createNode(client: Client, { metadata, spec }: Node): Promise<Node> {
  const { name, uid, labels, annotations, ownerReferences, finalizers } = metadata;
  if (uid) {
    const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: `;
    throw new ApiError('Conflict', `Operation cannot be fulfilled on nodes "${name}": ${why}`, { kind: 'nodes', name });
  }
  return client.create('Node', {
    metadata: { name, labels, annotations, ownerReferences, finalizers },
    spec: spec ?? {},
  });
}

/** What is left out stays as it is. */
function updateNode(client: Client, { metadata, spec }: Node): Promise<Node> {
  const { name, uid, labels, ownerReferences, finalizers } = metadata;
  const { taints: _atCreation, ...settings } = spec ?? {};
  const body = { metadata: { ...(uid ? { uid } : {}), labels, ownerReferences, finalizers }, spec: settings };
  return client.patch('Node', name, { type: 'merge', body });
}
