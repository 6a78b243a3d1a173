import { ApiError } from '../../../shared/errors.ts';
import type { KindEntry } from '../../../shared/kinds/table.ts';
import type { Api, RequestContext } from '../api.ts';
import type { Auditor } from './auditor.ts';
import type { AuditedRequest } from './policy.ts';
import { type AuditTrail, codeOf } from './trail.ts';

type Asked = Omit<AuditedRequest, 'identity'> & { readonly version?: string };

/**
 * The same Api, with what goes in and out written into the trail of the request. REST begins and ends its trails itself, since it also knows of
 * requests that never come here; those of gRPC calls begin and end here.
 */
export function auditedApi(api: Api, auditor: Auditor): Api {
  if (!auditor.on) return api;

  /** One call. `body`: what the client sent. */
  async function told<T>(context: RequestContext, asked: Asked, body: unknown, run: () => Promise<T>): Promise<T> {
    return around(context, asked, 201, async (trail) => {
      if (body !== undefined) trail?.request(body);
      const answer = await run();
      trail?.response(answer);
      return answer;
    });
  }

  async function around<T>(
    context: RequestContext,
    asked: Asked,
    created: number,
    run: (trail: AuditTrail | undefined) => Promise<T>,
  ): Promise<T> {
    if (context.audit || !context.call) return run(context.audit);
    const trail = await begin(context, asked);
    if (!trail) return run(undefined);
    try {
      const answer = await run(trail);
      trail.complete(asked.verb === 'create' ? created : 200);
      return answer;
    } catch (error) {
      end(trail, error);
      throw error;
    }
  }

  async function begin(context: RequestContext, { version, ...asked }: Asked): Promise<AuditTrail | undefined> {
    const { identity, impersonator, userAgent, call } = context;
    const trail = await auditor.begin({
      request: { identity, ...asked },
      ...(version ? { version } : {}),
      ...{ impersonator, userAgent, uri: call?.path ?? '', sourceIPs: call ? [ipOf(call.peer)] : [] },
      auditID: auditor.idOf(undefined),
    });
    context.audit = trail;
    return trail;
  }

  async function* streamed<T>(
    context: RequestContext,
    asked: Asked,
    events: () => AsyncIterable<T>,
  ): AsyncGenerator<T> {
    const own = !context.audit && context.call ? await begin(context, asked) : undefined;
    context.audit?.started(200);
    try {
      yield* events();
      own?.complete(200);
    } catch (error) {
      if (own) end(own, error);
      throw error;
    }
  }

  return {
    get: (context, target) => told(context, askedOf('get', target), undefined, () => api.get(context, target)),
    list: (context, query) => told(context, askedOf('list', query), undefined, () => api.list(context, query)),
    watch: (context, query) => streamed(context, askedOf('watch', query), () => api.watch(context, query)),
    create: (context, target, object, options) =>
      told(context, askedOf('create', target, object), object, () => api.create(context, target, object, options)),
    update: (context, target, object, options) =>
      told(context, askedOf('update', target), object, () => api.update(context, target, object, options)),
    patch: (context, target, patch, options) =>
      told(context, askedOf('patch', target), patch.body, () => api.patch(context, target, patch, options)),
    delete: (context, target, options) =>
      told(context, askedOf('delete', target), options, () => api.delete(context, target, options)),
    deleteCollection: (context, query, options) =>
      told(context, askedOf('deletecollection', query), options, () => api.deleteCollection(context, query, options)),
    bind: (context, bindings) =>
      told(context, { verb: 'create', group: '', resource: 'pods', subresource: 'binding' }, bindings, () =>
        api.bind(context, bindings),
      ),
    watchKinds: (context, kinds) =>
      streamed(context, { verb: 'watch', group: '', resource: '*' }, () => api.watchKinds(context, kinds)),
    logs: (context, target, options) =>
      around(context, askedOf('get', { ...target, subresource: 'log' }), 200, async (trail) => {
        const chunks = await api.logs(context, target, options);
        trail?.started(200);
        return chunks;
      }),
    connect: (context, target, query, verb = 'create') =>
      around(context, askedOf(verb, target), 101, async (trail) => {
        const stream = await api.connect(context, target, query, verb);
        trail?.started(101);
        return stream;
      }),
    checkConnect: (context, target, verb) => api.checkConnect(context, target, verb),
  };
}

function end(trail: AuditTrail, error: unknown): void {
  const known = error instanceof ApiError ? error : new ApiError('InternalError', 'Internal error occurred');
  trail.failed(known);
  trail.complete(codeOf(known), !(error instanceof ApiError));
}

interface Names {
  readonly entry: KindEntry;
  readonly namespace?: string;
  readonly name?: string;
  readonly subresource?: string;
}

function askedOf(verb: string, { entry, namespace, name, subresource }: Names, object?: unknown): Asked {
  const given = (object as { metadata?: { name?: unknown } } | undefined)?.metadata?.name;
  const named = name ?? (typeof given === 'string' ? given : undefined);
  return {
    ...{ verb, group: entry.group, version: entry.version, resource: entry.plural },
    ...(subresource ? { subresource } : {}),
    ...(namespace ? { namespace } : {}),
    ...(named ? { name: named } : {}),
  };
}

/** `ipv4:1.2.3.4:5`, `[::1]:5`, `1.2.3.4:5` → the address. */
function ipOf(peer: string): string {
  return peer
    .replace(/^ipv[46]:/, '')
    .replace(/:\d+$/, '')
    .replace(/^\[|\]$/g, '');
}
