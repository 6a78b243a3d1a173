import type { DeletedVolume, NodeClaim, NodeVolume } from '../../../shared/session.ts';
import { deletedVolumeOf, nodeClaimOf, nodeVolumeOf } from '../../../shared/storage/node-volumes.ts';
import type { AssignedKind } from './assigned-kind.ts';

/** The claims that pods of the node name. */
export const assignedClaims: AssignedKind<'PersistentVolumeClaim', NodeClaim> = {
  kind: 'PersistentVolumeClaim',
  source: 'PersistentVolumeClaim',
  wantedBy: (_node, claim) => nodeClaimOf(claim),
  *references({ volumeName }) {
    if (volumeName) yield { kind: 'PersistentVolume', key: volumeName };
  },
};

/** The volumes of those claims. */
export const assignedVolumes: AssignedKind<'PersistentVolume', NodeVolume> = {
  kind: 'PersistentVolume',
  source: 'PersistentVolume',
  wantedBy: (_node, volume) => nodeVolumeOf(volume),
};

/** The local volumes whose data the node is to delete: they are assigned until it has reported that the data is gone. */
export const deletedVolumes: AssignedKind<'PersistentVolume', DeletedVolume> = {
  kind: 'DeletedVolume',
  source: 'PersistentVolume',
  candidates: (volumes) => volumes.values(),
  wantedBy: deletedVolumeOf,
};
