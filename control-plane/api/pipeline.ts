import type { Binding, BindResult, WatchBatch } from '../../shared/client.ts';
import type { DeleteOptions, Kind, Status } from '../../shared/generated/types.ts';
import { defOf as defNamed } from '../../shared/kinds/index.ts';
import type { KindDef } from '../../shared/kinds/kind.ts';
import type { KindEntry, Subresource } from '../../shared/kinds/table.ts';
import type { KubeObject } from '../../shared/object.ts';
import type {
  Api,
  ApiWatchEvent,
  ConnectQuery,
  ListPage,
  ListQuery,
  LogQuery,
  MutateOptions,
  PatchBody,
  PodStream,
  ProxyTarget,
  RequestContext,
  Target,
  WatchQuery,
  WriteResult,
} from './api.ts';
import { bindPods } from './requests/bind.ts';
import { createObject } from './requests/create.ts';
import { servedAs } from './requests/decode.ts';
import { deleteObject } from './requests/delete.ts';
import { deleteCollection } from './requests/delete-collection.ts';
import { patchObject } from './requests/patch.ts';
import { getObject, listObjects } from './requests/read.ts';
import { badRequest, notAllowed } from './requests/refusals.ts';
import { attributesOf, type WriteRequest } from './requests/request.ts';
import type { ConnectVerb, SubresourceHandler, SubresourceTable } from './requests/subresource.ts';
import { createUnstored, getUnstored, type KindHandlers, listUnstored } from './requests/unstored.ts';
import { updateObject } from './requests/update.ts';
import { watchKinds, watchObjects } from './requests/watch.ts';
import type { WriteCore } from './requests/write-core.ts';

export interface PipelineDeps {
  readonly core: WriteCore;
  /** For the kinds that are not stored. */
  readonly handlers: KindHandlers;
  readonly subresources: SubresourceTable;
}

/** Passes each request on to what answers it, found by its verb, its kind and its subresource. */
export class Pipeline implements Api {
  readonly #core: WriteCore;
  readonly #handlers: KindHandlers;
  readonly #subresources: SubresourceTable;

  constructor({ core, handlers, subresources }: PipelineDeps) {
    this.#core = core;
    this.#handlers = handlers;
    this.#subresources = subresources;
  }

  async get(context: RequestContext, target: Target): Promise<KubeObject> {
    const request = this.#request(context, target);
    const { def } = request;
    this.#core.authorize(context, 'get', attributesOf(request));
    if (def.verbs) return getUnstored(request, this.#handlers[def.id]);
    const object = await getObject(request, target.resourceVersion);
    const { subresource } = target;
    const handler = this.#handler(def, subresource);
    if (handler) {
      if (!handler.get) throw notAllowed();
      return handler.get(def, object);
    }
    if (subresource && !isPart(def, subresource)) throw notAllowed();
    return servedAs(def, object);
  }

  async list(context: RequestContext, query: ListQuery): Promise<ListPage> {
    const request = this.#request(context, query);
    const { def } = request;
    if (def.verbs) return listUnstored(request, this.#handlers[def.id], query);
    return pageAs(def, await listObjects(request, query));
  }

  watch(context: RequestContext, query: WatchQuery): AsyncIterable<ApiWatchEvent> {
    const request = this.#request(context, query);
    const { def } = request;
    if (def.verbs) throw notAllowed();
    const events = watchObjects(request, query);
    return def.conversion ? eventsAs(def, events) : events;
  }

  async create(
    context: RequestContext,
    target: Partial<Target> & Pick<Target, 'entry'>,
    object: unknown,
    options?: MutateOptions,
  ): Promise<WriteResult> {
    const request = this.#request(context, target, options);
    const { def, subresource } = request;
    if (!subresource) {
      if (def.verbs) return createUnstored(request, this.#handlers[def.id], object);
      return resultAs(def, await createObject(request, object));
    }
    if (!target.name) throw badRequest(`a name is needed to create a ${subresource}`);
    const handler = this.#handler(def, subresource);
    if (!handler?.create) throw notAllowed();
    return handler.create(request, object);
  }

  async update(
    context: RequestContext,
    target: Target,
    object: unknown,
    options?: MutateOptions,
  ): Promise<WriteResult> {
    const request = this.#request(context, target, options);
    const { def, subresource } = request;
    const handler = this.#handler(def, subresource);
    if (handler?.update) return handler.update(request, object);
    if (handler) this.#core.authorize(context, 'update', attributesOf(request));
    if (def.verbs || handler) throw notAllowed();
    return resultAs(def, await updateObject(request, object));
  }

  async patch(
    context: RequestContext,
    target: Target,
    patch: PatchBody,
    options?: MutateOptions,
  ): Promise<WriteResult> {
    const request = this.#request(context, target, options);
    const { def, subresource } = request;
    const handler = this.#handler(def, subresource);
    if (handler?.patch) return handler.patch(request, patch);
    if (handler) this.#core.authorize(context, 'patch', attributesOf(request));
    if (def.verbs || handler) throw notAllowed();
    return resultAs(def, await patchObject(request, patch));
  }

  async delete(context: RequestContext, target: Target, options?: DeleteOptions): Promise<WriteResult> {
    const request = this.#request(context, target);
    const { def } = request;
    if (target.subresource) throw notAllowed();
    this.#core.authorize(context, 'delete', attributesOf(request));
    if (def.verbs) throw notAllowed();
    return resultAs(def, await deleteObject(request, options));
  }

  async deleteCollection(context: RequestContext, query: ListQuery, options?: DeleteOptions): Promise<ListPage> {
    const request = this.#request(context, query);
    return pageAs(request.def, await deleteCollection(request, query, options));
  }

  bind(context: RequestContext, bindings: readonly Binding[]): Promise<BindResult[]> {
    return bindPods(this.#core, context, bindings);
  }

  watchKinds(context: RequestContext, kinds: readonly Kind[]): AsyncIterable<WatchBatch> {
    return watchKinds(this.#core, context, kinds);
  }

  async logs(context: RequestContext, target: Target, query: LogQuery): Promise<AsyncIterable<Uint8Array>> {
    const request = this.#request(context, { ...target, subresource: 'log' });
    const handler = this.#handler(request.def, 'log');
    if (!handler?.logs) throw notAllowed();
    return handler.logs(request, query);
  }

  async connect(
    context: RequestContext,
    target: Target,
    query: ConnectQuery,
    verb: ConnectVerb = 'create',
  ): Promise<PodStream> {
    const request = this.#request(context, { ...target, subresource: query.type });
    const handler = this.#handler(request.def, query.type);
    if (!handler?.connect) throw notAllowed();
    return handler.connect(request, query, verb);
  }

  async checkConnect(context: RequestContext, target: Target, verb: ConnectVerb = 'create'): Promise<void> {
    const request = this.#request(context, target);
    const handler = this.#handler(request.def, request.subresource);
    if (!handler?.checkConnect) throw notAllowed();
    return handler.checkConnect(request, verb);
  }

  async proxy(context: RequestContext, target: Target, verb: string): Promise<ProxyTarget> {
    const request = this.#request(context, { ...target, subresource: 'proxy' });
    const handler = this.#handler(request.def, 'proxy');
    if (!handler?.proxy) throw notAllowed();
    return handler.proxy(request, verb);
  }

  #request(
    context: RequestContext,
    target: Partial<Target> & Pick<Target, 'entry'>,
    options: MutateOptions = {},
  ): WriteRequest {
    const { entry, namespace, name = '', subresource } = target;
    return { core: this.#core, context, def: defOf(entry), namespace, name, subresource, options };
  }

  /** Undefined for the object itself, and for its parts. */
  #handler(def: KindDef, subresource: Subresource | undefined): SubresourceHandler | undefined {
    return subresource && this.#subresources[def.id]?.[subresource];
  }
}

/** Whether a subresource is a part of the stored object. */
function isPart(def: KindDef, subresource: Subresource): boolean {
  return subresource === 'status' || def.stored.strategy.parts?.[subresource] !== undefined;
}

/** A kind's behaviour; surfaces may have only its data. */
function defOf(entry: KindEntry): KindDef {
  return 'strategy' in entry ? (entry as KindDef) : defNamed(entry);
}

/** A result in the version that is served. */
function resultAs(def: KindDef, result: WriteResult): WriteResult {
  const { object, outcome } = result;
  if (!def.conversion || !isStored(object)) return result;
  return { object: servedAs(def, object), outcome };
}

/** Whether an answer is an object, and no Status. */
function isStored(answer: KubeObject | Status): answer is KubeObject {
  return 'uid' in (answer.metadata ?? {});
}

/** A page in the version that is served. */
function pageAs(def: KindDef, page: ListPage): ListPage {
  return def.conversion ? { ...page, served: (object) => servedAs(def, object) } : page;
}

async function* eventsAs(def: KindDef, events: AsyncIterable<ApiWatchEvent>): AsyncGenerator<ApiWatchEvent> {
  for await (const event of events) {
    yield event.type === 'BOOKMARK' ? event : { ...event, object: servedAs(def, event.object) };
  }
}
