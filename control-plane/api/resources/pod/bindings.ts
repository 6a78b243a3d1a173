import type { Binding } from '../../../../shared/generated/types.ts';
import type { KubeObject } from '../../../../shared/object.ts';
import { badRequest } from '../../requests/refusals.ts';
import type { KindHandler } from '../../requests/unstored.ts';
import type { WriteCore } from '../../requests/write-core.ts';
import { placePod } from './subresources.ts';

/** `POST …/bindings`: the same as `pods/NAME/binding`, with the pod's name in the body. */
export function bindings(core: WriteCore): KindHandler {
  return {
    async create(_core, context, draft, options) {
      const { name, namespace } = draft.metadata;
      if (!name) throw badRequest('name is required in the binding');
      // The answer is a Status; its readers treat it as an object.
      const binding = draft as KubeObject & Binding;
      return (await placePod(core, context, { namespace, name }, binding, options)) as unknown as KubeObject;
    },
  };
}
