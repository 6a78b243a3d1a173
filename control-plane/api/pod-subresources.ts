import type { DeleteOptions, Pod, Status } from '../../shared/generated/types.ts';
import { decodeMessage } from '../../shared/schema/decode.ts';
import type { MutateOptions, RequestContext, Target } from './api.ts';
import { boundPod, unbindable } from './bind.ts';
import type { Core } from './core.ts';
import { deleteObject, success } from './delete.ts';
import { guardedUpdate } from './guarded-update.ts';
import { isRecord } from './patch/merge.ts';
import { badRequest } from './refusals.ts';
import { askedOf } from './update.ts';

/**
 * A single binding as Kubernetes' schedulers ask for it: it names no guard, so it is taken without a look at what the
 * node has left; the guard is bumped, so that decisions made before do not overcommit the node.
 */
export async function createBinding(
  core: Core,
  context: RequestContext,
  target: Target,
  body: unknown,
  options: MutateOptions = {},
): Promise<Status> {
  core.authorize(context, 'create', askedOf(core.kind('Pod'), target));
  return placePod(core, context, target, body, options);
}

/** Who asks has been authorized before. */
export async function placePod(
  core: Core,
  context: RequestContext,
  target: Pick<Target, 'namespace' | 'name'>,
  body: unknown,
  options: MutateOptions,
): Promise<Status> {
  const meta = isRecord(body) && isRecord(body.metadata) ? body.metadata : {};
  if (meta.name !== target.name) throw badRequest('name in URL does not match name in Binding object');
  const node = isRecord(body) && isRecord(body.target) ? body.target.name : undefined;
  if (typeof node !== 'string' || node === '') throw badRequest('target.name: Required value');
  const kind = isRecord(body) && isRecord(body.target) ? body.target.kind : undefined;
  if (kind !== undefined && kind !== '' && kind !== 'Node') {
    throw badRequest(`target.kind: Unsupported value: "${kind}": supported values: "Node"`);
  }
  await guardedUpdate(
    core,
    context,
    { def: core.kind('Pod'), namespace: target.namespace, name: target.name },
    (current) => {
      const fault = unbindable(current as Pod, typeof meta.uid === 'string' ? meta.uid : undefined);
      if (fault) throw fault;
      return { type: 'put', object: boundPod(current as Pod, node, core.deps.clock.now()) };
    },
    options.dryRun,
  );
  return created();
}

/** Deletes the pod on behalf of whoever empties its node, as far as its disruption budget allows. */
export async function createEviction(
  core: Core,
  context: RequestContext,
  target: Target,
  body: unknown,
  options: MutateOptions = {},
): Promise<Status> {
  const def = core.kind('Pod');
  core.authorize(context, 'create', askedOf(def, target));
  const eviction = isRecord(body) ? body : {};
  const { kind, metadata } = eviction;
  if (kind !== undefined && kind !== 'Eviction') throw badRequest(`not a Eviction object: ${kind}`);
  if (!isRecord(metadata) || metadata.name !== target.name) {
    throw badRequest('name in URL does not match name in Eviction object');
  }
  const given = isRecord(eviction.deleteOptions) ? deleteOptionsOf(eviction.deleteOptions) : {};
  const dryRun = options.dryRun ? ['All'] : given.dryRun;
  await deleteObject(core, context, def, target, { ...given, dryRun }, { as: 'eviction' });
  return created();
}

function deleteOptionsOf({ kind: _kind, apiVersion: _apiVersion, ...rest }: Record<string, unknown>): DeleteOptions {
  return decodeMessage('k8s.io.apimachinery.pkg.apis.meta.v1.DeleteOptions', rest).object as DeleteOptions;
}

/** What a subresource answers that makes something happen, and no object. */
function created(): Status {
  return { ...success(), code: 201 };
}
