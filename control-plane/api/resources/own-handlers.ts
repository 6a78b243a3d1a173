import { messageOf } from '../../../shared/errors.ts';
import type { Binding, ComponentStatus } from '../../../shared/generated/types.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { tickKey } from '../../store/keys.ts';
import type { Core } from '../requests/core.ts';
import { badRequest } from '../requests/refusals.ts';
import type { KindHandler, KindHandlers } from '../requests/unstored.ts';
import { placePod } from './pod/subresources.ts';

/** `POST …/bindings`: what `pods/NAME/binding` does, with the pod's name in the body. */
const bindings: KindHandler = {
  async create(core, context, draft, options) {
    const { name, namespace } = draft.metadata;
    if (!name) throw badRequest('name is required in the binding');
    // A Status is all that it answers; it has the shape of an object as far as its readers go.
    const binding = draft as KubeObject & Binding;
    return (await placePod(core, context, { namespace, name }, binding, options)) as unknown as KubeObject;
  },
};

/** The parts of the control plane that can fail by themselves: the store. All others are this process. */
const componentStatuses: KindHandler = {
  async list(core, context) {
    context.warnings.push('v1 ComponentStatus is deprecated in v1.19+');
    return [await storeStatus(core)];
  },
};

async function storeStatus(core: Core): Promise<ComponentStatus> {
  const head = { apiVersion: 'v1', kind: 'ComponentStatus', metadata: { name: 'etcd-0' } } as ComponentStatus;
  try {
    await core.deps.store.get(tickKey);
    return { ...head, conditions: [{ type: 'Healthy', status: 'True', message: 'ok' }] };
  } catch (error) {
    return { ...head, conditions: [{ type: 'Healthy', status: 'False', error: messageOf(error) }] };
  }
}

export const ownHandlers: KindHandlers = { Binding: bindings, ComponentStatus: componentStatuses };
