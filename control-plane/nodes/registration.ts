import type { Client } from '../../shared/client.ts';
import { ApiError, isApiError } from '../../shared/errors.ts';
import type { Node } from '../../shared/generated/types.ts';
import type { Store } from '../store/store.ts';
import { claimPodCIDR } from './pod-cidr.ts';
import { writeNodeStatus } from './reports/node-status.ts';

export interface RegistrationDeps {
  readonly store: Store;
  /** The API under the node's identity: it writes what the node reports of itself. */
  readonly node: Client;
  /** The API under the control plane's identity: it writes only the range. */
  readonly ranges: Pick<Client, 'patch'>;
  readonly clusterCIDR: string;
  /** Whether a node of that name exists. */
  readonly exists: (name: string) => boolean;
  /** Aborted when the session has ended. */
  readonly ended: AbortSignal;
}

export interface Registration {
  readonly uid: string;
  readonly podCIDR: string;
}

/**
 * Creates or updates the Node object as its agent reports it; returns its uid and the node's pod range. `name`: the node of the
 * connection's certificate. Taints are used only when the Node is created, as with a kubelet. Throws ApiError: what a node may not write
 * is refused as the same request over REST is.
 */
export async function registerNode(deps: RegistrationDeps, name: string, reported: Node): Promise<Registration> {
  const { metadata } = reported;
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
  const node = await (stored ? updateNode(deps.node, reported) : createNode(deps.node, reported));
  // After the Node exists: the late deletion event of an earlier one does not release the range.
  const podCIDR = await claimPodCIDR(deps.store, deps.clusterCIDR, name, deps.exists, node.spec?.podCIDR);
  const { uid } = node.metadata;
  // As claimed: two nodes with one range would receive each other's traffic.
  const body = { metadata: { uid }, spec: { podCIDR, podCIDRs: [podCIDR] } };
  const ranged = node.spec?.podCIDR === podCIDR ? node : await deps.ranges.patch('Node', name, { type: 'merge', body });
  await writeNodeStatus({ client: deps.node, ended: deps.ended }, ranged, reported.status ?? {});
  // Pod reports are checked against the cached Node: this read waits until the cache has it.
  await deps.node.get('Node', name);
  return { uid, podCIDR };
}

function createNode(client: Client, { metadata, spec }: Node): Promise<Node> {
  const { name, uid, labels, annotations, ownerReferences, finalizers } = metadata;
  if (uid) {
    const reason = `Precondition failed: UID in precondition: ${uid}, UID in object meta: `;
    throw new ApiError('Conflict', `Operation cannot be fulfilled on nodes "${name}": ${reason}`, {
      kind: 'nodes',
      name,
    });
  }
  return client.create('Node', {
    metadata: { name, labels, annotations, ownerReferences, finalizers },
    spec: spec ?? {},
  });
}

/** Fields that are left out stay. */
function updateNode(client: Client, { metadata, spec }: Node): Promise<Node> {
  const { name, uid, labels, annotations, ownerReferences, finalizers } = metadata;
  const { taints: _atCreation, ...settings } = spec ?? {};
  const body = {
    metadata: { ...(uid ? { uid } : {}), labels, annotations, ownerReferences, finalizers },
    spec: settings,
  };
  return client.patch('Node', name, { type: 'merge', body });
}
