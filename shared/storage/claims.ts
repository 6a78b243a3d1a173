import type { ObjectReference, PersistentVolume, PersistentVolumeClaim } from '../generated/types.ts';
import { classAnnotation } from '../kinds/warnings/class-annotation.ts';

/** Annotations of the volume controller, the provisioners and the scheduler, as in Kubernetes. */
export const annotations = {
  /** Of a claim: it is bound, and stays so. */
  bindCompleted: 'pv.kubernetes.io/bind-completed',
  /** Of a claim or volume: the controller chose its counterpart, a user did not. */
  boundByController: 'pv.kubernetes.io/bound-by-controller',
  provisionedBy: 'pv.kubernetes.io/provisioned-by',
  selectedNode: 'volume.kubernetes.io/selected-node',
  provisioner: 'volume.kubernetes.io/storage-provisioner',
  oldProvisioner: 'volume.beta.kubernetes.io/storage-provisioner',
} as const;

export const claimProtection = 'kubernetes.io/pvc-protection';
export const volumeProtection = 'kubernetes.io/pv-protection';

/** The provisioner of classes whose volumes an administrator makes. */
export const noProvisioner = 'kubernetes.io/no-provisioner';

/** The storage class; empty: none. */
export function classNameOf({ metadata, spec }: PersistentVolumeClaim | PersistentVolume): string {
  return metadata.annotations?.[classAnnotation] ?? spec.storageClassName ?? '';
}

/** Whether the claim has its volume for good. */
export function isFullyBound({ metadata, spec }: PersistentVolumeClaim): boolean {
  return !!spec.volumeName && metadata.annotations?.[annotations.bindCompleted] !== undefined;
}

/** Whether the volume is the claim's, or is reserved for it by name. */
export function isReservedFor({ spec: { claimRef } }: PersistentVolume, { metadata }: PersistentVolumeClaim): boolean {
  if (!claimRef || claimRef.name !== metadata.name || claimRef.namespace !== metadata.namespace) return false;
  return !claimRef.uid || claimRef.uid === metadata.uid;
}

export function referenceTo({ metadata }: PersistentVolumeClaim): ObjectReference {
  const { namespace = '', name, uid, resourceVersion } = metadata;
  return { kind: 'PersistentVolumeClaim', apiVersion: 'v1', namespace, name, uid, resourceVersion };
}

/** The patch that reserves the volume for the claim; it fails if the volume has changed since. Undefined: it is reserved already. */
export function reservationOf({ metadata, spec: { claimRef } }: PersistentVolume, claim: PersistentVolumeClaim) {
  if (claimRef?.uid === claim.metadata.uid) return undefined;
  const chosen = claimRef ? {} : { annotations: { [annotations.boundByController]: 'yes' } };
  return {
    metadata: { ...chosen, resourceVersion: metadata.resourceVersion },
    spec: { claimRef: referenceTo(claim) },
  };
}
