import type { DeleteOptions, StatusCause } from '../../../shared/generated/types.ts';
import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { invalid, invalidError, notSupported } from '../../../shared/schema/causes.ts';
import { decodeMessage } from '../../../shared/schema/proto/decode.ts';
import type { WriteResult } from '../api.ts';
import { admissionOf } from './admission.ts';
import { type DeletionStep, planDeletion } from './deletion.ts';
import { guardedUpdate } from './guarded-update.ts';
import { checkDeletePreconditions } from './preconditions.ts';
import type { WriteRequest } from './request.ts';
import { deletedStatus } from './status.ts';

const policies = ['Orphan', 'Background', 'Foreground'];

/**
 * Deletes an object, or marks it as being deleted. With a subresource the deletion is a create of that: an eviction, with its own
 * admission rules.
 */
export async function deleteObject(request: WriteRequest, options: DeleteOptions = {}): Promise<WriteResult> {
  checkDeleteOptions(options);
  const { core, context, subresource } = request;
  const def = request.def.stored;
  const now = core.clock.now();
  const deletion: WriteRequest = { ...request, options: { dryRun: (options.dryRun?.length ?? 0) > 0 } };
  const admission = admissionOf(deletion, subresource ? 'create' : 'delete', now);
  warnOfPropagation(def, options, context.warnings);
  const plan = (current: KubeObject): DeletionStep => {
    checkDeletePreconditions(def, current, options);
    return planDeletion(current, def, options, now);
  };
  const { object, removed } = await guardedUpdate(
    deletion,
    (current) => {
      const validating = core.admission.validate(admission, undefined, current);
      return validating ? validating.then(() => plan(current)) : plan(current);
    },
    subresource ? 'create' : undefined,
  );
  if (!removed) {
    const waits = options.propagationPolicy === 'Foreground' || options.orphanDependents === false;
    return { object, outcome: waits ? 'accepted' : 'deleting' };
  }
  return {
    object: def.strategy.deletion?.answer === 'object' ? object : deletedStatus(def, object),
    outcome: 'deleted',
  };
}

/** The options as a client sent them. Throws BadRequest. */
export function readDeleteOptions({
  kind: _kind,
  apiVersion: _version,
  ...rest
}: Record<string, unknown>): DeleteOptions {
  return decodeMessage('k8s.io.apimachinery.pkg.apis.meta.v1.DeleteOptions', rest).object as DeleteOptions;
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

function warnOfPropagation(def: KindDef, options: DeleteOptions, warnings: string[]): void {
  const warning = def.strategy.deletion?.warning;
  if (!warning || options.propagationPolicy !== undefined || options.orphanDependents !== undefined) return;
  if (!warnings.includes(warning)) warnings.push(warning);
}
