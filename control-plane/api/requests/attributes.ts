import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { KindEntry, Subresource } from '../../../shared/kinds/table.ts';
import type { FieldRequirement } from '../../../shared/selector.ts';
import type { Target } from '../api.ts';

/** What a request is for, as the authorizer needs it: Kubernetes' ResourceAttributes, without the verb. */
export interface ResourceAttributes {
  readonly entry: Pick<KindEntry, 'group' | 'plural' | 'isNamespace'>;
  readonly subresource?: Subresource;
  readonly namespace?: string;
  readonly name?: string;
  readonly fields?: readonly FieldRequirement[];
}

export function attributesOf(def: KindDef, { namespace, name, subresource }: Target): ResourceAttributes {
  return { entry: def, subresource, name, namespace: def.namespaced ? namespace : undefined };
}
