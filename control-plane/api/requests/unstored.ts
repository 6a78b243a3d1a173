import type { Status } from '../../../shared/generated/types.ts';
import type { KindId } from '../../../shared/kinds/kind.ts';
import type { KubeObject } from '../../../shared/object.ts';
import type { ListPage, ListQuery, WriteResult } from '../api.ts';
import { checkCreate, decodeBody } from './decode.ts';
import { notAllowed, notFound } from './refusals.ts';
import type { KindRequest, ObjectRequest, WriteRequest } from './request.ts';
import { selectionOf } from './selection.ts';
import { settleNamespace } from './settle-namespace.ts';

/**
 * Answers requests for a kind that is not stored, such as a review. It has the verbs that the kind table names, and gets only
 * authorized requests.
 */
export interface KindHandler {
  /** `draft`: decoded, defaulted and valid; the handler may change it. Returns the answer. */
  create?(request: WriteRequest, draft: KubeObject): Promise<KubeObject | Status>;
  /** All objects (of the namespace, when one is named), in the order of their names. */
  list?(request: KindRequest): Promise<readonly KubeObject[]>;
  /** One of them. Absent: it is found in the list. Throws NotFound. */
  get?(request: ObjectRequest): Promise<KubeObject>;
}

export type KindHandlers = { readonly [K in KindId]?: KindHandler };

export async function createUnstored(
  request: WriteRequest,
  handler: KindHandler | undefined,
  body: unknown,
): Promise<WriteResult> {
  const { core, context, def, options } = request;
  const draft = decodeBody(def, body, options, context.warnings);
  settleNamespace(def, draft.metadata, request.namespace);
  core.authorize(context, 'create', { entry: def, namespace: draft.metadata.namespace, name: '' }, draft);
  if (!handler?.create) throw notAllowed();
  def.strategy.prepareCreate?.(draft);
  checkCreate(def, draft);
  return { object: await handler.create(request, draft), outcome: 'created' };
}

/** The request has been authorized. */
export async function getUnstored(request: ObjectRequest, handler: KindHandler | undefined): Promise<KubeObject> {
  const { def, name } = request;
  if (handler?.get) return handler.get(request);
  if (!handler?.list) throw notAllowed();
  const found = (await handler.list(request)).find((object) => object.metadata.name === name);
  if (!found) throw notFound(def, name);
  return found;
}

export async function listUnstored(
  request: KindRequest,
  handler: KindHandler | undefined,
  query: ListQuery,
): Promise<ListPage> {
  const { core, context, def } = request;
  const selection = selectionOf(def, query);
  const { namespace, name, matches } = selection;
  core.authorize(context, 'list', { entry: def, namespace, name });
  if (!handler?.list) throw notAllowed();
  const objects = await handler.list({ ...request, namespace });
  return { items: objects.filter((object) => matches(object)), resourceVersion: '' };
}
