import { formatTime, lastTime } from '../../../shared/clock.ts';
import type { DeleteOptions } from '../../../shared/generated/types.ts';
import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { KubeObject } from '../../../shared/object.ts';

/** What a deletion does to an object: remove it, mark it as being deleted, or nothing. */
export type DeletionStep =
  | { readonly type: 'remove' }
  | { readonly type: 'put'; readonly object: KubeObject }
  | { readonly type: 'none' };

/** Finalizers for the propagation policies; the garbage collector removes them. */
const orphan = 'orphan';
const foreground = 'foregroundDeletion';

/**
 * Decides a deletion. An object with finalizers or a grace period gets a deletionTimestamp; any other is removed at once.
 * Repeating a deletion may shorten the grace period, never lengthen it.
 */
export function planDeletion(object: KubeObject, def: KindDef, options: DeleteOptions, now: number): DeletionStep {
  const finalizers = propagated(object, def, options);
  const pending = finalizers.length > 0 || hasOtherFinalizers(object, def);
  const { deletionTimestamp, deletionGracePeriodSeconds: running } = object.metadata;
  if (deletionTimestamp === undefined) {
    const grace = graceOf(object, def, options);
    if (!pending && grace === 0) return { type: 'remove' };
    return { type: 'put', object: marked(object, def, finalizers, grace, now + grace * 1000) };
  }
  const wanted = wantedGrace(options);
  const remaining = running ?? 0;
  if (remaining > 0 && wanted !== undefined && wanted < remaining) {
    if (wanted === 0 && !pending) return { type: 'remove' };
    const requestedAt = Date.parse(deletionTimestamp) - remaining * 1000;
    return { type: 'put', object: marked(object, def, finalizers, wanted, requestedAt + wanted * 1000) };
  }
  if (remaining === 0 && !pending) return { type: 'remove' };
  if (finalizers.join() === (object.metadata.finalizers ?? []).join()) return { type: 'none' };
  return { type: 'put', object: { ...object, metadata: { ...object.metadata, finalizers } } };
}

/** Whether an object is being deleted and has no finalizer and no grace period left. */
export function isReadyToGo(object: KubeObject, def: KindDef): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds, finalizers } = object.metadata;
  return (
    deletionTimestamp !== undefined &&
    (deletionGracePeriodSeconds ?? 0) === 0 &&
    (finalizers?.length ?? 0) === 0 &&
    !hasOtherFinalizers(object, def)
  );
}

function graceOf(object: KubeObject, def: KindDef, options: DeleteOptions): number {
  const byKind = def.strategy.deletion?.gracePeriod?.(object);
  // An object that nothing runs has no grace period, whatever the client asks for.
  return byKind === undefined ? 0 : (wantedGrace(options) ?? byKind);
}

/** A negative period counts as one second, as in Kubernetes. */
function wantedGrace({ gracePeriodSeconds }: DeleteOptions): number | undefined {
  return gracePeriodSeconds !== undefined && gracePeriodSeconds < 0 ? 1 : gracePeriodSeconds;
}

function marked(object: KubeObject, def: KindDef, finalizers: string[], grace: number, at: number): KubeObject {
  const { generation } = object.metadata;
  const result: KubeObject = {
    ...object,
    metadata: {
      ...object.metadata,
      ...(generation ? { generation: generation + 1 } : {}),
      deletionTimestamp: formatTime(Math.min(at, lastTime)),
      deletionGracePeriodSeconds: grace,
      finalizers: finalizers.length > 0 ? finalizers : undefined,
    },
  };
  def.strategy.deletion?.mark?.(result);
  return result;
}

function propagated(object: KubeObject, def: KindDef, options: DeleteOptions): string[] {
  const { finalizers = [], deletionTimestamp } = object.metadata;
  const policy = policyOf(options);
  if (policy === undefined) {
    const decided = deletionTimestamp || finalizers.includes(orphan) || finalizers.includes(foreground);
    return !decided && def.strategy.deletion?.orphans ? [...finalizers, orphan] : [...finalizers];
  }
  const kept = finalizers.filter((one) => one !== orphan && one !== foreground);
  if (policy === 'Orphan') kept.push(orphan);
  if (policy === 'Foreground') kept.push(foreground);
  return kept;
}

function policyOf({ propagationPolicy, orphanDependents }: DeleteOptions): string | undefined {
  if (propagationPolicy !== undefined || orphanDependents === undefined) return propagationPolicy;
  return orphanDependents ? 'Orphan' : 'Background';
}

function hasOtherFinalizers(object: KubeObject, def: KindDef): boolean {
  return (def.strategy.deletion?.finalizers?.(object).length ?? 0) > 0;
}
