import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from '../generated/types.ts';
import { compareQuantities } from '../quantity.ts';
import { matchesLabels, matchesNodeSelector, selectorOf } from '../selector.ts';
import { classNameOf, isReservedFor } from './claims.ts';

/** A node as affinities see it. */
export interface PlacedNode {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Why the claim cannot have a volume that it or the volume names, in Kubernetes' words; undefined: it can. */
export function mismatchOf(volume: PersistentVolume, claim: PersistentVolumeClaim): string | undefined {
  if (compareQuantities(sizeOf(volume), requestOf(claim)) < 0) return 'requested PV is too small';
  if (classNameOf(volume) !== classNameOf(claim)) return 'storageClassName does not match';
  if (modeOf(volume) !== modeOf(claim)) return 'incompatible volumeMode';
  return hasModes(volume, claim) ? undefined : 'incompatible accessMode';
}

/** Whether the volume has no bound claim. */
export function isOpen({ status }: PersistentVolume): boolean {
  return status?.phase !== 'Bound';
}

export function reachableFrom({ spec: { nodeAffinity } }: PersistentVolume, node: PlacedNode): boolean {
  return !nodeAffinity?.required || matchesNodeSelector(nodeAffinity.required, node);
}

/** The volumes that the claim can be bound to, on any node: those reserved for it by name and, unless `reservedOnly`, free ones. */
export function candidatesFor(
  claim: PersistentVolumeClaim,
  volumes: Iterable<PersistentVolume>,
  reservedOnly = false,
): PersistentVolume[] {
  const selector = claim.spec.selector && selectorOf(claim.spec.selector);
  const isFree = ({ metadata, spec, status }: PersistentVolume): boolean => {
    if (spec.claimRef || metadata.deletionTimestamp || status?.phase !== 'Available') return false;
    return !selector || matchesLabels(selector, metadata.labels);
  };
  const found: PersistentVolume[] = [];
  for (const volume of volumes) {
    const isAllowed = isReservedFor(volume, claim) || (!reservedOnly && isFree(volume));
    if (isAllowed && mismatchOf(volume, claim) === undefined) found.push(volume);
  }
  return found;
}

/** The candidate to bind the claim to: one that is reserved for it, else the smallest. `node`: it must reach the volume. */
export function bestCandidate(
  claim: PersistentVolumeClaim,
  candidates: readonly PersistentVolume[],
  node?: PlacedNode,
  except?: ReadonlySet<string>,
): PersistentVolume | undefined {
  let best: PersistentVolume | undefined;
  for (const volume of candidates) {
    if (except?.has(volume.metadata.name) || (node && !reachableFrom(volume, node))) continue;
    if (isReservedFor(volume, claim)) return volume;
    if (!best || isBefore(volume, best)) best = volume;
  }
  return best;
}

/** Whether the class makes volumes on nodes with these labels. */
export function allowsTopology({ allowedTopologies = [] }: StorageClass, { labels }: PlacedNode): boolean {
  if (allowedTopologies.length === 0) return true;
  return allowedTopologies.some(({ matchLabelExpressions = [] }) =>
    matchLabelExpressions.every(({ key, values }) => values?.includes(labels[key] ?? '') ?? false),
  );
}

export function sizeOf({ spec }: PersistentVolume): string {
  return spec.capacity?.storage ?? '0';
}

export function requestOf({ spec }: PersistentVolumeClaim): string {
  return spec.resources?.requests?.storage ?? '0';
}

function isBefore(one: PersistentVolume, other: PersistentVolume): boolean {
  const order = compareQuantities(sizeOf(one), sizeOf(other));
  return order < 0 || (order === 0 && one.metadata.name < other.metadata.name);
}

function modeOf({ spec }: PersistentVolume | PersistentVolumeClaim): string {
  return spec.volumeMode ?? 'Filesystem';
}

function hasModes(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  return claim.spec.accessModes?.every((mode) => volume.spec.accessModes?.includes(mode)) ?? true;
}
