import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from '../../../shared/generated/types.ts';
import {
  annotations,
  classNameOf,
  isFullyBound,
  isReservedFor,
  noProvisioner,
} from '../../../shared/storage/claims.ts';
import { bestCandidate, candidatesFor, mismatchOf, type PlacedNode } from '../../../shared/storage/matching.ts';

/** An event to be recorded. */
export interface Notice {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

/** What a claim needs next. */
export type ClaimStep =
  | { readonly do: 'bind'; readonly volume: PersistentVolume }
  /** The provisioner of this name is to make a volume. */
  | { readonly do: 'provision'; readonly provisioner: string; readonly notice: Notice }
  | { readonly do: 'wait'; readonly notice?: Notice }
  | { readonly do: 'lose'; readonly notice: Notice };

/** What the decision on a claim is made of. */
export interface ClaimView {
  /** The volume that the claim names, if it exists. */
  readonly named: PersistentVolume | undefined;
  /** The volumes of its class that have no bound claim. */
  readonly volumes: Iterable<PersistentVolume>;
  readonly storageClass: StorageClass | undefined;
  /** The node that the scheduler chose for the claim's pod, if it exists. */
  readonly selected: PlacedNode | undefined;
}

/** One step of a claim (`syncClaim` in Kubernetes' persistent volume controller). */
export function planClaim(claim: PersistentVolumeClaim, view: ClaimView): ClaimStep {
  if (claim.metadata.annotations?.[annotations.bindCompleted] !== undefined) return planBound(claim, view.named);
  return claim.spec.volumeName ? planNamed(claim, view.named) : planUnbound(claim, view);
}

function planBound(claim: PersistentVolumeClaim, volume: PersistentVolume | undefined): ClaimStep {
  if (!claim.spec.volumeName) {
    return lose('ClaimLost', 'Bound claim has lost reference to PersistentVolume. Data on the volume is lost!');
  }
  if (!volume) return lose('ClaimLost', 'Bound claim has lost its PersistentVolume. Data on the volume is lost!');
  if (!volume.spec.claimRef || isReservedFor(volume, claim)) return { do: 'bind', volume };
  return lose('ClaimMisbound', 'Two claims are bound to the same volume, this one is bound incorrectly');
}

function planNamed(claim: PersistentVolumeClaim, volume: PersistentVolume | undefined): ClaimStep {
  const { volumeName = '' } = claim.spec;
  if (!volume) return { do: 'wait' };
  if (volume.spec.claimRef && !isReservedFor(volume, claim)) {
    return wait('Warning', 'FailedBinding', `volume "${volumeName}" already bound to a different claim.`);
  }
  const mismatch = volume.spec.claimRef?.uid ? undefined : mismatchOf(volume, claim);
  if (mismatch === undefined) return { do: 'bind', volume };
  return wait('Warning', 'VolumeMismatch', `Cannot bind to requested volume "${volumeName}": ${mismatch}`);
}

function planUnbound(claim: PersistentVolumeClaim, view: ClaimView): ClaimStep {
  const { storageClass, selected } = view;
  const selectedNode = claim.metadata.annotations?.[annotations.selectedNode];
  const delayed = storageClass?.volumeBindingMode === 'WaitForFirstConsumer' && selectedNode === undefined;
  const volume = bestCandidate(claim, candidatesFor(claim, view.volumes, delayed), selected);
  if (volume) return { do: 'bind', volume };
  if (delayed) {
    const message = 'waiting for first consumer to be created before binding';
    return wait('Normal', 'WaitForFirstConsumer', message);
  }
  const name = classNameOf(claim);
  if (name === '') {
    const message = 'no persistent volumes available for this claim and no storage class is set';
    return wait('Normal', 'FailedBinding', message);
  }
  if (!storageClass) {
    return wait('Warning', 'ProvisioningFailed', `storageclass.storage.k8s.io "${name}" not found`);
  }
  const { provisioner } = storageClass;
  if (provisioner === noProvisioner) {
    const message = `no persistent volume of class "${name}" is available for this claim, and the class makes none`;
    return wait('Normal', 'FailedBinding', message);
  }
  return { do: 'provision', provisioner, notice: provisioning(provisioner) };
}

function provisioning(provisioner: string): Notice {
  const help = 'If volume creation is delayed, please verify that the provisioner is running and correctly registered.';
  const message = `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system administrator. ${help}`;
  return { type: 'Normal', reason: 'ExternalProvisioning', message };
}

function wait(type: Notice['type'], reason: string, message: string): ClaimStep {
  return { do: 'wait', notice: { type, reason, message } };
}

function lose(reason: string, message: string): ClaimStep {
  return { do: 'lose', notice: { type: 'Warning', reason, message } };
}

/** What a volume needs next. */
export type VolumeStep =
  | { readonly do: 'phase'; readonly phase: 'Available' | 'Bound' | 'Released' }
  /** The claim that it is reserved for is to be looked at. */
  | { readonly do: 'claim' }
  | { readonly do: 'unbind' }
  | { readonly do: 'fail'; readonly reason: string; readonly message: string };

/** `claim`: the one that the volume refers to, undefined when it does not exist any more. */
export function planVolume(volume: PersistentVolume, claim: PersistentVolumeClaim | undefined): VolumeStep {
  const { metadata, spec, status } = volume;
  if (!spec.claimRef?.uid) return { do: 'phase', phase: 'Available' };
  if (!claim || claim.metadata.uid !== spec.claimRef.uid) return planReleased(volume);
  if (!claim.spec.volumeName) return { do: 'claim' };
  if (claim.spec.volumeName === metadata.name) {
    return isFullyBound(claim) && status?.phase === 'Bound' ? { do: 'phase', phase: 'Bound' } : { do: 'claim' };
  }
  // Made for a claim that has another volume by now.
  if (isProvisioned(volume) && spec.persistentVolumeReclaimPolicy === 'Delete') return planReleased(volume);
  return { do: 'unbind' };
}

function planReleased({ metadata, spec, status }: PersistentVolume): VolumeStep {
  const released = status?.phase === 'Released' || status?.phase === 'Failed';
  if (!released) return { do: 'phase', phase: 'Released' };
  if (spec.persistentVolumeReclaimPolicy === 'Recycle') {
    return { do: 'fail', reason: 'VolumeFailedRecycle', message: 'No recycler plugin found for the volume!' };
  }
  const deletedHere =
    spec.persistentVolumeReclaimPolicy === 'Delete' && !metadata.annotations?.[annotations.provisionedBy];
  if (!deletedHere || metadata.deletionTimestamp) return { do: 'phase', phase: 'Released' };
  const message = `error getting deleter volume plugin for volume "${metadata.name}": no deletable volume plugin matched`;
  return { do: 'fail', reason: 'VolumeFailedDelete', message };
}

function isProvisioned({ metadata }: PersistentVolume): boolean {
  return metadata.annotations?.[annotations.provisionedBy] !== undefined;
}
