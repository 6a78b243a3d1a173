import type { Binding, BindResult, WatchBatch } from '../../shared/client.ts';
import { isApiError } from '../../shared/errors.ts';
import type { DeleteOptions, Kind, Status } from '../../shared/generated/types.ts';
import { defOf as defNamed } from '../../shared/kinds/index.ts';
import type { KindDef } from '../../shared/kinds/kind.ts';
import { type KindEntry, verbsOf } from '../../shared/kinds/table.ts';
import type { KubeObject } from '../../shared/object.ts';
import type {
  Api,
  ApiWatchEvent,
  ConnectQuery,
  ListPage,
  ListQuery,
  LogQuery,
  MutateOptions,
  NodeStreams,
  PatchBody,
  PodStream,
  ProxyTarget,
  RequestContext,
  Target,
  WatchQuery,
} from './api.ts';
import { attributesOf } from './requests/attributes.ts';
import { bindPods } from './requests/bind.ts';
import { createObject } from './requests/create.ts';
import { servedAs } from './requests/decode.ts';
import { checkDeleteOptions, deleteObject } from './requests/delete.ts';
import { authorizeSelection, getObject, listObjects } from './requests/read.ts';
import { badRequest, notAllowed } from './requests/refusals.ts';
import { selectionOf } from './requests/selection.ts';
import { createUnstored, getUnstored, type KindHandlers, listUnstored } from './requests/unstored.ts';
import { patchObject, updateObject } from './requests/update.ts';
import { watchKinds, watchObjects } from './requests/watch.ts';
import type { WriteCore } from './requests/write-core.ts';
import { openLogs } from './resources/pod/logs.ts';
import { checkPodStream, openPodStream } from './resources/pod/streams.ts';
import { createBinding, createEviction } from './resources/pod/subresources.ts';
import { openProxy } from './resources/proxy/open.ts';
import { scaleOf, updateScale } from './resources/scale.ts';
import { createToken, type TokenIssuer } from './resources/tokens/token-request.ts';

/** Objects of one deletecollection that are deleted at a time. */
const deleteParallel = 16;

export interface PipelineDeps {
  readonly core: WriteCore;
  readonly handlers: KindHandlers;
  readonly nodeStreams: NodeStreams;
  readonly tokens: TokenIssuer | undefined;
}

/** Finds what carries out a request: by its verb, its kind and its subresource. */
export class Pipeline implements Api {
  readonly #core: WriteCore;
  readonly #deps: PipelineDeps;

  constructor(deps: PipelineDeps) {
    this.#deps = deps;
    this.#core = deps.core;
  }

  async get(context: RequestContext, target: Target): Promise<KubeObject> {
    const def = defOf(target.entry);
    this.#core.authorize(context, 'get', attributesOf(def, target));
    if (def.verbs) return getUnstored(this.#core, this.#deps.handlers, context, def, target);
    const object = await getObject(this.#core, context, def, target);
    switch (target.subresource) {
      case undefined:
      case 'status':
        return servedAs(def, object);
      case 'scale':
        return scaleOf(def, object);
      default:
        if (!def.stored.strategy.parts?.[target.subresource]) throw notAllowed();
        return servedAs(def, object);
    }
  }

  async list(context: RequestContext, query: ListQuery): Promise<ListPage> {
    const def = defOf(query.entry);
    if (def.verbs) return listUnstored(this.#core, this.#deps.handlers, context, def, query);
    return pageAs(def, await listObjects(this.#core, context, def, query));
  }

  watch(context: RequestContext, query: WatchQuery): AsyncIterable<ApiWatchEvent> {
    const def = defOf(query.entry);
    if (def.verbs) throw notAllowed();
    const events = watchObjects(this.#core, context, def, query);
    return def.conversion ? eventsAs(def, events) : events;
  }

  async create(
    context: RequestContext,
    target: Partial<Target> & Pick<Target, 'entry'>,
    object: unknown,
    options?: MutateOptions,
  ): Promise<KubeObject> {
    const def = defOf(target.entry);
    const { namespace, name, subresource } = target;
    if (!subresource) {
      if (def.verbs) {
        const { handlers } = this.#deps;
        return createUnstored(this.#core, handlers, context, { entry: def, namespace }, { body: object, options });
      }
      return servedAs(def, await createObject(this.#core, context, def, namespace, object, options));
    }
    if (!name) throw badRequest(`a name is needed to create a ${subresource}`);
    const whole: Target = { ...target, name };
    // A Status is all that these answer; it has the shape of an object as far as its readers go.
    if (subresource === 'binding') {
      return (await createBinding(this.#core, context, whole, object, options)) as unknown as KubeObject;
    }
    if (subresource === 'eviction') {
      return (await createEviction(this.#core, context, whole, object, options)) as unknown as KubeObject;
    }
    if (subresource === 'token') return createToken(this.#deps, context, whole, object, options);
    throw notAllowed();
  }

  async update(context: RequestContext, target: Target, object: unknown, options?: MutateOptions): Promise<KubeObject> {
    const def = defOf(target.entry);
    if (target.subresource === 'scale') {
      return updateScale(this.#core, context, def, target, 'update', object, options);
    }
    if (def.verbs) throw notAllowed();
    return servedAs(def, await updateObject(this.#core, context, def, target, object, options));
  }

  async patch(context: RequestContext, target: Target, patch: PatchBody, options?: MutateOptions): Promise<KubeObject> {
    const def = defOf(target.entry);
    if (target.subresource === 'scale') {
      return updateScale(this.#core, context, def, target, 'patch', patch, options);
    }
    if (def.verbs) throw notAllowed();
    return servedAs(def, await patchObject(this.#core, context, def, target, patch, options));
  }

  async delete(context: RequestContext, target: Target, options?: DeleteOptions): Promise<KubeObject | Status> {
    const def = defOf(target.entry);
    if (target.subresource) throw notAllowed();
    this.#core.authorize(context, 'delete', attributesOf(def, target));
    if (def.verbs) throw notAllowed();
    const answer = await deleteObject(this.#core, context, def.stored, target, options);
    return 'metadata' in answer && 'uid' in (answer.metadata ?? {}) ? servedAs(def, answer as KubeObject) : answer;
  }

  async deleteCollection(context: RequestContext, query: ListQuery, options?: DeleteOptions): Promise<ListPage> {
    const def = defOf(query.entry);
    authorizeSelection(this.#core, context, 'deletecollection', def, selectionOf(def, query));
    if (def.verbs || !verbsOf(def).includes('deletecollection')) throw notAllowed();
    checkDeleteOptions(options ?? {});
    const page = await listObjects(this.#core, context, def, query);
    const waiting = page.items.values();
    const worker = async (): Promise<void> => {
      for (const { metadata } of waiting) {
        const { name, namespace, uid } = metadata;
        const preconditions = { uid, ...options?.preconditions };
        try {
          await deleteObject(this.#core, context, def.stored, { name, namespace }, { ...options, preconditions });
        } catch (error) {
          // Gone, or gone and made anew: either way what was selected is no more.
          if (!isApiError(error, 'NotFound', 'Conflict')) throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: deleteParallel }, worker));
    return pageAs(def, page);
  }

  bind(context: RequestContext, bindings: readonly Binding[]): Promise<BindResult[]> {
    return bindPods(this.#core, context, bindings);
  }

  watchKinds(context: RequestContext, kinds: readonly Kind[]): AsyncIterable<WatchBatch> {
    return watchKinds(this.#core, context, kinds);
  }

  logs(context: RequestContext, target: Target, options: LogQuery): Promise<AsyncIterable<Uint8Array>> {
    return openLogs(this.#deps, context, target, options);
  }

  connect(context: RequestContext, target: Target, query: ConnectQuery, verb?: 'create' | 'get'): Promise<PodStream> {
    return openPodStream(this.#deps, context, target, query, verb);
  }

  checkConnect(context: RequestContext, target: Target, verb?: 'create' | 'get'): Promise<void> {
    return checkPodStream(this.#deps, context, target, verb);
  }

  proxy(context: RequestContext, target: Target, verb: string): Promise<ProxyTarget> {
    return openProxy(this.#deps, context, target, verb);
  }
}

/** A kind's behaviour; surfaces may hold only its data. */
function defOf(entry: KindEntry): KindDef {
  return 'strategy' in entry ? (entry as KindDef) : defNamed(entry);
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
