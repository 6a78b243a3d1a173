import type { Kind } from '../../../shared/generated/types.ts';
import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { KubeObject } from '../../../shared/object.ts';
import type { ListPage, ListQuery, MutateOptions, RequestContext, Target } from '../api.ts';
import type { Core } from './core.ts';
import { checkCreate, decodeBody } from './decode.ts';
import { notAllowed, notFound } from './refusals.ts';
import { selectionOf } from './selection.ts';
import { settleNamespace } from './settle-namespace.ts';

/**
 * What answers for a kind that is not stored, such as a review: only the verbs that its entry in the kind table names. Who asks
 * has been authorized before.
 */
export interface KindHandler {
  /** `draft`: decoded, defaulted and valid; the handler's own, to be filled in. What comes back is the answer. */
  create?(core: Core, context: RequestContext, draft: KubeObject, options: MutateOptions): Promise<KubeObject>;
  /** All objects there are (of a namespace, when one is named), in the order of their names. */
  list?(core: Core, context: RequestContext, namespace?: string): Promise<readonly KubeObject[]>;
  /** One of them, where that is not found among all; throws NotFound. */
  get?(core: Core, context: RequestContext, name: string, namespace?: string): Promise<KubeObject>;
}

export type KindHandlers = { readonly [K in Kind]?: KindHandler };

export async function createUnstored(
  core: Core,
  handlers: KindHandlers,
  context: RequestContext,
  { entry: def, namespace }: { readonly entry: KindDef; readonly namespace?: string | undefined },
  { body, options = {} }: { readonly body: unknown; readonly options?: MutateOptions | undefined },
): Promise<KubeObject> {
  const draft = decodeBody(def, body, options, context.warnings);
  settleNamespace(def, draft.metadata, namespace);
  core.authorize(context, 'create', { entry: def, namespace: draft.metadata.namespace, name: '' }, draft);
  const create = handlers[def.kind as Kind]?.create;
  if (!create) throw notAllowed();
  def.strategy.prepareCreate?.(draft);
  checkCreate(def, draft);
  return create(core, context, draft, options);
}

/** `authorize` has been called. */
export async function getUnstored(
  core: Core,
  handlers: KindHandlers,
  context: RequestContext,
  def: KindDef,
  { name, namespace }: Pick<Target, 'name' | 'namespace'>,
): Promise<KubeObject> {
  const handler = handlers[def.kind as Kind];
  if (handler?.get) return handler.get(core, context, name, namespace);
  if (!handler?.list) throw notAllowed();
  const found = (await handler.list(core, context, namespace)).find((object) => object.metadata.name === name);
  if (!found) throw notFound(def, name);
  return found;
}

export async function listUnstored(
  core: Core,
  handlers: KindHandlers,
  context: RequestContext,
  def: KindDef,
  query: ListQuery,
): Promise<ListPage> {
  const selection = selectionOf(def, query);
  core.authorize(context, 'list', { entry: def, namespace: selection.namespace, name: selection.name });
  const list = handlers[def.kind as Kind]?.list;
  if (!list) throw notAllowed();
  const objects = await list(core, context, selection.namespace);
  return { items: objects.filter((object) => selection.matches(object)), resourceVersion: '' };
}
