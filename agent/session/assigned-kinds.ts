import { ApiError } from '../../shared/errors.ts';
import type { ConfigMap, Pod, Secret } from '../../shared/generated/types.ts';
import type { KubeObject } from '../../shared/object.ts';
import { parseOwnNode } from '../../shared/own-node.ts';
import { parseDeletedVolume, parseNodeClaim, parseNodeVolume } from '../../shared/storage/node-volumes.ts';
import { parseApiServer } from '../network/api-service.ts';
import { parsePeer } from '../node/peers.ts';
import type { Assigned, AssignedKind, AssignedTable } from './assigned.ts';

/**
 * The kinds that this agent takes from the control plane. The control plane's half of each is in `control-plane/nodes/assigned/`.
 * A pod's memory, and the peers and servers in use, are kept by their subscribers.
 */
export const assignedKinds = {
  OwnNode: { parse: parseOwnNode },
  Peer: { parse: parsePeer },
  ApiServer: { parse: parseApiServer },
  ConfigMap: { ...objects<ConfigMap>('ConfigMap'), checkpoint: 'configmaps' },
  Secret: { ...objects<Secret>('Secret'), checkpoint: 'secrets' },
  PersistentVolume: { parse: parseNodeVolume, checkpoint: 'volumes' },
  PersistentVolumeClaim: { parse: parseNodeClaim, checkpoint: 'claims' },
  DeletedVolume: { parse: parseDeletedVolume },
  Pod: objects<Pod>('Pod'),
} as const satisfies AssignedTable;

/** What is assigned to a node. */
export type NodeAssigned = Assigned<typeof assignedKinds>;

/** Objects of the API, which the server has validated: what identifies one is checked, and its version is compared. */
function objects<T extends KubeObject>(kind: string): AssignedKind<T> {
  return {
    parse(value) {
      const { metadata } = (value ?? {}) as Partial<T>;
      const identity = [metadata?.name, metadata?.namespace, metadata?.uid, metadata?.resourceVersion];
      if (identity.every((part) => typeof part === 'string')) return value as T;
      throw new ApiError('BadRequest', `a session message does not hold a ${kind}`);
    },
    equal: ({ metadata: a }, { metadata: b }) => a.uid === b.uid && a.resourceVersion === b.resourceVersion,
  };
}
