import { ignoring } from '../../../shared/errors.ts';
import type { Node, PersistentVolume, PersistentVolumeClaim, StorageClass } from '../../../shared/generated/types.ts';
import type { Change } from '../../../shared/informer.ts';
import { isNodeReady } from '../../../shared/node.ts';
import { keyOf } from '../../../shared/object.ts';
import { compareQuantities } from '../../../shared/quantity.ts';
import { annotations, classNameOf, isFullyBound } from '../../../shared/storage/claims.ts';
import { localProvisioner, localVolumeFinalizer } from '../../../shared/storage/local.ts';
import { sizeOf } from '../../../shared/storage/matching.ts';
import type { Controller, ControllerDeps } from '../controller.ts';
import { addFinalizer, removeFinalizer } from '../finalizers.ts';
import { growthOf, hostnameOf, isEligible, localVolume, nodeForImmediate, refusalOf } from './plan.ts';

const claimPrefix = 'claim/';
const volumePrefix = 'volume/';

/**
 * Makes the volumes of claims of classes with the provisioner `coracle.io/local`: directories on the node that the scheduler chose. The
 * node's agent makes the directory when the first pod mounts it, and deletes it, which is what the finalizer of a volume waits for.
 */
export function createLocalProvisioner(deps: ControllerDeps): Controller {
  const { client, informers, events } = deps;
  const volumes = informers.of('PersistentVolume');
  const claims = informers.of('PersistentVolumeClaim');
  const classes = informers.of('StorageClass');
  const nodes = informers.of('Node');

  function* keysOf({ kind, key, before, after }: Change): Iterable<string> {
    if (kind === 'PersistentVolumeClaim') {
      if (after) yield claimPrefix + key;
    } else if (kind === 'PersistentVolume') {
      const ref = (after as PersistentVolume | undefined)?.spec.claimRef;
      if (after) yield volumePrefix + key;
      if (ref) yield `${claimPrefix}${ref.namespace}/${ref.name}`;
    } else if (kind === 'Node' && (!before || !after || !hadSameVolumes(before as Node, after as Node))) {
      for (const volume of volumes.values()) if (volume.metadata.deletionTimestamp) yield volumePrefix + keyOf(volume);
      for (const claim of claims.values()) if (isWaiting(claim)) yield claimPrefix + keyOf(claim);
    }
  }

  async function reconcile(key: string): Promise<undefined> {
    if (key.startsWith(volumePrefix)) {
      const volume = volumes.get(key.slice(volumePrefix.length));
      if (volume && hostnameOf(volume) !== undefined) await syncVolume(volume);
      return;
    }
    const claim = claims.get(key.slice(claimPrefix.length));
    if (!claim || claim.metadata.deletionTimestamp) return;
    if (isWaiting(claim)) await provision(claim);
    else if (isFullyBound(claim)) await expand(claim);
  }

  async function provision(claim: PersistentVolumeClaim): Promise<void> {
    const storageClass = classes.get(classNameOf(claim));
    if (storageClass?.provisioner !== localProvisioner) return;
    const refusal = refusalOf(claim, storageClass);
    if (refusal !== undefined) return fail(claim, refusal);
    const selected = claim.metadata.annotations?.[annotations.selectedNode];
    if (selected === undefined && storageClass.volumeBindingMode === 'WaitForFirstConsumer') return;
    const node = await nodeOf(claim, storageClass, selected);
    if (!node) return;
    const volume = localVolume(claim, storageClass, node);
    const made = await client.create('PersistentVolume', volume).catch(ignoring('AlreadyExists'));
    if (!made) return;
    events.event(claim, 'Normal', 'ProvisioningSucceeded', `Successfully provisioned volume ${volume.metadata.name}`);
  }

  async function nodeOf(
    claim: PersistentVolumeClaim,
    storageClass: StorageClass,
    selected: string | undefined,
  ): Promise<Node | undefined> {
    if (selected === undefined) {
      const node = nodeForImmediate(nodes.values(), volumes.values(), storageClass);
      if (!node) fail(claim, 'no node that is ready has a directory for local volumes');
      return node;
    }
    const node = nodes.get(selected);
    if (node && isEligible(node, storageClass)) return node;
    const why = node
      ? `node "${selected}" has no directory for local volumes of this class`
      : `node "${selected}" not found`;
    fail(claim, why);
    await deselect(claim);
    return undefined;
  }

  /** Has the scheduler choose another node. */
  async function deselect({ metadata }: PersistentVolumeClaim): Promise<void> {
    const { name, namespace = '', resourceVersion } = metadata;
    const body = { metadata: { resourceVersion, annotations: { [annotations.selectedNode]: null } } };
    await client
      .patch('PersistentVolumeClaim', name, { type: 'merge', body }, { namespace })
      .catch(ignoring('NotFound'));
  }

  function fail(claim: PersistentVolumeClaim, why: string): void {
    const message = `failed to provision volume with StorageClass "${classNameOf(claim)}": ${why}`;
    events.event(claim, 'Warning', 'ProvisioningFailed', message);
  }

  async function syncVolume(volume: PersistentVolume): Promise<void> {
    const { metadata, spec, status } = volume;
    const held = metadata.finalizers?.includes(localVolumeFinalizer) ?? false;
    if (metadata.deletionTimestamp) {
      if (held && !hasNode(volume)) await abandon(volume);
      return;
    }
    const isDeleted = spec.persistentVolumeReclaimPolicy === 'Delete';
    if (held !== isDeleted) {
      const write = isDeleted ? addFinalizer : removeFinalizer;
      await write(client, 'PersistentVolume', volume, localVolumeFinalizer);
      return;
    }
    if (!isDeleted || status?.phase !== 'Released') return;
    const { uid, resourceVersion } = metadata;
    await client
      .delete('PersistentVolume', metadata.name, { preconditions: { uid, resourceVersion } })
      .catch(ignoring('NotFound'));
  }

  function hasNode(volume: PersistentVolume): boolean {
    const hostname = hostnameOf(volume);
    for (const { metadata } of nodes.values()) {
      if ((metadata.labels?.['kubernetes.io/hostname'] ?? metadata.name) === hostname) return true;
    }
    return false;
  }

  /** The node has left the cluster: no agent will delete the data. */
  async function abandon(volume: PersistentVolume): Promise<void> {
    // The informers may be behind a node that has just registered.
    const { items } = await client.list('Node', { labelSelector: `kubernetes.io/hostname=${hostnameOf(volume)}` });
    if (items.length > 0) return;
    const message = `node ${hostnameOf(volume)} is no longer part of the cluster; what is left of the data in ${volume.spec.local?.path} is not deleted`;
    events.event(volume, 'Warning', 'VolumeAbandoned', message);
    await removeFinalizer(client, 'PersistentVolume', volume, localVolumeFinalizer);
  }

  /** The volume grows first: a claim is never promised more than its volume has. */
  async function expand(claim: PersistentVolumeClaim): Promise<void> {
    const volume = volumes.get(claim.spec.volumeName ?? '');
    if (!volume || hostnameOf(volume) === undefined || volume.spec.claimRef?.uid !== claim.metadata.uid) return;
    const storage = claim.status?.phase === 'Bound' ? growthOf(volume, claim) : undefined;
    if (storage === undefined) return;
    if (compareQuantities(sizeOf(volume), storage) < 0) {
      const { name, resourceVersion } = volume.metadata;
      const body = { metadata: { resourceVersion }, spec: { capacity: { storage } } };
      await client.patch('PersistentVolume', name, { type: 'merge', body });
    }
    const { name, namespace = '', resourceVersion } = claim.metadata;
    const body = { metadata: { resourceVersion }, status: { capacity: { ...claim.status?.capacity, storage } } };
    await client.patch('PersistentVolumeClaim', name, { type: 'merge', body }, { namespace, subresource: 'status' });
    events.event(claim, 'Normal', 'VolumeResizeSuccessful', 'Resize volume succeeded');
  }

  return {
    name: 'local-volume-provisioner',
    kinds: ['PersistentVolume', 'PersistentVolumeClaim', 'Node'],
    workers: 4,
    keysOf,
    reconcile,
  };
}

/** The binder found no volume for the claim and asked for a local one. */
function isWaiting({ metadata, spec }: PersistentVolumeClaim): boolean {
  return !spec.volumeName && metadata.annotations?.[annotations.provisioner] === localProvisioner;
}

function hadSameVolumes(before: Node, after: Node): boolean {
  const relevant = (node: Node): string =>
    JSON.stringify([node.metadata.annotations, node.metadata.labels, node.spec?.unschedulable, isNodeReady(node)]);
  return relevant(before) === relevant(after);
}
