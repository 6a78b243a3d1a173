import { normalize } from 'node:path';
import type { HostPathVolumeSource, PersistentVolumeClaimVolumeSource } from '../../../shared/generated/types.ts';
import { matchesNodeSelector } from '../../../shared/selector.ts';
import type { NodeVolume } from '../../../shared/session.ts';
import { ClaimError, ConfigError } from '../../pod/inputs.ts';
import type { NamedVolume, VolumeContext, VolumeSource } from '../source.ts';
import { hostPath } from './host-path.ts';
import { prepareLocal } from './local.ts';
import { mountNfs } from './nfs.ts';

/** The volume that a claim is bound to. */
export const persistentVolumeClaim: VolumeSource<PersistentVolumeClaimVolumeSource> = {
  check: ({ claimName }, volume) => checkVolume(boundVolume(volume, claimName), claimName, volume),
  prepare: ({ claimName, readOnly }, volume) =>
    prepareVolume(boundVolume(volume, claimName), readOnly === true, volume),
  location: ({ claimName }, volume) => locationOf(boundVolume(volume, claimName)),
  readOnly: ({ readOnly }) => readOnly === true,
};

/** The volume of a claim. `owned`: the claim must have been made for the pod. Throws ClaimError in the kubelet's words. */
export function boundVolume({ pod, inputs }: NamedVolume, claimName: string, owned = false): NodeVolume {
  const { namespace = '', name, uid } = pod.metadata;
  const key = `${namespace}/${claimName}`;
  const fail = (why: string): never => {
    throw new ClaimError(`error processing PVC ${key}: ${why}`);
  };
  const claim = inputs.claims?.claim(namespace, claimName);
  if (!claim) {
    const why = `persistentvolumeclaims "${claimName}" not found`;
    return fail(`failed to fetch PVC from API server: ${why}`);
  }
  if (owned && claim.ownerUid !== uid) {
    return fail(`PVC ${key} was not created for pod ${namespace}/${name} (pod is not owner)`);
  }
  if (claim.phase !== 'Bound' || !claim.volumeName) return fail('PVC is not bound');
  const volume = inputs.claims?.volume(claim.volumeName);
  if (!volume)
    return fail(
      `failed to get PV ${claim.volumeName} from API server: persistentvolumes "${claim.volumeName}" not found`,
    );
  if (volume.claimUid !== claim.uid) {
    return fail(`PV "${claim.volumeName}" has claimRef.UID "${volume.claimUid}", expected "${claim.uid}"`);
  }
  return volume;
}

/** Throws ConfigError when the volume cannot be mounted for the pod on this node. */
export function checkVolume(volume: NodeVolume, claimName: string, { name, pod, inputs, facts }: NamedVolume): void {
  const { volumeMode, accessModes, affinity, source } = volume;
  if (volumeMode === 'Block') throw new ConfigError(`volume ${name} has volumeMode Block, which is not supported`);
  if (source.type === 'unsupported') {
    throw new ConfigError(`this kind of persistent volume is not supported: ${source.name}`);
  }
  const labels = inputs.claims?.nodeLabels();
  if (affinity && labels && !matchesNodeSelector(affinity, { name: facts.nodeName, labels })) {
    throw new ConfigError('no matching NodeSelectorTerms');
  }
  if (!accessModes.includes('ReadWriteOncePod')) return;
  if (inputs.claims?.takeAlone(pod, `${pod.metadata.namespace}/${claimName}`)) return;
  throw new ConfigError('volume uses the ReadWriteOncePod access mode and is already in use by another pod');
}

export async function prepareVolume(volume: NodeVolume, readOnly: boolean, context: VolumeContext): Promise<void> {
  const { source, mountOptions, deleting } = volume;
  switch (source.type) {
    case 'local':
      return prepareLocal({ path: source.path, deleting }, context);
    case 'hostPath':
      return hostPath.prepare({ path: source.path, type: source.check as HostPathVolumeSource['type'] }, context);
    case 'nfs':
      return mountNfs({ ...source, readOnly: readOnly || source.readOnly }, mountOptions, context);
    case 'unsupported':
      throw new ConfigError(`this kind of persistent volume is not supported: ${source.name}`);
  }
}

/** Undefined: in the pod's directory. */
export function locationOf({ source }: NodeVolume): string | undefined {
  return source.type === 'local' || source.type === 'hostPath' ? normalize(source.path) : undefined;
}
