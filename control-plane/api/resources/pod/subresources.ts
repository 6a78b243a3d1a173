import type { Binding, DeleteOptions, Pod, Status } from '../../../../shared/generated/types.ts';
import { decodeMessage } from '../../../../shared/schema/decode.ts';
import type { MutateOptions, RequestContext, Target } from '../../api.ts';
import { isRecord } from '../../patch/merge.ts';
import { attributesOf } from '../../requests/attributes.ts';
import { boundPod, unbindable } from '../../requests/bind.ts';
import { decodeBody } from '../../requests/decode.ts';
import { deleteObject, success } from '../../requests/delete.ts';
import { guardedUpdate } from '../../requests/guarded-update.ts';
import { badRequest } from '../../requests/refusals.ts';
import type { WriteCore } from '../../requests/write-core.ts';

/**
 * A single binding as Kubernetes' schedulers ask for it: it names no guard, so it is taken without a look at what the
 * node has left; the guard is bumped, so that decisions made before do not overcommit the node.
 */
export async function createBinding(
  core: WriteCore,
  context: RequestContext,
  target: Target,
  body: unknown,
  options: MutateOptions = {},
): Promise<Status> {
  core.authorize(context, 'create', attributesOf(core.kind('Pod'), target));
  const binding = decodeBody(core.kind('Binding'), body, options, context.warnings) as unknown as Binding;
  return placePod(core, context, target, binding, options);
}

/** Who asks has been authorized before. The binding's annotations go to the pod, as in Kubernetes. */
export async function placePod(
  core: WriteCore,
  context: RequestContext,
  target: Pick<Target, 'namespace' | 'name'>,
  binding: Binding,
  options: MutateOptions,
): Promise<Status> {
  const { name, uid, annotations } = binding.metadata;
  if (name !== target.name) throw badRequest('name in URL does not match name in Binding object');
  const { name: node, kind } = binding.target ?? {};
  if (!node) throw badRequest('target.name: Required value');
  if (kind !== undefined && kind !== '' && kind !== 'Node') {
    throw badRequest(`target.kind: Unsupported value: "${kind}": supported values: "Node"`);
  }
  await guardedUpdate(
    core,
    context,
    { def: core.kind('Pod'), namespace: target.namespace, name: target.name },
    (current) => {
      const fault = unbindable(current as Pod, uid);
      if (fault) throw fault;
      const bound = boundPod(current as Pod, node, core.clock.now());
      return { type: 'put', object: annotations ? annotated(bound, annotations) : bound };
    },
    options.dryRun,
  );
  return created();
}

function annotated(pod: Pod, more: Record<string, string>): Pod {
  return { ...pod, metadata: { ...pod.metadata, annotations: { ...pod.metadata.annotations, ...more } } };
}

/** Deletes the pod on behalf of whoever empties its node, as far as its disruption budget allows. */
export async function createEviction(
  core: WriteCore,
  context: RequestContext,
  target: Target,
  body: unknown,
  options: MutateOptions = {},
): Promise<Status> {
  const def = core.kind('Pod');
  core.authorize(context, 'create', attributesOf(def, target));
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
