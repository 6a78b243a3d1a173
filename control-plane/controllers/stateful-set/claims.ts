import { isDeepStrictEqual } from 'node:util';
import type { OwnerReference, PersistentVolumeClaim, Pod, StatefulSet } from '../../../shared/generated/types.ts';
import type { Draft, KubeObject } from '../../../shared/object.ts';
import { controllerReference } from '../owned-pods/owner-references.ts';
import { isWanted, ordinalOf, podName } from './identity.ts';

export function claimName({ metadata }: StatefulSet, template: string, ordinal: number): string {
  return `${template}-${metadata.name}-${ordinal}`;
}

/** The claims of an ordinal that the set should have, as they are created. */
export function claimDrafts(set: StatefulSet, ordinal: number): Draft<PersistentVolumeClaim>[] {
  const owned = retention(set).whenDeleted === 'Delete' ? { ownerReferences: [controllerReference(set)] } : {};
  return (set.spec.volumeClaimTemplates ?? []).map(({ metadata, spec }) => {
    const { annotations, finalizers } = metadata;
    const labels = { ...metadata.labels, ...set.spec.selector.matchLabels };
    const name = claimName(set, metadata.name, ordinal);
    const { namespace } = set.metadata;
    return { metadata: { name, namespace, labels, annotations, finalizers, ...owned }, spec: structuredClone(spec) };
  }) as Draft<PersistentVolumeClaim>[];
}

/** The claim belongs to an earlier pod of this name, with which the garbage collector deletes it: a new pod waits for that. */
export function isStale(claim: PersistentVolumeClaim, set: StatefulSet, ordinal: number): boolean {
  return ownersOf(claim).some((owner) => isNamed(owner, 'Pod', podName(set, ordinal)));
}

/** What a claim's owner references must become. */
export interface ClaimOwners {
  readonly ownerReferences: readonly OwnerReference[];
  /** Another controller owns the claim: the retention policy is not applied to it. */
  readonly isConflict: boolean;
}

/**
 * By persistentVolumeClaimRetentionPolicy, as in Kubernetes: the set owns the claim when `whenDeleted` is Delete, its pod when
 * `whenScaled` is Delete and the pod is surplus. Undefined: the claim stays as it is, as does one of an earlier set or pod of the name.
 */
export function claimOwners(claim: PersistentVolumeClaim, set: StatefulSet, pod: Pod): ClaimOwners | undefined {
  const before = ownersOf(claim);
  const isOurs = ({ uid }: OwnerReference): boolean => uid === set.metadata.uid || uid === pod.metadata.uid;
  const others = before.filter((owner) => !isOurs(owner));
  const isEarlier = (owner: OwnerReference): boolean =>
    isNamed(owner, 'StatefulSet', set.metadata.name) || isNamed(owner, 'Pod', pod.metadata.name);
  if (others.some(isEarlier)) return undefined;
  const wanted = wantedOwner(set, pod);
  const isConflict = wanted !== undefined && others.some(({ controller }) => controller === true);
  const ours = wanted && !isConflict ? [controllerReference(wanted)] : [];
  if (isDeepStrictEqual(before.filter(isOurs).map(shape), ours.map(shape))) return undefined;
  return { ownerReferences: [...others, ...ours], isConflict };
}

function wantedOwner(set: StatefulSet, pod: Pod): KubeObject | undefined {
  const { whenDeleted, whenScaled } = retention(set);
  const ordinal = ordinalOf(set, pod);
  if (whenScaled === 'Delete' && ordinal !== undefined && !isWanted(set, ordinal)) return pod;
  return whenDeleted === 'Delete' ? set : undefined;
}

function retention({ spec }: StatefulSet): { readonly whenDeleted: string; readonly whenScaled: string } {
  return { whenDeleted: 'Retain', whenScaled: 'Retain', ...spec.persistentVolumeClaimRetentionPolicy };
}

function ownersOf({ metadata }: PersistentVolumeClaim): readonly OwnerReference[] {
  return metadata.ownerReferences ?? [];
}

function isNamed(owner: OwnerReference, kind: string, name: string): boolean {
  return owner.kind === kind && owner.name === name;
}

function shape({ uid, controller = false }: OwnerReference): object {
  return { uid, controller };
}
