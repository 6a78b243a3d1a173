import type { KindDef, KindId } from '../../../shared/kinds/kind.ts';
import type { Subresource } from '../../../shared/kinds/table.ts';
import type { KubeObject } from '../../../shared/object.ts';
import type { ConnectQuery, LogQuery, PatchBody, PodStream, ProxyTarget, WriteResult } from '../api.ts';
import type { ObjectRequest, WriteRequest } from './request.ts';

/** How a subresource answers the verbs that it has. Each authorizes the request itself, except `get`. */
export interface SubresourceHandler {
  /** What the subresource shows of the stored object. */
  get?(def: KindDef, object: KubeObject): KubeObject;
  create?(request: WriteRequest, body: unknown): Promise<WriteResult>;
  update?(request: WriteRequest, body: unknown): Promise<WriteResult>;
  patch?(request: WriteRequest, patch: PatchBody): Promise<WriteResult>;
  logs?(request: ObjectRequest, query: LogQuery): Promise<AsyncIterable<Uint8Array>>;
  connect?(request: ObjectRequest, query: ConnectQuery, verb: ConnectVerb): Promise<PodStream>;
  checkConnect?(request: ObjectRequest, verb: ConnectVerb): Promise<void>;
  proxy?(request: ObjectRequest, verb: string): Promise<ProxyTarget>;
}

export type ConnectVerb = 'create' | 'get';

export type SubresourceHandlers = { readonly [S in Subresource]?: SubresourceHandler };

/** By kind. */
export type SubresourceTable = { readonly [K in KindId]?: SubresourceHandlers };
