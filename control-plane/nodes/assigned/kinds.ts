import type { AssignedKind } from './assigned-kind.ts';
import { assignedConfigMaps, assignedSecrets } from './config.ts';
import { ownNode, peers } from './nodes.ts';
import { assignedPods } from './pods.ts';
import { apiServers } from './servers.ts';
import { assignedClaims, assignedVolumes, deletedVolumes } from './volumes.ts';

/** All kinds that nodes are assigned, in the order in which they are sent. */
export const assignedKinds: readonly AssignedKind[] = [
  ownNode,
  peers,
  apiServers,
  assignedConfigMaps,
  assignedSecrets,
  deletedVolumes,
  assignedVolumes,
  assignedClaims,
  assignedPods,
];
