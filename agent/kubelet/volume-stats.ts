import { formatTime } from '../../shared/clock.ts';
import type { Pod } from '../../shared/generated/types.ts';
import { claimOfVolume } from '../../shared/pod-references.ts';
import type { VolumeSpace } from '../usage/volume-meter.ts';

/**
 * The pod's volumes in the kubelet's `/stats/summary`: those of its claims that lie in measured directories. `pathOf`: where the volume of
 * a claim lies; undefined when it is not a local volume. Inodes are not counted, and left out.
 */
export function volumeStats(
  pod: Pod,
  space: VolumeSpace | undefined,
  pathOf: (claim: string) => string | undefined,
): object[] {
  const { namespace = '' } = pod.metadata;
  return (pod.spec.volumes ?? []).flatMap((volume) => {
    const claim = claimOfVolume(pod, volume);
    const path = claim === undefined ? undefined : pathOf(`${namespace}/${claim}`);
    const usedBytes = path === undefined ? undefined : space?.used.get(path);
    if (!space || usedBytes === undefined) return [];
    const { capacityBytes, availableBytes } = space;
    const pvcRef = { name: claim, namespace };
    return [{ time: formatTime(space.at), availableBytes, capacityBytes, usedBytes, name: volume.name, pvcRef }];
  });
}
