import type { Client } from '../../../shared/client.ts';
import { ignoring } from '../../../shared/errors.ts';
import type { Kind, KindMap, OwnerReference } from '../../../shared/generated/types.ts';
import { unowned } from '../../../shared/informers.ts';
import { type KubeObject, keyOf } from '../../../shared/object.ts';
import type { ControllerDeps } from '../controller.ts';
import type { Expectations } from '../expectations.ts';
import { controllerReference, withoutOwner } from './owner-references.ts';

/** Who claims dependents of which kind, and by what. */
export interface Claim<D extends KubeObject> {
  readonly owner: KubeObject;
  /** Whether the owner's selector matches. */
  selects(dependent: D): boolean;
  /** Whether the dependent may be adopted or released: one that has ended or is being deleted stays as it is. */
  isActive(dependent: D): boolean;
  /** The finalizer that dependents have while they are the owner's: adoption adds it, release removes it. */
  readonly finalizer?: string | undefined;
}

/**
 * The dependents that are the owner's (Kubernetes' ControllerRefManager): active orphans that match are adopted, active
 * dependents that no longer match are released, both only while the owner is not being deleted. Rejects as the client does.
 */
export async function claimDependents<K extends 'Pod' | 'ReplicaSet' | 'ControllerRevision'>(
  { client, informers }: Pick<ControllerDeps, 'client' | 'informers'>,
  expectations: Expectations,
  kind: K,
  { owner, selects, isActive, finalizer }: Claim<KindMap[K]>,
): Promise<KindMap[K][]> {
  const dependents = informers.of(kind);
  const { deletionTimestamp, namespace, uid } = owner.metadata;
  const setOwners = async (
    dependent: KindMap[K],
    ownerReferences: OwnerReference[],
    adopts: boolean,
  ): Promise<KindMap[K]> => {
    const { name, resourceVersion, finalizers = [] } = dependent.metadata;
    const others = finalizers.filter((one) => one !== finalizer);
    const held = finalizer === undefined ? {} : { finalizers: adopts ? [...others, finalizer] : others };
    const body = { metadata: { resourceVersion, ownerReferences, ...held } };
    const changed = await client.patch(kind, name, { type: 'merge', body }, { namespace });
    expectations.expect(keyOf(owner), changed);
    return changed;
  };
  const claimed: KindMap[K][] = [];
  // A copy: the index changes while dependents are released.
  for (const dependent of [...dependents.by('owner', uid)]) {
    if (expectations.isDeletionExpected(dependent.metadata.uid)) continue;
    if (selects(dependent)) claimed.push(dependent);
    else if (!deletionTimestamp && isActive(dependent))
      await setOwners(dependent, withoutOwner(dependent, owner), false);
  }
  const orphans = [...dependents.by('owner', unowned(namespace))].filter((one) => isActive(one) && selects(one));
  if (orphans.length === 0 || !(await mayAdopt(client, owner))) return claimed;
  for (const orphan of orphans) {
    const references = [...(orphan.metadata.ownerReferences ?? []), controllerReference(owner)];
    claimed.push(await setOwners(orphan, references, true));
  }
  return claimed;
}

/**
 * Whether an owner may adopt, as the API says now: informers may be behind, and the garbage collector would delete what was given
 * to an owner that is gone, or to one whose name another object has now.
 */
async function mayAdopt(client: Pick<Client, 'get'>, { kind, metadata }: KubeObject): Promise<boolean> {
  if (metadata.deletionTimestamp) return false;
  const present: KubeObject | undefined = await client
    .get(kind as Kind, metadata.name, metadata.namespace)
    .catch(ignoring('NotFound'));
  return present?.metadata.uid === metadata.uid && !present.metadata.deletionTimestamp;
}
