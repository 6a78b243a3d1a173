import { ApiError } from '../errors.ts';
import type { NodeSelector, PersistentVolume, PersistentVolumeClaim } from '../generated/types.ts';
import { controllerOf } from '../object.ts';
import { isRecord } from '../records.ts';
import type { DeletedVolume, NodeClaim, NodeVolume, NodeVolumeSource } from '../session.ts';
import { volumeProtection } from './claims.ts';
import { localVolumeFinalizer } from './local.ts';

/** The part of a claim that a node reads. */
export function nodeClaimOf({ metadata, spec, status }: PersistentVolumeClaim): NodeClaim {
  const owner = controllerOf({ metadata });
  return {
    uid: metadata.uid,
    phase: status?.phase ?? '',
    volumeName: spec.volumeName ?? '',
    ownerUid: owner?.kind === 'Pod' ? owner.uid : '',
  };
}

/** The part of a volume that a node reads. */
export function nodeVolumeOf({ metadata, spec }: PersistentVolume): NodeVolume {
  const { nodeAffinity, claimRef, accessModes = [], mountOptions = [], volumeMode = 'Filesystem' } = spec;
  return {
    uid: metadata.uid,
    claimUid: claimRef?.uid ?? '',
    accessModes,
    volumeMode,
    mountOptions,
    deleting: metadata.deletionTimestamp !== undefined,
    ...(nodeAffinity?.required ? { affinity: nodeAffinity.required } : {}),
    source: sourceOf(spec),
  };
}

/** The node on which a local volume lies, by its affinity to one host name; undefined for other volumes. */
export function nodeOfLocalVolume({ spec }: PersistentVolume): string | undefined {
  const terms = spec.local ? (spec.nodeAffinity?.required?.nodeSelectorTerms ?? []) : [];
  const [rule, ...more] = terms.flatMap(({ matchExpressions = [], matchFields = [] }) => [
    ...matchExpressions.filter(({ key }) => key === 'kubernetes.io/hostname'),
    ...matchFields.filter(({ key }) => key === 'metadata.name'),
  ]);
  const [node, ...others] = rule?.operator === 'In' ? (rule.values ?? []) : [];
  return terms.length === 1 && more.length === 0 && others.length === 0 ? node : undefined;
}

/**
 * The volume as the node that is to delete its data reads it; undefined while the data is not to be deleted, and for other nodes. A bound
 * or protected volume keeps its data, whatever its deletion says.
 */
export function deletedVolumeOf(node: string, volume: PersistentVolume): DeletedVolume | undefined {
  const { uid, deletionTimestamp, finalizers = [] } = volume.metadata;
  if (!deletionTimestamp || !finalizers.includes(localVolumeFinalizer)) return undefined;
  if (finalizers.includes(volumeProtection) || volume.status?.phase === 'Bound') return undefined;
  const { local, claimRef, persistentVolumeReclaimPolicy } = volume.spec;
  if (persistentVolumeReclaimPolicy !== 'Delete' || !local || nodeOfLocalVolume(volume) !== node) return undefined;
  const { namespace = '', name = '' } = claimRef ?? {};
  return { uid, path: local.path, claim: claimRef ? `${namespace}/${name}` : '' };
}

function sourceOf({ local, hostPath, nfs, ...others }: PersistentVolume['spec']): NodeVolumeSource {
  if (local) return { type: 'local', path: local.path };
  if (hostPath) return { type: 'hostPath', path: hostPath.path ?? '', check: hostPath.type ?? '' };
  if (nfs) return { type: 'nfs', server: nfs.server, path: nfs.path, readOnly: nfs.readOnly === true };
  return { type: 'unsupported', name: Object.keys(others).find((field) => !settings.has(field)) ?? 'none' };
}

/** The fields of a volume's spec that are not its source. */
const settings: ReadonlySet<string> = new Set([
  'capacity',
  'accessModes',
  'claimRef',
  'persistentVolumeReclaimPolicy',
  'storageClassName',
  'mountOptions',
  'volumeMode',
  'nodeAffinity',
  'volumeAttributesClassName',
]);

/** From another process. Throws BadRequest for anything else. */
export function parseNodeClaim(value: unknown): NodeClaim {
  const { uid, phase, volumeName, ownerUid } = recordOf(value);
  return { uid: textOf(uid), phase: textOf(phase), volumeName: textOf(volumeName), ownerUid: textOf(ownerUid) };
}

/** From another process. Throws BadRequest for anything else. */
export function parseNodeVolume(value: unknown): NodeVolume {
  const { uid, claimUid, accessModes, volumeMode, mountOptions, deleting, affinity, source } = recordOf(value);
  return {
    uid: textOf(uid),
    claimUid: textOf(claimUid),
    accessModes: listOf(accessModes).map(textOf),
    volumeMode: textOf(volumeMode),
    mountOptions: listOf(mountOptions).map(textOf),
    deleting: deleting === true,
    ...(affinity === undefined ? {} : { affinity: selectorFrom(affinity) }),
    source: sourceFrom(recordOf(source)),
  };
}

/** From another process. Throws BadRequest for anything else. */
export function parseDeletedVolume(value: unknown): DeletedVolume {
  const { uid, path, claim } = recordOf(value);
  return { uid: textOf(uid), path: textOf(path), claim: textOf(claim) };
}

function sourceFrom({ type, ...rest }: Record<string, unknown>): NodeVolumeSource {
  switch (type) {
    case 'local':
      return { type, path: textOf(rest.path) };
    case 'hostPath':
      return { type, path: textOf(rest.path), check: textOf(rest.check) };
    case 'nfs':
      return { type, server: textOf(rest.server), path: textOf(rest.path), readOnly: rest.readOnly === true };
    case 'unsupported':
      return { type, name: textOf(rest.name) };
    default:
      throw malformed();
  }
}

function selectorFrom(value: unknown): NodeSelector {
  const rules = (list: unknown): { key: string; operator: string; values: string[] }[] =>
    listOf(list ?? []).map((one) => {
      const { key, operator, values } = recordOf(one);
      return { key: textOf(key), operator: textOf(operator), values: listOf(values ?? []).map(textOf) };
    });
  const nodeSelectorTerms = listOf(recordOf(value).nodeSelectorTerms).map((term) => {
    const { matchExpressions, matchFields } = recordOf(term);
    return { matchExpressions: rules(matchExpressions), matchFields: rules(matchFields) };
  });
  return { nodeSelectorTerms } as NodeSelector;
}

function recordOf(value: unknown): Record<string, unknown> {
  if (!isRecord(value)) throw malformed();
  return value;
}

function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw malformed();
  return value;
}

function textOf(value: unknown): string {
  if (typeof value !== 'string') throw malformed();
  return value;
}

function malformed(): ApiError {
  return new ApiError('BadRequest', 'a session message does not hold a volume');
}
