import { messageOf } from '../../../shared/errors.ts';
import type { PersistentVolumeClaim, Pod } from '../../../shared/generated/types.ts';
import type { Change } from '../../../shared/informer.ts';
import { controllerOf, type Draft, keyOf } from '../../../shared/object.ts';
import { ephemeralClaimOf } from '../../../shared/pod-references.ts';
import type { Controller, ControllerDeps } from '../controller.ts';
import { hasEphemeralVolumes, planEphemeralVolumes } from './plan.ts';

/** Makes the claims of generic ephemeral volumes. Each is owned by its pod, with which the garbage collector deletes it. */
export function createEphemeralVolumeController({ client, informers, events }: ControllerDeps): Controller {
  const pods = informers.of('Pod');
  const claims = informers.of('PersistentVolumeClaim');

  function* keysOf({ kind, before, after }: Change): Iterable<string> {
    if (kind === 'Pod') {
      if (after && hasEphemeralVolumes(after as Pod)) yield keyOf(after);
      return;
    }
    // A claim that is gone is made again, also where another's claim had its name.
    if (after || !before) return;
    const { namespace = '', name } = before.metadata;
    const owner = controllerOf(before);
    if (owner?.kind === 'Pod') yield `${namespace}/${owner.name}`;
    else for (const pod of pods.by('namespace', namespace)) if (isNamedBy(pod, name)) yield keyOf(pod);
  }

  async function reconcile(key: string): Promise<undefined> {
    const pod = pods.get(key);
    if (!pod) return;
    const { namespace = '' } = pod.metadata;
    const plan = planEphemeralVolumes(pod, (name) => claims.get(`${namespace}/${name}`));
    for (const name of plan.foreign) {
      const message = `PVC ${namespace}/${name} was not created for pod ${key} (pod is not owner)`;
      events.event(pod, 'Warning', 'FailedBinding', `ephemeral volume: ${message}`);
    }
    for (const draft of plan.create) await create(pod, draft);
  }

  async function create(pod: Pod, draft: Draft<PersistentVolumeClaim>): Promise<void> {
    try {
      await client.create('PersistentVolumeClaim', draft);
    } catch (error) {
      const message = `ephemeral volume: create PVC ${draft.metadata.name}: ${messageOf(error)}`;
      events.event(pod, 'Warning', 'FailedCreate', message);
      throw error;
    }
  }

  return {
    name: 'ephemeral-volume-controller',
    kinds: ['Pod', 'PersistentVolumeClaim'],
    workers: 2,
    keysOf,
    reconcile,
  };
}

function isNamedBy(pod: Pod, claim: string): boolean {
  return pod.spec.volumes?.some(({ name, ephemeral }) => ephemeral && ephemeralClaimOf(pod, name) === claim) ?? false;
}
