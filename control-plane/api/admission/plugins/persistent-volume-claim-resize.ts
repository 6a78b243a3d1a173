import type { PersistentVolumeClaim } from '../../../../shared/generated/types.ts';
import { compareQuantities } from '../../../../shared/quantity.ts';
import { classNameOf } from '../../../../shared/storage/claims.ts';
import { requestOf } from '../../../../shared/storage/matching.ts';
import { forbidden } from '../../requests/refusals.ts';
import type { AdmissionPlugin } from '../plugin.ts';

/** A claim grows only where its class allows it (Kubernetes' PersistentVolumeClaimResize). */
export const persistentVolumeClaimResize: AdmissionPlugin = {
  name: 'PersistentVolumeClaimResize',
  rules: [{ verbs: ['update'], kinds: ['PersistentVolumeClaim'] }],
  validate({ entry, name }, object, old, reader) {
    if (!object || !old) return;
    const [claim, before] = [object as PersistentVolumeClaim, old as PersistentVolumeClaim];
    if (compareQuantities(requestOf(claim), requestOf(before)) <= 0) return;
    if (before.status?.phase !== 'Bound')
      throw forbidden(entry, name, 'Only bound persistent volume claims can be expanded');
    if (reader.get('StorageClass', classNameOf(before))?.allowVolumeExpansion) return;
    const why =
      'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize';
    throw forbidden(entry, name, why);
  },
};
