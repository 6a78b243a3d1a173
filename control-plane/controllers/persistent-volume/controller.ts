import { ignoring } from '../../../shared/errors.ts';
import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from '../../../shared/generated/types.ts';
import type { Change } from '../../../shared/informer.ts';
import { defaultClassOf, isDefaultClass } from '../../../shared/kinds/storage/storage-class.ts';
import { keyOf } from '../../../shared/object.ts';
import { ByClass } from '../../../shared/storage/by-class.ts';
import { annotations, classNameOf, isFullyBound, reservationOf } from '../../../shared/storage/claims.ts';
import { isOpen, type PlacedNode } from '../../../shared/storage/matching.ts';
import type { Controller, ControllerDeps } from '../controller.ts';
import { statusPatch } from '../status-patch.ts';
import { type ClaimStep, type Notice, planClaim, planVolume, type VolumeStep } from './plan.ts';

const claimPrefix = 'claim/';
const volumePrefix = 'volume/';

/**
 * Binds claims to volumes and keeps the phases of both (Kubernetes' persistent volume controller). The volume's `claimRef` is written
 * first, guarded by the volume's version: a volume belongs to the claim that it refers to, whatever else was written.
 */
export function createPersistentVolumeController(deps: ControllerDeps): Controller {
  const { client, informers, events } = deps;
  const volumes = informers.of('PersistentVolume');
  const claims = informers.of('PersistentVolumeClaim');
  const classes = informers.of('StorageClass');
  /** Claims without a volume, and volumes without a bound claim. */
  const waiting = new ByClass<PersistentVolumeClaim>();
  const open = new ByClass<PersistentVolume>();

  function* keysOf({ kind, key, before, after }: Change): Iterable<string> {
    if (kind === 'StorageClass') yield* waitingFor(key, after as StorageClass | undefined);
    else if (kind === 'PersistentVolumeClaim') yield* ofClaim(key, after as PersistentVolumeClaim | undefined, before);
    else if (kind === 'PersistentVolume') yield* ofVolume(key, after as PersistentVolume | undefined, before);
  }

  function* waitingFor(className: string, after: StorageClass | undefined): Iterable<string> {
    for (const name of waiting.of(className).keys()) yield claimPrefix + name;
    if (after && isDefaultClass(after)) for (const name of waiting.of('').keys()) yield claimPrefix + name;
  }

  function* ofClaim(key: string, after: PersistentVolumeClaim | undefined, before: Change['before']): Iterable<string> {
    waiting.set(key, after && !isFullyBound(after) ? after : undefined);
    yield claimPrefix + key;
    const volume = (after ?? (before as PersistentVolumeClaim)).spec.volumeName;
    if (volume) yield volumePrefix + volume;
  }

  function* ofVolume(name: string, after: PersistentVolume | undefined, before: Change['before']): Iterable<string> {
    open.set(name, after && isOpen(after) ? after : undefined);
    if (after) yield volumePrefix + name;
    const was = (before as PersistentVolume | undefined)?.spec.claimRef;
    for (const ref of [after?.spec.claimRef, was]) if (ref) yield `${claimPrefix}${ref.namespace}/${ref.name}`;
    if (after && !after.spec.claimRef && after.status?.phase === 'Available') {
      for (const claim of waiting.of(classNameOf(after)).keys()) yield claimPrefix + claim;
    }
  }

  async function reconcile(key: string): Promise<undefined> {
    if (key.startsWith(volumePrefix)) {
      const volume = volumes.get(key.slice(volumePrefix.length));
      if (volume) await syncVolume(volume);
      return;
    }
    const claim = claims.get(key.slice(claimPrefix.length));
    if (claim) await syncClaim(claim);
  }

  async function syncClaim(claim: PersistentVolumeClaim): Promise<void> {
    if (await takeDefaultClass(claim)) return;
    // A claim that is being deleted gets no volume any more.
    if (claim.metadata.deletionTimestamp && !isFullyBound(claim)) return;
    const storageClass = classes.get(classNameOf(claim));
    const node = claim.metadata.annotations?.[annotations.selectedNode];
    const step = planClaim(claim, {
      named: claim.spec.volumeName ? volumes.get(claim.spec.volumeName) : undefined,
      volumes: open.of(classNameOf(claim)).values(),
      storageClass,
      selected: node === undefined ? undefined : placed(node),
    });
    await take(claim, step);
  }

  async function take(claim: PersistentVolumeClaim, step: ClaimStep): Promise<void> {
    switch (step.do) {
      case 'bind':
        await bind(claim, step.volume);
        return;
      case 'provision':
        await request(claim, step.provisioner, step.notice);
        return;
      case 'lose':
        if (claim.status?.phase === 'Lost') return;
        notify(claim, step.notice);
        await lose(claim);
        return;
      case 'wait':
        if (step.notice) notify(claim, step.notice);
        if (claim.status?.phase !== 'Pending') await setClaimStatus(claim, { ...claim.status, phase: 'Pending' });
        return;
    }
  }

  async function lose(claim: PersistentVolumeClaim): Promise<void> {
    const { capacity: _capacity, accessModes: _modes, ...others } = claim.status ?? {};
    await setClaimStatus(claim, { ...others, phase: 'Lost' });
  }

  /** A claim that names no class gets the default one as soon as there is one. Returns whether it was written. */
  async function takeDefaultClass(claim: PersistentVolumeClaim): Promise<boolean> {
    const { spec } = claim;
    if (spec.storageClassName !== undefined || spec.volumeName || classNameOf(claim) !== '') return false;
    const found = defaultClassOf(classes.values());
    if (!found) return false;
    await patchClaim(claim, { spec: { storageClassName: found.metadata.name } });
    return true;
  }

  /** Writes the volume's `claimRef`, then the claim, then the volume's phase: until then it is among the open volumes. */
  async function bind(claim: PersistentVolumeClaim, found: PersistentVolume): Promise<void> {
    const volume = await reserve(found, claim);
    const { metadata, spec } = claim;
    let bound = claim;
    if (!isFullyBound(claim)) {
      const named = spec.volumeName !== undefined && spec.volumeName !== '';
      bound = await patchClaim(claim, {
        metadata: {
          annotations: {
            [annotations.bindCompleted]: 'yes',
            ...(named || metadata.annotations?.[annotations.boundByController]
              ? {}
              : { [annotations.boundByController]: 'yes' }),
          },
        },
        spec: { volumeName: volume.metadata.name },
      });
    }
    if (bound.status?.phase !== 'Bound') {
      const { accessModes, capacity } = volume.spec;
      await setClaimStatus(bound, { ...bound.status, phase: 'Bound', accessModes, capacity });
    }
    if (volume.status?.phase !== 'Bound') await setVolumePhase(volume, 'Bound');
  }

  async function reserve(volume: PersistentVolume, claim: PersistentVolumeClaim): Promise<PersistentVolume> {
    const reservation = reservationOf(volume, claim);
    return reservation ? patchVolume(volume, reservation) : volume;
  }

  async function request(claim: PersistentVolumeClaim, provisioner: string, notice: Notice): Promise<void> {
    notify(claim, notice);
    if (claim.metadata.annotations?.[annotations.provisioner] === provisioner) return;
    const named = { [annotations.provisioner]: provisioner, [annotations.oldProvisioner]: provisioner };
    await patchClaim(claim, { metadata: { annotations: named } });
  }

  async function syncVolume(volume: PersistentVolume): Promise<void> {
    const { claimRef } = volume.spec;
    let claim = claimRef?.uid ? claims.get(`${claimRef.namespace}/${claimRef.name}`) : undefined;
    if (claimRef?.uid && claim?.metadata.uid !== claimRef.uid) {
      // Its data may be deleted next: the API must say that the claim is gone.
      claim = await client
        .get('PersistentVolumeClaim', claimRef.name ?? '', claimRef.namespace)
        .catch(ignoring('NotFound'));
    }
    await takeVolume(volume, planVolume(volume, claim), claim);
  }

  async function takeVolume(
    volume: PersistentVolume,
    step: VolumeStep,
    claim: PersistentVolumeClaim | undefined,
  ): Promise<void> {
    switch (step.do) {
      case 'claim':
        // A stale claim is looked at again when the informers show it.
        if (claim && claims.get(keyOf(claim))?.metadata.uid === claim.metadata.uid) await syncClaim(claim);
        return;
      case 'unbind':
        await unbind(volume);
        return;
      case 'fail':
        if (volume.status?.phase === 'Failed' && volume.status.message === step.message) return;
        events.event(volume, 'Warning', step.reason, step.message);
        await patchVolumeStatus(volume, { phase: 'Failed', reason: step.reason, message: step.message });
        return;
      case 'phase':
        if (volume.status?.phase !== step.phase) await setVolumePhase(volume, step.phase);
        return;
    }
  }

  async function unbind(volume: PersistentVolume): Promise<void> {
    const own = volume.metadata.annotations?.[annotations.boundByController] !== undefined;
    const body = own
      ? { metadata: { annotations: { [annotations.boundByController]: null } }, spec: { claimRef: null } }
      : { spec: { claimRef: { uid: null, resourceVersion: null } } };
    await patchVolume(volume, body);
  }

  function placed(name: string): PlacedNode {
    return { name, labels: informers.of('Node').get(name)?.metadata.labels ?? {} };
  }

  function notify(claim: PersistentVolumeClaim, { type, reason, message }: Notice): void {
    events.event(claim, type, reason, message);
  }

  function setVolumePhase(volume: PersistentVolume, phase: string): Promise<PersistentVolume> {
    return patchVolumeStatus(volume, { phase, reason: null, message: null });
  }

  /** All writes are guarded by the version that the decision saw. */
  function patchVolumeStatus(volume: PersistentVolume, status: object): Promise<PersistentVolume> {
    const { name, resourceVersion } = volume.metadata;
    const body = { metadata: { resourceVersion }, status };
    return client.patch('PersistentVolume', name, { type: 'merge', body }, { subresource: 'status' });
  }

  function patchVolume(volume: PersistentVolume, { metadata, ...rest }: Body): Promise<PersistentVolume> {
    const { name, resourceVersion } = volume.metadata;
    const body = { metadata: { ...metadata, resourceVersion }, ...rest };
    return client.patch('PersistentVolume', name, { type: 'merge', body });
  }

  function patchClaim(claim: PersistentVolumeClaim, { metadata, ...rest }: Body): Promise<PersistentVolumeClaim> {
    const { name, namespace = '', resourceVersion } = claim.metadata;
    const body = { metadata: { ...metadata, resourceVersion }, ...rest };
    return client.patch('PersistentVolumeClaim', name, { type: 'merge', body }, { namespace });
  }

  async function setClaimStatus(
    claim: PersistentVolumeClaim,
    status: NonNullable<PersistentVolumeClaim['status']>,
  ): Promise<void> {
    const { name, namespace = '', resourceVersion } = claim.metadata;
    const body = { metadata: { resourceVersion }, ...statusPatch(claim.status, status) };
    await client.patch('PersistentVolumeClaim', name, { type: 'merge', body }, { namespace, subresource: 'status' });
  }

  return {
    name: 'persistentvolume-binder',
    kinds: ['PersistentVolume', 'PersistentVolumeClaim', 'StorageClass'],
    workers: 4,
    keysOf,
    reconcile,
  };
}

interface Body {
  readonly metadata?: object;
  readonly spec?: object;
}
