import { formatTime } from '../../shared/clock.ts';
import type { DeleteOptions, Namespace } from '../../shared/generated/types.ts';
import type { KindDef } from '../../shared/kinds/kind.ts';
import type { KubeObject } from '../../shared/object.ts';

/** What a deletion does to an object: take it away, leave it in a state of being deleted, or nothing new. */
export type DeletionStep =
  | { readonly type: 'remove' }
  | { readonly type: 'put'; readonly object: KubeObject }
  | { readonly type: 'none' };

/** Finalizers that stand for a propagation policy; the garbage collector takes them off. */
const orphan = 'orphan';
const foreground = 'foregroundDeletion';

/**
 * Decides a deletion: the object goes at once when nobody has to act before. It is marked with a time of deletion
 * when finalizers wait, when it is a namespace (whose content goes first), or for as long as its grace period lasts.
 * Repeating a deletion may shorten the grace period, never lengthen it.
 */
export function planDeletion(object: KubeObject, def: KindDef, options: DeleteOptions, now: number): DeletionStep {
  const finalizers = propagated(object.metadata.finalizers ?? [], options);
  const pending = finalizers.length > 0 || namespaceFinalizers(object).length > 0;
  const { deletionTimestamp, deletionGracePeriodSeconds: running } = object.metadata;
  if (deletionTimestamp === undefined) {
    const grace = graceOf(object, def, options);
    if (!pending && grace === 0) return { type: 'remove' };
    return { type: 'put', object: marked(object, finalizers, grace, now + grace * 1000) };
  }
  const wanted = options.gracePeriodSeconds;
  const remaining = running ?? 0;
  if (remaining > 0 && wanted !== undefined && wanted < remaining) {
    if (wanted === 0 && !pending) return { type: 'remove' };
    const asked = Date.parse(deletionTimestamp) - remaining * 1000;
    return { type: 'put', object: marked(object, finalizers, wanted, asked + wanted * 1000) };
  }
  if (remaining === 0 && !pending) return { type: 'remove' };
  if (finalizers.join() === (object.metadata.finalizers ?? []).join()) return { type: 'none' };
  return { type: 'put', object: { ...object, metadata: { ...object.metadata, finalizers } } };
}

/** Whether an object that is being deleted has nothing left to wait for. */
export function isReadyToGo(object: KubeObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds, finalizers } = object.metadata;
  return (
    deletionTimestamp !== undefined &&
    (deletionGracePeriodSeconds ?? 0) === 0 &&
    (finalizers?.length ?? 0) === 0 &&
    namespaceFinalizers(object).length === 0
  );
}

function graceOf(object: KubeObject, def: KindDef, options: DeleteOptions): number {
  const own = def.strategy.gracePeriod?.(object) ?? 0;
  // An object that nobody has to stop has no grace period, whatever the client asks for.
  if (own === 0) return 0;
  return Math.max(0, options.gracePeriodSeconds ?? own);
}

function marked(object: KubeObject, finalizers: string[], grace: number, at: number): KubeObject {
  const { generation } = object.metadata;
  const result: KubeObject = {
    ...object,
    metadata: {
      ...object.metadata,
      ...(generation ? { generation: generation + 1 } : {}),
      deletionTimestamp: formatTime(at),
      deletionGracePeriodSeconds: grace,
      finalizers: finalizers.length > 0 ? finalizers : undefined,
    },
  };
  if (object.kind === 'Namespace') {
    result.status = { ...(object as Namespace).status, phase: 'Terminating' };
    delete result.metadata.deletionGracePeriodSeconds;
  }
  return result;
}

function propagated(finalizers: readonly string[], options: DeleteOptions): string[] {
  const policy =
    options.propagationPolicy ??
    (options.orphanDependents === undefined ? undefined : options.orphanDependents ? 'Orphan' : 'Background');
  if (policy === undefined) return [...finalizers];
  const kept = finalizers.filter((one) => one !== orphan && one !== foreground);
  if (policy === 'Orphan') kept.push(orphan);
  if (policy === 'Foreground') kept.push(foreground);
  return kept;
}

function namespaceFinalizers(object: KubeObject): readonly string[] {
  return object.kind === 'Namespace' ? ((object as Namespace).spec?.finalizers ?? []) : [];
}
