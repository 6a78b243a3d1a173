import type { Node, PersistentVolume, PersistentVolumeClaim, StorageClass } from '../../shared/generated/types.ts';
import type { Draft } from '../../shared/object.ts';
import { localProvisioner, localVolumesAnnotation } from '../../shared/storage/local.ts';

type Spec<T extends { spec?: unknown }> = Partial<NonNullable<T['spec']>>;

/** A claim in the namespace `default`, for 1Gi of the class `manual`. */
export function claimOf(
  name: string,
  spec: Spec<PersistentVolumeClaim> = {},
  metadata: object = {},
): Draft<PersistentVolumeClaim> & { metadata: { name: string } } {
  return {
    metadata: { name, namespace: 'default', ...metadata },
    spec: {
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: '1Gi' } },
      storageClassName: 'manual',
      ...spec,
    },
  };
}

/** A volume of 1Gi and the class `manual`. */
export function volumeOf(
  name: string,
  spec: Spec<PersistentVolume> = {},
  metadata: object = {},
): Draft<PersistentVolume> & { metadata: { name: string } } {
  return {
    metadata: { name, ...metadata },
    spec: {
      accessModes: ['ReadWriteOnce'],
      capacity: { storage: '1Gi' },
      storageClassName: 'manual',
      hostPath: { path: `/data/${name}` },
      ...spec,
    },
  };
}

export const onNodes = (...names: string[]): Spec<PersistentVolume> => ({
  nodeAffinity: {
    required: {
      nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: names }] }],
    },
  },
});

/** A class of local volumes that are made at once. */
export const immediateClass: Draft<StorageClass> = {
  metadata: { name: 'immediate' },
  provisioner: localProvisioner,
  volumeBindingMode: 'Immediate',
};

/** A ready node with a directory for local volumes. */
export function storageNode(
  name: string,
  labels: Record<string, string> = {},
): Draft<Node> & { metadata: { name: string } } {
  return {
    metadata: {
      name,
      labels: { 'kubernetes.io/hostname': name, ...labels },
      annotations: { [localVolumesAnnotation]: '/var/lib/coracle/volumes' },
    },
    spec: {},
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
  };
}
