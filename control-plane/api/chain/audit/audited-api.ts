import type { Binding, BindResult } from '../../../../shared/client.ts';
import { ApiError, type Reason, reasons } from '../../../../shared/errors.ts';
import { kindNamed } from '../../../../shared/kinds/index.ts';
import type { Api, RequestContext, WriteResult } from '../../api.ts';
import type { Auditor } from './auditor.ts';
import { type Asked, askedOf, auditedCall, beginCall, endFailed } from './calls.ts';
import type { AuditTrail } from './trail.ts';

/**
 * The same Api, with what goes in and out written into the trail of the request. REST begins and ends its trails itself, since it also knows of
 * requests that never come here; those of gRPC calls, and of this process' own components, begin and end here.
 */
export function auditedApi(api: Api, auditor: Auditor): Api {
  if (!auditor.on) return api;

  /** One call. `body`: what the client sent. `shown`: what of the result it is answered. */
  async function told<T>(
    context: RequestContext,
    asked: Asked,
    body: unknown,
    run: () => Promise<T>,
    shown: (result: T) => unknown = (result) => result,
  ): Promise<T> {
    return auditedCall(auditor, context, asked, asked.verb === 'create' ? 201 : 200, async (trail) => {
      if (body !== undefined) trail?.request(body);
      const answer = await run();
      trail?.response(shown(answer));
      return answer;
    });
  }

  /** A watch, of one kind or of several at once: each is told of by itself, as the policy may care for one and not for another. */
  async function* streamed<T>(
    context: RequestContext,
    asked: readonly Asked[],
    events: () => AsyncIterable<T>,
  ): AsyncGenerator<T> {
    const { call } = context;
    const own = !context.audit && call ? await begun(context, asked) : [];
    if (own.length === 1) [context.audit] = own;
    for (const trail of own.length > 0 ? own : [context.audit]) trail?.started(200);
    let failed = false;
    try {
      yield* events();
    } catch (error) {
      failed = true;
      for (const trail of own) endFailed(trail, error);
      throw error;
    } finally {
      // Also when whoever listened has left.
      if (!failed) for (const trail of own) trail.complete(200);
    }
  }

  async function begun(context: RequestContext, asked: readonly Asked[]): Promise<AuditTrail[]> {
    const { call } = context;
    if (!call) return [];
    const trails = await Promise.all(asked.map((one) => beginCall(auditor, context, call, one)));
    return trails.filter((trail) => trail !== undefined);
  }

  /** Placements come in batches; each is told of as the one request that it would be in Kubernetes. */
  async function bound(context: RequestContext, bindings: readonly Binding[]): Promise<BindResult[]> {
    const { call } = context;
    if (context.audit || !call) return api.bind(context, bindings);
    const pods = kindNamed('Pod');
    const trails = await Promise.all(
      bindings.map(({ namespace, name }) =>
        beginCall(auditor, context, call, askedOf('create', { entry: pods, namespace, name, subresource: 'binding' })),
      ),
    );
    for (const [index, { namespace, name, uid, node }] of bindings.entries()) {
      trails[index]?.request({ metadata: { namespace, name, uid }, target: { kind: 'Node', name: node } });
    }
    try {
      const results = await api.bind(context, bindings);
      for (const [index, trail] of trails.entries()) if (trail) endBound(trail, results[index]);
      return results;
    } catch (error) {
      for (const trail of trails) if (trail) endFailed(trail, error);
      throw error;
    }
  }

  return {
    get: (context, target) => told(context, askedOf('get', target), undefined, () => api.get(context, target)),
    list: (context, query) => told(context, askedOf('list', query), undefined, () => api.list(context, query)),
    watch: (context, query) => streamed(context, [askedOf('watch', query)], () => api.watch(context, query)),
    create: (context, target, object, options) =>
      told(
        context,
        askedOf('create', target, object),
        object,
        () => api.create(context, target, object, options),
        objectOf,
      ),
    update: (context, target, object, options) =>
      told(context, askedOf('update', target), object, () => api.update(context, target, object, options), objectOf),
    patch: (context, target, patch, options) =>
      told(context, askedOf('patch', target), patch.body, () => api.patch(context, target, patch, options), objectOf),
    delete: (context, target, options) =>
      told(context, askedOf('delete', target), options, () => api.delete(context, target, options), objectOf),
    deleteCollection: (context, query, options) =>
      told(context, askedOf('deletecollection', query), options, () => api.deleteCollection(context, query, options)),
    bind: bound,
    watchKinds: (context, kinds) =>
      streamed(
        context,
        kinds.map((kind) => askedOf('watch', { entry: kindNamed(kind) })),
        () => api.watchKinds(context, kinds),
      ),
    logs: (context, target, options) =>
      auditedCall(auditor, context, askedOf('get', { ...target, subresource: 'log' }), 200, async (trail) => {
        const chunks = await api.logs(context, target, options);
        trail?.started(200);
        return chunks;
      }),
    connect: (context, target, query, verb = 'create') =>
      auditedCall(auditor, context, askedOf(verb, target), 101, async (trail) => {
        const stream = await api.connect(context, target, query, verb);
        trail?.started(101);
        return stream;
      }),
    // Only REST has it, whose trails are its own.
    proxy: (context, target, verb) => api.proxy(context, target, verb),
    checkConnect: (context, target, verb) => api.checkConnect(context, target, verb),
  };
}

function objectOf({ object }: WriteResult): unknown {
  return object;
}

function endBound(trail: AuditTrail, result: BindResult | undefined): void {
  if (result?.ok !== false) {
    trail.complete(201);
    return;
  }
  const reason = Object.hasOwn(reasons, result.reason) ? (result.reason as Reason) : 'InternalError';
  endFailed(trail, new ApiError(reason, result.message));
}
