import type { PersistentVolumeClaim } from '../../../../shared/generated/types.ts';
import { isDefaultClass } from '../../../../shared/kinds/storage/storage-class.ts';
import { classAnnotation } from '../../../../shared/kinds/warnings/class-annotation.ts';
import type { KubeObject } from '../../../../shared/object.ts';
import type { AdmissionPlugin } from '../plugin.ts';

/** Gives a claim without a class the default one, the newest if there are several (Kubernetes' DefaultStorageClass). */
export const defaultStorageClass: AdmissionPlugin = {
  name: 'DefaultStorageClass',
  rules: [{ verbs: ['create'], kinds: ['PersistentVolumeClaim'] }],
  mutate(_request, object, _old, reader) {
    const { spec } = object as PersistentVolumeClaim;
    if (!spec || spec.storageClassName !== undefined || object.metadata.annotations?.[classAnnotation]) return;
    const [newest] = reader.list('StorageClass').filter(isDefaultClass).toSorted(byAge);
    if (newest) spec.storageClassName = newest.metadata.name;
  },
};

/** The newest first; of equal age by name. */
function byAge({ metadata: a }: KubeObject, { metadata: b }: KubeObject): number {
  const [one, other] = [a.creationTimestamp ?? '', b.creationTimestamp ?? ''];
  if (one !== other) return one < other ? 1 : -1;
  return a.name < b.name ? -1 : 1;
}
