import type { Pod, Volume } from '../../shared/generated/types.ts';
import { canonicalQuantity, compareQuantities, intValue } from '../../shared/quantity.ts';
import { wholePod } from '../../shared/quota/pod-usage.ts';
import { isCritical } from '../admission/preempt.ts';
import { ephemeralStorageOf } from '../volumes/sources.ts';

const resource = 'ephemeral-storage';

/** What has to be measured to enforce a pod's limits. */
export interface StorageWatch {
  /** Names of volumes. */
  readonly volumes: readonly string[];
  /** Whether what containers write (layers and logs) counts. */
  readonly containers: boolean;
}

/** Bytes that a pod uses on the node's disk. */
export interface StorageUsage {
  readonly volumes: ReadonlyMap<string, number>;
  /** Layer and logs of the newest container of each name. */
  readonly containers: ReadonlyMap<string, number>;
}

/** Undefined when the pod has no storage limit, or must not be evicted, as a critical one. */
export function storageWatch(pod: Pod): StorageWatch | undefined {
  if (isCritical(pod)) return undefined;
  const { spec } = pod;
  const whole = wholePod(spec, 'limits')[resource] !== undefined;
  const volumes = (spec.volumes ?? []).filter((volume) => sizeLimitOf(volume) || (whole && isLocal(volume)));
  return whole || volumes.length > 0 ? { volumes: volumes.map(({ name }) => name), containers: whole } : undefined;
}

/**
 * Why the pod is evicted, in the kubelet's words: an emptyDir, the whole pod or a container exceeds its limit (pkg/kubelet/eviction,
 * `localStorageEviction`). Undefined when all limits are kept.
 */
export function exceededLimit({ spec }: Pod, usage: StorageUsage): string | undefined {
  for (const volume of spec.volumes ?? []) {
    const limit = sizeLimitOf(volume);
    const used = usage.volumes.get(volume.name);
    if (limit && used !== undefined && exceeds(used, limit)) {
      return `Usage of EmptyDir volume "${volume.name}" exceeds the limit "${canonicalQuantity(limit)}". `;
    }
  }
  const whole = wholePod(spec, 'limits')[resource];
  if (whole !== undefined && exceeds(totalOf(spec.volumes ?? [], usage), whole)) {
    return `Pod ephemeral local storage usage exceeds the total limit of containers ${canonicalQuantity(whole)}. `;
  }
  for (const { name, resources } of spec.containers) {
    const limit = resources?.limits?.[resource];
    const used = usage.containers.get(name);
    if (limit && intValue(limit) !== 0 && used !== undefined && exceeds(used, limit)) {
      return `Container ${name} exceeded its local ephemeral storage limit "${canonicalQuantity(limit)}". `;
    }
  }
  return undefined;
}

/** A limit of zero is no limit, as in Kubernetes. */
function sizeLimitOf(volume: Volume): string | undefined {
  const limit = ephemeralStorageOf(volume)?.sizeLimit;
  return limit !== undefined && compareQuantities(limit, '0') > 0 ? limit : undefined;
}

/** Whether the volume is on the node's disk and is deleted with the pod (pkg/volume/util, `IsLocalEphemeralVolume`). */
function isLocal(volume: Volume): boolean {
  return ephemeralStorageOf(volume)?.onDisk === true;
}

function totalOf(volumes: readonly Volume[], usage: StorageUsage): number {
  const local = volumes.filter(isLocal).map(({ name }) => usage.volumes.get(name) ?? 0);
  return [...local, ...usage.containers.values()].reduce((sum, bytes) => sum + bytes, 0);
}

function exceeds(bytes: number, limit: string): boolean {
  return compareQuantities(bytes, limit) > 0;
}
