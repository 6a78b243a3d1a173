import type { Node, PersistentVolume, PersistentVolumeClaim, StorageClass } from '../../../shared/generated/types.ts';
import { isNodeReady } from '../../../shared/node.ts';
import type { Draft } from '../../../shared/object.ts';
import { compareQuantities, intValue } from '../../../shared/quantity.ts';
import { annotations, referenceTo } from '../../../shared/storage/claims.ts';
import { localProvisioner, localVolumeFinalizer, localVolumesAnnotation } from '../../../shared/storage/local.ts';
import { allowsTopology, requestOf, sizeOf } from '../../../shared/storage/matching.ts';

const hostnameLabel = 'kubernetes.io/hostname';
const modes = ['ReadWriteOnce', 'ReadWriteOncePod'];

/** What a directory on one node cannot be; undefined: it can be the claim's volume. */
export function refusalOf({ spec }: PersistentVolumeClaim, { parameters = {} }: StorageClass): string | undefined {
  const mode = spec.accessModes?.find((one) => !modes.includes(one));
  if (spec.volumeMode === 'Block') return `${localProvisioner} makes no volumes of volumeMode Block`;
  if (mode !== undefined)
    return `${localProvisioner} makes no volumes of access mode ${mode}, only of ${modes.join(' and ')}`;
  if (spec.selector) return 'claim.spec.selector is not supported for dynamic provisioning';
  if (spec.dataSource ?? spec.dataSourceRef) return `${localProvisioner} fills no volume from a data source`;
  const [parameter] = Object.keys(parameters);
  return parameter === undefined ? undefined : `${localProvisioner} knows no parameter "${parameter}"`;
}

/** The volume of a claim on the node. The node must have a root of local volumes. */
export function localVolume(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  node: Node,
): Draft<PersistentVolume> & { metadata: { name: string } } {
  const name = `pvc-${claim.metadata.uid}`;
  const reclaim = storageClass.reclaimPolicy ?? 'Delete';
  const hostname = node.metadata.labels?.[hostnameLabel] ?? node.metadata.name;
  return {
    metadata: {
      name,
      annotations: { [annotations.provisionedBy]: localProvisioner },
      ...(reclaim === 'Delete' ? { finalizers: [localVolumeFinalizer] } : {}),
    },
    spec: {
      capacity: { storage: requestOf(claim) },
      accessModes: [...(claim.spec.accessModes ?? [])],
      volumeMode: 'Filesystem',
      persistentVolumeReclaimPolicy: reclaim,
      storageClassName: storageClass.metadata.name,
      ...(storageClass.mountOptions ? { mountOptions: [...storageClass.mountOptions] } : {}),
      claimRef: referenceTo(claim),
      local: { path: `${rootOf(node)}/${name}` },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [{ matchExpressions: [{ key: hostnameLabel, operator: 'In', values: [hostname] }] }],
        },
      },
    },
  };
}

/** The directory of the node's local volumes, without a slash at its end; undefined: it has none. */
export function rootOf({ metadata }: Node): string | undefined {
  return metadata.annotations?.[localVolumesAnnotation]?.replace(/\/+$/, '');
}

/** Whether a volume of the class can be made on the node. */
export function isEligible(node: Node, storageClass: StorageClass): boolean {
  const { name, labels = {} } = node.metadata;
  return rootOf(node) !== undefined && allowsTopology(storageClass, { name, labels });
}

/** The node for a claim that no pod has chosen one for: the one with the least local storage given away, by name when equal. */
export function nodeForImmediate(
  nodes: Iterable<Node>,
  volumes: Iterable<PersistentVolume>,
  storageClass: StorageClass,
): Node | undefined {
  const given = new Map<string, number>();
  for (const volume of volumes) {
    const hostname = hostnameOf(volume);
    if (hostname !== undefined) given.set(hostname, (given.get(hostname) ?? 0) + intValue(sizeOf(volume)));
  }
  const amount = ({ metadata: { name, labels } }: Node): number => given.get(labels?.[hostnameLabel] ?? name) ?? 0;
  let best: Node | undefined;
  for (const node of nodes) {
    if (!isEligible(node, storageClass) || !isUsable(node)) continue;
    const order = best ? amount(node) - amount(best) : -1;
    if (!best || order < 0 || (order === 0 && node.metadata.name < best.metadata.name)) best = node;
  }
  return best;
}

/** The value of the label `kubernetes.io/hostname` of the node that a local volume is on; undefined: the volume is not ours. */
export function hostnameOf({ metadata, spec }: PersistentVolume): string | undefined {
  if (metadata.annotations?.[annotations.provisionedBy] !== localProvisioner) return undefined;
  const [term] = spec.nodeAffinity?.required?.nodeSelectorTerms ?? [];
  return term?.matchExpressions?.find(({ key }) => key === hostnameLabel)?.values?.[0];
}

/** The size that a bound volume of ours is to grow to; undefined: it is large enough. */
export function growthOf(volume: PersistentVolume, claim: PersistentVolumeClaim): string | undefined {
  const wanted = requestOf(claim);
  const has = claim.status?.capacity?.storage ?? sizeOf(volume);
  const enough = compareQuantities(sizeOf(volume), wanted) >= 0 && compareQuantities(has, wanted) >= 0;
  return enough ? undefined : wanted;
}

function isUsable(node: Node): boolean {
  return isNodeReady(node) && !node.spec?.unschedulable;
}
