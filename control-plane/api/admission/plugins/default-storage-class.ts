import type { PersistentVolumeClaim } from '../../../../shared/generated/types.ts';
import { defaultClassOf } from '../../../../shared/kinds/storage/storage-class.ts';
import { classNameOf } from '../../../../shared/storage/claims.ts';
import type { AdmissionPlugin } from '../plugin.ts';

/** Gives a claim without a class the default one, the newest if there are several (Kubernetes' DefaultStorageClass). */
export const defaultStorageClass: AdmissionPlugin = {
  name: 'DefaultStorageClass',
  rules: [{ verbs: ['create'], kinds: ['PersistentVolumeClaim'] }],
  mutate(_request, object, _old, reader) {
    const claim = object as PersistentVolumeClaim;
    if (!claim.spec || claim.spec.storageClassName !== undefined || classNameOf(claim) !== '') return;
    const found = defaultClassOf(reader.list('StorageClass'));
    if (found) claim.spec.storageClassName = found.metadata.name;
  },
};
