import { ignoring } from '../../../shared/errors.ts';
import type { Kind, OwnerReference } from '../../../shared/generated/types.ts';
import type { Change } from '../../../shared/informer.ts';
import { builtinKinds, kindNamed, kinds } from '../../../shared/kinds/index.ts';
import { type KubeObject, keyOf } from '../../../shared/object.ts';
import type { Controller, ControllerDeps } from '../controller.ts';
import { removeFinalizer } from '../finalizers.ts';

const foreground = 'foregroundDeletion';
const orphan = 'orphan';

/** Kinds that neither own nor are owned. */
const excluded: readonly Kind[] = ['Event', 'NodeGuard', 'JoinToken', 'Lease', 'NodeEnrollment'];

/** The kinds that may own or be owned. */
export const collectedKinds: readonly Kind[] = kinds
  .map(({ kind }) => kind as Kind)
  .filter((kind) => !excluded.includes(kind));

interface GraphNode {
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
  const nodes = new Map<string, GraphNode>();
  const dependents = new Map<string, Set<string>>();

  /** Updates the graph; yields the object, its owners and its dependents. */
  function* keysOf({ kind, before, after }: Change): Iterable<string> {
    for (const { uid } of before?.metadata.ownerReferences ?? []) unlink(uid, before?.metadata.uid ?? '');
    if (before) nodes.delete(before.metadata.uid);
    if (after) {
      const { uid, ownerReferences } = after.metadata;
      nodes.set(uid, { kind, object: after });
      for (const owner of ownerReferences ?? []) link(owner.uid, uid);
      if (ownerReferences?.length || after.metadata.deletionTimestamp) yield uid;
      // Each dependent is deleted or orphaned by its own reconciliation.
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
    const item = nodes.get(uid);
    if (!item) return;
    const { deletionTimestamp, finalizers = [] } = item.object.metadata;
    if (deletionTimestamp && finalizers.includes(orphan)) return orphanDependents(item);
    if (deletionTimestamp && finalizers.includes(foreground)) return releaseOwner(item);
    if (!deletionTimestamp) return collect(item);
  }

  /** Deletes the object when none of its owners is left. */
  async function collect(item: GraphNode): Promise<undefined> {
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
    // A dependent with another owner stays, and blocks no deletion.
    if (solid.length > 0) {
      if (solid.length < owners.length) await setOwners(item, solid);
      return;
    }
    const owned = waiting ? dependentsOf(metadata.uid) : [];
    if (owned.some(({ object }) => isWaiting(object))) await unblock(item);
    await remove(item, owned.length > 0 ? 'Foreground' : ownPolicy(metadata.finalizers));
  }

  function dependentsOf(uid: string): GraphNode[] {
    return [...(dependents.get(uid) ?? [])].map((one) => nodes.get(one)).filter((one) => !!one);
  }

  /** Ends the block between two objects that own each other, which would wait for each other. */
  async function unblock(item: GraphNode): Promise<void> {
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
    const seen = nodes.get(owner.uid);
    // An owner lives in the namespace of what it owns, or in none.
    const reachable = seen && [undefined, namespace].includes(seen.object.metadata.namespace);
    if (reachable) return isWaiting(seen.object) ? 'waits for dependents' : 'lives';
    const definition = builtinKinds.ofObject(owner.apiVersion, owner.kind);
    if (seen || (definition?.namespaced && !namespace)) invalidNamespaceEvent(owner, dependent);
    // An owner of an unknown kind keeps its dependents.
    if (!definition || (definition.namespaced && !namespace)) return 'lives';
    // Informers may be behind: only the API proves that it is absent.
    const present = await client
      .get(definition.kind as Kind, owner.name, definition.namespaced ? namespace : undefined)
      .catch(ignoring('NotFound', 'Conflict'));
    return present?.metadata.uid === owner.uid ? 'lives' : 'gone';
  }

  /** The owner is in another namespace: for garbage collection it is absent. */
  function invalidNamespaceEvent({ apiVersion, kind, name, uid }: OwnerReference, dependent: KubeObject): void {
    const { namespace = '' } = dependent.metadata;
    const reference = `[${apiVersion}/${kind}, namespace: ${namespace}, name: ${name}, uid: ${uid}]`;
    const message = `ownerRef ${reference} does not exist in namespace ${JSON.stringify(namespace)}`;
    events.of('garbage-collector-controller').event(dependent, 'Warning', 'OwnerRefInvalidNamespace', message);
  }

  /** Deletes the owner once no dependent blocks it. */
  async function releaseOwner(item: GraphNode): Promise<undefined> {
    const { uid } = item.object.metadata;
    const blocking = dependentsOf(uid).some(({ object }) =>
      object.metadata.ownerReferences?.some((owner) => owner.uid === uid && owner.blockOwnerDeletion),
    );
    if (!blocking) await removeFinalizer(client, item.kind, item.object, foreground);
  }

  async function orphanDependents(item: GraphNode): Promise<undefined> {
    const { uid } = item.object.metadata;
    for (const dependent of dependentsOf(uid)) {
      const references = dependent.object.metadata.ownerReferences ?? [];
      await setOwners(
        dependent,
        references.filter((owner) => owner.uid !== uid),
      );
    }
    await removeFinalizer(client, item.kind, item.object, orphan);
  }

  async function setOwners({ kind, object }: GraphNode, ownerReferences: OwnerReference[]): Promise<void> {
    const { name, namespace, resourceVersion } = object.metadata;
    const body = { metadata: { resourceVersion, ownerReferences } };
    await client.patch(kind, name, { type: 'merge', body }, { namespace }).catch(ignoring('NotFound'));
  }

  async function remove({ kind, object }: GraphNode, propagationPolicy: string): Promise<void> {
    const { name, namespace, uid, resourceVersion } = object.metadata;
    log.debug(
      { key: keyOf(object), rev: resourceVersion, policy: propagationPolicy },
      `collecting ${kindNamed(kind).singular}`,
    );
    // Of this version only: an object that has another owner by then is reconciled again.
    await client
      .delete(kind, name, { namespace, propagationPolicy, preconditions: { uid, resourceVersion } })
      .catch(ignoring('NotFound', 'Conflict'));
  }

  return { name: 'garbage-collector', kinds: collectedKinds, workers: 8, keysOf, reconcile };
}

/** Whether an object waits for the deletion of its dependents. */
function isWaiting(object: KubeObject | undefined): boolean {
  const { deletionTimestamp, finalizers } = object?.metadata ?? {};
  return deletionTimestamp !== undefined && (finalizers?.includes(foreground) ?? false);
}

/** The propagation policy that an object's own finalizers ask for. */
function ownPolicy(finalizers: readonly string[] = []): string {
  if (finalizers.includes(orphan)) return 'Orphan';
  return finalizers.includes(foreground) ? 'Foreground' : 'Background';
}
