import type { ObjectMeta } from '../../../shared/generated/types.ts';
import type { KindDef } from '../../../shared/kinds/kind.ts';
import { badRequest, otherNamespace } from './refusals.ts';

/** Sets the namespace of an object that a client sent from that of the URL; the body may repeat it. Throws BadRequest. */
export function settleNamespace(def: KindDef, meta: ObjectMeta, namespace: string | undefined): void {
  if (!def.namespaced) {
    if (meta.namespace) delete meta.namespace;
    return;
  }
  const wanted = namespace || meta.namespace;
  if (!wanted) throw badRequest('an empty namespace may not be set during creation');
  if (meta.namespace && meta.namespace !== wanted) throw otherNamespace();
  meta.namespace = wanted;
}
