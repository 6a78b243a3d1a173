import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { Subresource } from '../../../shared/kinds/table.ts';
import type { MutateOptions, RequestContext } from '../api.ts';
import type { Core, ResourceAttributes } from './core.ts';
import type { WriteCore } from './write-core.ts';

/** One request for a kind's objects, as the surfaces' call is passed on to what answers it. */
export interface KindRequest {
  readonly core: Core;
  readonly context: RequestContext;
  /** The kind in the version that the client speaks. */
  readonly def: KindDef;
  /** Absent for cluster-scoped kinds, and for the objects of all namespaces. */
  readonly namespace?: string | undefined;
}

/** One request for one object, or for a subresource of it. */
export interface ObjectRequest extends KindRequest {
  /** Empty: a create whose body has the name. */
  readonly name: string;
  readonly subresource?: Subresource | undefined;
}

/** One request that writes an object. */
export interface WriteRequest extends ObjectRequest {
  readonly core: WriteCore;
  readonly options: MutateOptions;
}

export function attributesOf(request: Omit<ObjectRequest, 'core' | 'context'>): ResourceAttributes {
  const { def, namespace, name, subresource } = request;
  return { entry: def, subresource, name, namespace: def.namespaced ? namespace : undefined };
}
