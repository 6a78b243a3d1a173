import type { EphemeralVolumeSource } from '../../../shared/generated/types.ts';
import { ephemeralClaimOf } from '../../../shared/pod-references.ts';
import type { NamedVolume, VolumeSource } from '../source.ts';
import { boundVolume, checkVolume, locationOf, prepareVolume } from './persistent-volume-claim.ts';

/** A generic ephemeral volume: that of a claim which a controller has made for the pod. */
export const ephemeral: VolumeSource<EphemeralVolumeSource> = {
  check: (_source, volume) => checkVolume(ownVolume(volume), claimNameOf(volume), volume),
  prepare: (_source, volume) => prepareVolume(ownVolume(volume), false, volume),
  location: (_source, volume) => locationOf(ownVolume(volume)),
};

function ownVolume(volume: NamedVolume): ReturnType<typeof boundVolume> {
  return boundVolume(volume, claimNameOf(volume), true);
}

function claimNameOf({ pod, name }: NamedVolume): string {
  return ephemeralClaimOf(pod, name);
}
