import { claimProtection, volumeProtection } from '../../../../shared/storage/claims.ts';
import type { AdmissionPlugin } from '../plugin.ts';

const finalizers: Readonly<Record<string, string>> = {
  PersistentVolume: volumeProtection,
  PersistentVolumeClaim: claimProtection,
};

/** Claims and volumes are not deleted while they are in use (Kubernetes' StorageObjectInUseProtection). */
export const storageObjectInUseProtection: AdmissionPlugin = {
  name: 'StorageObjectInUseProtection',
  rules: [{ verbs: ['create'], kinds: Object.keys(finalizers) }],
  mutate({ entry }, { metadata }) {
    const finalizer = finalizers[entry.kind];
    if (finalizer === undefined || metadata.finalizers?.includes(finalizer)) return;
    metadata.finalizers = [...(metadata.finalizers ?? []), finalizer];
  },
};
