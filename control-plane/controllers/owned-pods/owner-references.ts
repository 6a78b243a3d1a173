import type { Kind, OwnerReference } from '../../../shared/generated/types.ts';
import { apiVersionOf, kindNamed } from '../../../shared/kinds/index.ts';
import type { KubeObject } from '../../../shared/object.ts';

/** The reference by which `owner` controls a dependent (apimachinery, `NewControllerRef`). */
export function controllerReference(owner: KubeObject): OwnerReference {
  const { name, uid } = owner.metadata;
  const apiVersion = apiVersionOf(kindNamed(owner.kind as Kind));
  return { apiVersion, kind: owner.kind, name, uid, controller: true, blockOwnerDeletion: true };
}

/** A dependent's references without those to `owner`. */
export function withoutOwner(dependent: KubeObject, owner: KubeObject): OwnerReference[] {
  return (dependent.metadata.ownerReferences ?? []).filter(({ uid }) => uid !== owner.metadata.uid);
}
