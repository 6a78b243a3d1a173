import type { KindEntry, Subresource } from '../../../shared/kinds/table.ts';
import type { FieldRequirement } from '../../../shared/selector.ts';
import type { ObjectRequest } from './request.ts';

/** What a request is for, as the authorizer needs it: Kubernetes' ResourceAttributes, without the verb. */
export interface ResourceAttributes {
  readonly entry: Pick<KindEntry, 'group' | 'plural' | 'isNamespace'>;
  readonly subresource?: Subresource | undefined;
  readonly namespace?: string | undefined;
  readonly name?: string;
  readonly fields?: readonly FieldRequirement[];
}

export function attributesOf(request: Pick<ObjectRequest, 'def' | 'namespace' | 'name' | 'subresource'>) {
  const { def, namespace, name, subresource } = request;
  return { entry: def, subresource, name, namespace: def.namespaced ? namespace : undefined };
}
