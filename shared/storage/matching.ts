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

export function reachableFrom({ spec: { nodeAffinity } }: PersistentVolume, node: PlacedNode): boolean {
  return !nodeAffinity?.required || matchesNodeSelector(nodeAffinity.required, node);
}

export interface MatchLimits {
  /** Only volumes that this node reaches. */
  readonly node?: PlacedNode | undefined;
  /** Only volumes that are reserved for the claim by name. */
  readonly reservedOnly?: boolean;
  /** Volumes that are taken already. */
  readonly except?: ReadonlySet<string>;
}

/** The volume to bind the claim to: one that is reserved for it, else the smallest that fits. */
export function bestVolume(
  claim: PersistentVolumeClaim,
  volumes: Iterable<PersistentVolume>,
  { node, reservedOnly = false, except }: MatchLimits = {},
): PersistentVolume | undefined {
  const selector = claim.spec.selector && selectorOf(claim.spec.selector);
  let best: PersistentVolume | undefined;
  for (const volume of volumes) {
    if (except?.has(volume.metadata.name) || mismatchOf(volume, claim) !== undefined) continue;
    if (node && !reachableFrom(volume, node)) continue;
    if (isReservedFor(volume, claim)) return volume;
    if (reservedOnly || volume.spec.claimRef || volume.metadata.deletionTimestamp) continue;
    if (volume.status?.phase !== 'Available') continue;
    if (selector && !matchesLabels(selector, volume.metadata.labels)) continue;
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
