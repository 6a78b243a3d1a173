import type { DeleteOptions, Status } from '../../shared/generated/types.ts';
import type { KindDef } from '../../shared/kinds/kind.ts';
import type { KubeObject } from '../../shared/object.ts';
import type { RequestContext, Target } from './api.ts';
import type { Core } from './core.ts';
import { type DeletionStep, planDeletion } from './deletion.ts';
import { guardedUpdate } from './guarded-update.ts';
import { badRequest } from './refusals.ts';
import { checkPreconditions } from './update.ts';

const policies = ['Orphan', 'Background', 'Foreground'];

/** The object while something is still to be waited for, a Status once it is gone. */
export async function deleteObject(
  core: Core,
  context: RequestContext,
  def: KindDef,
  target: Pick<Target, 'namespace' | 'name'>,
  options: DeleteOptions = {},
): Promise<KubeObject | Status> {
  checkOptions(options);
  const now = core.deps.clock.now();
  const dryRun = (options.dryRun?.length ?? 0) > 0;
  core.admission.validate(
    {
      ...{ identity: context.identity, verb: 'delete', entry: def, ...target },
      dryRun,
      warnings: context.warnings,
      now,
    },
    undefined,
  );
  const outcome = await guardedUpdate(
    core,
    context,
    { def, ...target },
    (current): DeletionStep => {
      checkPreconditions(def, current.metadata, options.preconditions ?? {});
      return planDeletion(current, def, options, now);
    },
    dryRun,
  );
  return outcome.removed ? goneStatus(def, outcome.object) : outcome.object;
}

export function goneStatus(def: KindDef, { metadata: { name, uid } }: KubeObject): Status {
  const group = def.group ? { group: def.group } : {};
  return success({ name, ...group, kind: def.plural, uid });
}

export function success(details?: Status['details']): Status {
  const head = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' };
  return details ? { ...head, details } : head;
}

function checkOptions(options: DeleteOptions): void {
  const { propagationPolicy, orphanDependents, gracePeriodSeconds, dryRun } = options;
  if (propagationPolicy !== undefined && orphanDependents !== undefined) {
    throw badRequest('orphanDependents and propagationPolicy cannot be both set');
  }
  if (propagationPolicy !== undefined && !policies.includes(propagationPolicy)) {
    throw badRequest(`propagationPolicy: Unsupported value: "${propagationPolicy}": supported values: ${policies}`);
  }
  if (gracePeriodSeconds !== undefined && !(Number.isSafeInteger(gracePeriodSeconds) && gracePeriodSeconds >= 0)) {
    throw badRequest(`gracePeriodSeconds: Invalid value: ${gracePeriodSeconds}: must be a non-negative integer`);
  }
  if (dryRun?.some((one) => one !== 'All')) throw badRequest('dryRun: supported values: "All"');
}
