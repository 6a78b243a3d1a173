import { formatTime, lastTime } from '../../../shared/clock.ts';
import type { DeleteOptions, Namespace } from '../../../shared/generated/types.ts';
import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { KubeObject } from '../../../shared/object.ts';

/** What a deletion does to an object: take it away, leave it in a state of being deleted, or nothing new. */
export type DeletionStep =
  | { readonly type: 'remove' }
  | { readonly type: 'put'; readonly object: KubeObject }
  | { readonly type: 'none' };

/** Finalizers that stand for a propagation policy; the garbage collector takes them off. */
const orphan = 'orphan';
const foreground = 'foregroundDeletion';
/** Kinds that let go of what they own unless told otherwise: as Kubernetes' oldest API versions of them do. */
const orphaning: ReadonlySet<string> = new Set(['ReplicationController', 'Job']);

/**
 * Decides a deletion: the object goes at once when nobody has to act before. It is marked with a time of deletion
 * when finalizers wait, when it is a namespace (whose content goes first), or for as long as its grace period lasts.
 * Repeating a deletion may shorten the grace period, never lengthen it.
 */
export function planDeletion(object: KubeObject, def: KindDef, options: DeleteOptions, now: number): DeletionStep {
  const finalizers = propagated(object, options);
  const pending = finalizers.length > 0 || namespaceFinalizers(object).length > 0;
  const { deletionTimestamp, deletionGracePeriodSeconds: running } = object.metadata;
  if (deletionTimestamp === undefined) {
    const grace = graceOf(object, def, options);
    if (!pending && grace === 0) return { type: 'remove' };
    return { type: 'put', object: marked(object, finalizers, grace, now + grace * 1000) };
  }
  const wanted = wantedGrace(options);
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
  const own = def.strategy.gracePeriod?.(object);
  // An object that nobody has to stop has no grace period, whatever the client asks for.
  return own === undefined ? 0 : (wantedGrace(options) ?? own);
}

/** A negative one counts as the shortest. */
function wantedGrace({ gracePeriodSeconds }: DeleteOptions): number | undefined {
  return gracePeriodSeconds !== undefined && gracePeriodSeconds < 0 ? 1 : gracePeriodSeconds;
}

function marked(object: KubeObject, finalizers: string[], grace: number, at: number): KubeObject {
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
  if (object.kind === 'Namespace') {
    result.status = { ...(object as Namespace).status, phase: 'Terminating' };
    delete result.metadata.deletionGracePeriodSeconds;
  }
  return result;
}

function propagated(object: KubeObject, options: DeleteOptions): string[] {
  const { finalizers = [], deletionTimestamp } = object.metadata;
  const policy = policyOf(options);
  if (policy === undefined) {
    const decided = deletionTimestamp || finalizers.includes(orphan) || finalizers.includes(foreground);
    return !decided && orphaning.has(object.kind) ? [...finalizers, orphan] : [...finalizers];
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

function namespaceFinalizers(object: KubeObject): readonly string[] {
  return object.kind === 'Namespace' ? ((object as Namespace).spec?.finalizers ?? []) : [];
}
