import type { DeleteOptions, Status, StatusCause } from '../../../shared/generated/types.ts';
import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { invalid, invalidError, notSupported } from '../../../shared/schema/causes.ts';
import type { Admission } from '../admission/plugin.ts';
import type { RequestContext, Target } from '../api.ts';
import { type DeletionStep, planDeletion } from './deletion.ts';
import { guardedUpdate } from './guarded-update.ts';
import { conflict } from './refusals.ts';
import type { WriteCore } from './write-core.ts';

const policies = ['Orphan', 'Background', 'Foreground'];

/**
 * The object while something is still to be waited for, a Status (or the object that was) once it is gone. `asked.as`: the subresource whose
 * creation is the deletion, with its own rules.
 */
export async function deleteObject(
  core: WriteCore,
  context: RequestContext,
  def: KindDef,
  target: Pick<Target, 'namespace' | 'name'>,
  options: DeleteOptions = {},
  asked: { readonly as?: 'eviction' } = {},
): Promise<KubeObject | Status> {
  checkDeleteOptions(options);
  const now = core.clock.now();
  const dryRun = (options.dryRun?.length ?? 0) > 0;
  const admission: Admission = {
    ...{ identity: context.identity, entry: def, namespace: target.namespace, name: target.name },
    ...(asked.as ? { verb: 'create', subresource: asked.as } : { verb: 'delete' }),
    ...{ dryRun, warnings: context.warnings, now },
  };
  warnOfPropagation(def, options, context.warnings);
  // A route's target brings more along than its type says.
  const place = { def, namespace: target.namespace, name: target.name };
  const outcome = await guardedUpdate(
    core,
    context,
    asked.as ? { ...place, subresource: asked.as, admit: 'create' } : place,
    (current): DeletionStep => {
      core.admission.validate(admission, undefined, current);
      checkDeletePreconditions(def, current, options);
      return planDeletion(current, def, options, now);
    },
    dryRun,
  );
  if (outcome.removed) {
    return def.strategy.deletion?.answer === 'object' ? outcome.object : goneStatus(def, outcome.object);
  }
  const { propagationPolicy, orphanDependents } = options;
  if (propagationPolicy === 'Foreground' || orphanDependents === false) context.accepted = true;
  return outcome.object;
}

export function goneStatus(def: KindDef, { metadata: { name, uid } }: KubeObject): Status {
  const group = def.group ? { group: def.group } : {};
  return success({ name, ...group, kind: def.plural, uid });
}

export function success(details?: Status['details']): Status {
  const head = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' };
  return details ? { ...head, details } : head;
}

/** Throws Invalid (apimachinery, `ValidateDeleteOptions`). */
export function checkDeleteOptions(options: DeleteOptions): void {
  const { propagationPolicy, orphanDependents, dryRun } = options;
  const causes: StatusCause[] = [];
  if (propagationPolicy !== undefined && orphanDependents !== undefined) {
    const why = 'orphanDependents and deletionPropagation cannot be both set';
    causes.push(invalid('propagationPolicy', propagationPolicy, why));
  }
  if (propagationPolicy !== undefined && !policies.includes(propagationPolicy)) {
    causes.push(notSupported('propagationPolicy', propagationPolicy, [...policies, 'nil']));
  }
  if (dryRun?.some((one) => one !== 'All')) causes.push(notSupported('dryRun', dryRun, ['All']));
  if (causes.length > 0) throw invalidError({ kind: 'DeleteOptions', group: 'meta.k8s.io' }, '', causes);
}

/** Throws Conflict. */
function checkDeletePreconditions(def: KindDef, { metadata }: KubeObject, { preconditions }: DeleteOptions): void {
  const { uid, resourceVersion } = preconditions ?? {};
  const resource = { plural: def.kind, group: def.group };
  if (uid !== undefined && uid !== metadata.uid) {
    const why = `the UID in the precondition (${uid}) does not match the UID in record (${metadata.uid}). The object might have been deleted and then recreated`;
    throw conflict(resource, metadata.name, why);
  }
  if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion) {
    const why = `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${metadata.resourceVersion}). The object might have been modified`;
    throw conflict(resource, metadata.name, why);
  }
}

function warnOfPropagation(def: KindDef, options: DeleteOptions, warnings: string[]): void {
  const warning = def.strategy.deletion?.warning;
  if (!warning || options.propagationPolicy !== undefined || options.orphanDependents !== undefined) return;
  if (!warnings.includes(warning)) warnings.push(warning);
}
