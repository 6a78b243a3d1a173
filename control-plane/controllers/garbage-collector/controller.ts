import { ignoring } from '../../../shared/errors.ts';
import type { Kind, OwnerReference } from '../../../shared/generated/types.ts';
import type { Change } from '../../../shared/informer.ts';
import { kindNamed, kindOf, kinds } from '../../../shared/kinds/index.ts';
import { type KubeObject, keyOf } from '../../../shared/object.ts';
import type { Controller, ControllerDeps } from '../controller.ts';

const foreground = 'foregroundDeletion';
const orphan = 'orphan';

/** Kinds that own nothing and are owned by nothing: not worth holding for this. */
const leftOut: readonly Kind[] = ['Event', 'NodeGuard', 'JoinToken', 'Lease', 'NodeEnrollment'];

/** The kinds that are collected, and that collect. */
export const collectedKinds: readonly Kind[] = kinds
  .map(({ kind }) => kind as Kind)
  .filter((kind) => !leftOut.includes(kind));

interface Known {
  readonly kind: Kind;
  readonly object: KubeObject;
}

/**
 * Deletes what is left of owners that are gone, and carries out foreground and orphan deletion (Kubernetes, "Garbage
 * Collection"). Keys are uids: names may be taken again.
 */
export function createGarbageCollector(deps: ControllerDeps): Controller {
  const { client, events } = deps;
  const log = deps.log.child({ component: 'garbage-collector' });
  const known = new Map<string, Known>();
  const dependents = new Map<string, Set<string>>();

  /** Keeps the graph, and names whom the change concerns: the object, its owners, and what it owned. */
  function* keysOf({ kind, before, after }: Change): Iterable<string> {
    for (const { uid } of before?.metadata.ownerReferences ?? []) unlink(uid, before?.metadata.uid ?? '');
    if (before) known.delete(before.metadata.uid);
    if (after) {
      const { uid, ownerReferences } = after.metadata;
      known.set(uid, { kind, object: after });
      for (const owner of ownerReferences ?? []) link(owner.uid, uid);
      if (ownerReferences?.length || after.metadata.deletionTimestamp) yield uid;
      // What is owned goes, or is let go, by its own decision.
      if (!isWaiting(before) && isWaiting(after)) yield* dependents.get(uid) ?? [];
    }
    for (const { uid } of before?.metadata.ownerReferences ?? []) yield uid;
    if (before && before.metadata.uid !== after?.metadata.uid) yield* dependents.get(before.metadata.uid) ?? [];
  }

  function link(owner: string, dependent: string): void {
    const all = dependents.get(owner);
    if (all) all.add(dependent);
    else dependents.set(owner, new Set([dependent]));
  }

  function unlink(owner: string, dependent: string): void {
    const all = dependents.get(owner);
    all?.delete(dependent);
    if (all?.size === 0) dependents.delete(owner);
  }

  async function reconcile(uid: string): Promise<undefined> {
    const item = known.get(uid);
    if (!item) return;
    const { deletionTimestamp, finalizers = [] } = item.object.metadata;
    if (deletionTimestamp && finalizers.includes(orphan)) return letGo(item);
    if (deletionTimestamp && finalizers.includes(foreground)) return releaseOwner(item);
    if (!deletionTimestamp) return collect(item);
  }

  /** Deletes the object when none of its owners is left. */
  async function collect(item: Known): Promise<undefined> {
    const { metadata } = item.object;
    const owners = metadata.ownerReferences ?? [];
    if (owners.length === 0) return;
    const solid: OwnerReference[] = [];
    let waiting = false;
    for (const owner of owners) {
      const state = await ownerState(owner, item.object);
      if (state === 'lives') solid.push(owner);
      if (state === 'waits for dependents') waiting = true;
    }
    // Whoever has another owner stays, and holds up nobody's deletion.
    if (solid.length > 0) {
      if (solid.length < owners.length) await setOwners(item, solid);
      return;
    }
    const owned = waiting ? dependentsOf(metadata.uid) : [];
    if (owned.some(({ object }) => isWaiting(object))) await unblock(item);
    await remove(item, owned.length > 0 ? 'Foreground' : ownPolicy(metadata.finalizers));
  }

  function dependentsOf(uid: string): Known[] {
    return [...(dependents.get(uid) ?? [])].map((one) => known.get(one)).filter((one) => !!one);
  }

  /** Two that own each other would wait for each other. */
  async function unblock(item: Known): Promise<void> {
    const references = item.object.metadata.ownerReferences ?? [];
    if (!references.some((owner) => owner.blockOwnerDeletion)) return;
    await setOwners(
      item,
      references.map((owner) => (owner.blockOwnerDeletion ? { ...owner, blockOwnerDeletion: false } : owner)),
    );
  }

  async function ownerState(
    owner: OwnerReference,
    dependent: KubeObject,
  ): Promise<'lives' | 'gone' | 'waits for dependents'> {
    const { namespace } = dependent.metadata;
    const seen = known.get(owner.uid);
    // An owner lives in the namespace of what it owns, or in none.
    const reachable = seen && [undefined, namespace].includes(seen.object.metadata.namespace);
    if (reachable) return isWaiting(seen.object) ? 'waits for dependents' : 'lives';
    const definition = kindOf(owner.apiVersion, owner.kind);
    if (seen || (definition?.namespaced && !namespace)) tellOfNamespace(owner, dependent);
    // An owner that can't be looked up keeps what it owns.
    if (!definition || (definition.namespaced && !namespace)) return 'lives';
    // The informers may not show it yet: only the API knows that it is not there.
    const there = await client
      .get(definition.kind as Kind, owner.name, definition.namespaced ? namespace : undefined)
      .catch(ignoring('NotFound', 'Conflict'));
    return there?.metadata.uid === owner.uid ? 'lives' : 'gone';
  }

  /** The owner is in another namespace than what it is said to own: to the collector it is not there. */
  function tellOfNamespace({ apiVersion, kind, name, uid }: OwnerReference, dependent: KubeObject): void {
    const { namespace = '' } = dependent.metadata;
    const reference = `[${apiVersion}/${kind}, namespace: ${namespace}, name: ${name}, uid: ${uid}]`;
    const message = `ownerRef ${reference} does not exist in namespace ${JSON.stringify(namespace)}`;
    events.of('garbage-collector-controller').event(dependent, 'Warning', 'OwnerRefInvalidNamespace', message);
  }

  /** The owner goes once nothing is left that blocks it. */
  async function releaseOwner(item: Known): Promise<undefined> {
    const { uid } = item.object.metadata;
    const blocking = dependentsOf(uid).some(({ object }) =>
      object.metadata.ownerReferences?.some((owner) => owner.uid === uid && owner.blockOwnerDeletion),
    );
    if (!blocking) await dropFinalizer(item, foreground);
  }

  async function letGo(item: Known): Promise<undefined> {
    const { uid } = item.object.metadata;
    for (const dependent of dependentsOf(uid)) {
      const references = dependent.object.metadata.ownerReferences ?? [];
      await setOwners(
        dependent,
        references.filter((owner) => owner.uid !== uid),
      );
    }
    await dropFinalizer(item, orphan);
  }

  async function setOwners({ kind, object }: Known, ownerReferences: OwnerReference[]): Promise<void> {
    const { name, namespace, resourceVersion } = object.metadata;
    const body = { metadata: { resourceVersion, ownerReferences } };
    await client.patch(kind, name, { type: 'merge', body }, { namespace }).catch(ignoring('NotFound'));
  }

  async function dropFinalizer({ kind, object }: Known, finalizer: string): Promise<void> {
    const { name, namespace, resourceVersion, finalizers = [] } = object.metadata;
    const body = { metadata: { resourceVersion, finalizers: finalizers.filter((one) => one !== finalizer) } };
    await client.patch(kind, name, { type: 'merge', body }, { namespace }).catch(ignoring('NotFound'));
  }

  async function remove({ kind, object }: Known, propagationPolicy: string): Promise<void> {
    const { name, namespace, uid, resourceVersion } = object.metadata;
    log.debug(
      { key: keyOf(object), rev: resourceVersion, policy: propagationPolicy },
      `collecting ${kindNamed(kind).singular}`,
    );
    // Of the version that was decided on: who has been given another owner since is decided on again, by that change.
    await client
      .delete(kind, name, { namespace, propagationPolicy, preconditions: { uid, resourceVersion } })
      .catch(ignoring('NotFound', 'Conflict'));
  }

  return { name: 'garbage-collector', kinds: collectedKinds, workers: 8, keysOf, reconcile };
}

/** Whether an object stays until what it owns is gone. */
function isWaiting(object: KubeObject | undefined): boolean {
  const { deletionTimestamp, finalizers } = object?.metadata ?? {};
  return deletionTimestamp !== undefined && (finalizers?.includes(foreground) ?? false);
}

/** What an object's own finalizers ask for when it is collected. */
function ownPolicy(finalizers: readonly string[] = []): string {
  if (finalizers.includes(orphan)) return 'Orphan';
  return finalizers.includes(foreground) ? 'Foreground' : 'Background';
}
