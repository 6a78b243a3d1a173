import type { Binding, Pod, Status } from '../../../../shared/generated/types.ts';
import type { KubeObject } from '../../../../shared/object.ts';
import { decodeBody } from '../../requests/decode.ts';
import { guardedUpdate } from '../../requests/guarded-update.ts';
import { badRequest } from '../../requests/refusals.ts';
import { attributesOf, type WriteRequest } from '../../requests/request.ts';
import { createdStatus } from '../../requests/status.ts';
import type { SubresourceHandler } from '../../requests/subresource.ts';
import type { KindHandler } from '../../requests/unstored.ts';
import { boundPod, unbindable } from './bound-pod.ts';

/**
 * `POST pods/NAME/binding`, as other schedulers bind a pod. The request names no guard, so what is left on the node is not
 * checked; the node's guard is bumped, so that decisions of before do not overcommit the node.
 */
export const binding: SubresourceHandler = {
  async create(request, body) {
    const { core, context, options } = request;
    core.authorize(context, 'create', attributesOf(request));
    const decoded = decodeBody(core.kind('Binding'), body, options, context.warnings) as KubeObject & Binding;
    return { object: await bindOne(request, decoded), outcome: 'created' };
  },
};

/** `POST bindings`: the same, with the pod's name in the body. */
export const bindings: KindHandler = {
  async create(request, draft) {
    const { name, namespace } = draft.metadata;
    if (!name) throw badRequest('name is required in the binding');
    const def = request.core.kind('Pod');
    return bindOne({ ...request, def, namespace, name }, draft as KubeObject & Binding);
  },
};

/** The request has been authorized. The binding's annotations go to the pod, as in Kubernetes. */
async function bindOne(request: WriteRequest, { metadata, target }: KubeObject & Binding): Promise<Status> {
  const { core } = request;
  const { name, uid, annotations } = metadata;
  if (name !== request.name) throw badRequest('name in URL does not match name in Binding object');
  const { name: node, kind } = target ?? {};
  if (!node) throw badRequest('target.name: Required value');
  if (kind !== undefined && kind !== '' && kind !== 'Node') {
    throw badRequest(`target.kind: Unsupported value: "${kind}": supported values: "Node"`);
  }
  await guardedUpdate(request, (current) => {
    const fault = unbindable(current as Pod, uid);
    if (fault) throw fault;
    const bound = boundPod(current as Pod, node, core.clock.now());
    return { type: 'put', object: annotations ? annotated(bound, annotations) : bound };
  });
  return createdStatus();
}

function annotated(pod: Pod, more: Record<string, string>): Pod {
  return { ...pod, metadata: { ...pod.metadata, annotations: { ...pod.metadata.annotations, ...more } } };
}
