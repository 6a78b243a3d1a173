import type { Binding, BindResult } from '../../../../shared/client.ts';
import { ApiError, type Reason, reasons } from '../../../../shared/errors.ts';
import { kindNamed } from '../../../../shared/kinds/index.ts';
import type { Api, ListPage, RequestContext, WriteResult } from '../../api.ts';
import { infoOfCall, type RequestInfo } from '../request-info.ts';
import { auditedCall, beginTrail, endFailed, unauditedSource } from './audited-call.ts';
import type { Auditor } from './auditor.ts';
import type { AuditTrail } from './trail.ts';

/**
 * The same Api, which records bodies and answers in the trail of each request. A request without a trail (a gRPC call, or one of a
 * component in this process) gets one here, as its kind and verb are known only here.
 */
export function auditedApi(api: Api, auditor: Auditor): Api {
  if (!auditor.on) return api;

  function auditedRead<T>(
    given: RequestContext,
    info: RequestInfo,
    run: (context: RequestContext) => Promise<T>,
  ): Promise<T> {
    return auditedCall(auditor, given, info, 200, async (context) => {
      const answer = await run(context);
      context.audit?.response(answer);
      return answer;
    });
  }

  /** `body`: what the client sent. */
  function auditedWrite<T extends WriteResult | ListPage>(
    given: RequestContext,
    info: RequestInfo,
    body: unknown,
    run: (context: RequestContext) => Promise<T>,
  ): Promise<T> {
    return auditedCall(auditor, given, info, info.verb === 'create' ? 201 : 200, async (context) => {
      if (body !== undefined) context.audit?.request(body);
      const result = await run(context);
      context.audit?.response('object' in result ? result.object : result);
      return result;
    });
  }

  /** A watch of one kind or of several: each kind has a trail of its own, as the policy may want some of them only. */
  async function* auditedWatch<T>(
    given: RequestContext,
    infos: readonly RequestInfo[],
    watch: (context: RequestContext) => AsyncIterable<T>,
  ): AsyncGenerator<T> {
    const trails = await beginTrails(given, infos);
    const context = trails.length === 1 ? { ...given, audit: trails[0] } : given;
    for (const trail of trails.length > 0 ? trails : [given.audit]) trail?.started(200);
    let failed = false;
    try {
      yield* watch(context);
    } catch (error) {
      failed = true;
      for (const trail of trails) endFailed(trail, error);
      throw error;
    } finally {
      // Also when the client has left.
      if (!failed) for (const trail of trails) trail.complete(200);
    }
  }

  async function beginTrails(context: RequestContext, infos: readonly RequestInfo[]): Promise<AuditTrail[]> {
    const source = unauditedSource(auditor, context);
    if (!source) return [];
    const trails = await Promise.all(infos.map((info) => beginTrail(auditor, context, source, info)));
    return trails.filter((trail) => trail !== undefined);
  }

  /** Each binding of a batch is audited as the one request that it would be in Kubernetes. */
  async function bind(context: RequestContext, bindings: readonly Binding[]): Promise<BindResult[]> {
    const source = unauditedSource(auditor, context);
    if (!source) return api.bind(context, bindings);
    const entry = kindNamed('Pod');
    const trails = await Promise.all(
      bindings.map(({ namespace, name }) =>
        beginTrail(auditor, context, source, infoOfCall('create', { entry, namespace, name, subresource: 'binding' })),
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
    get: (given, target) => auditedRead(given, infoOfCall('get', target), (context) => api.get(context, target)),
    list: (given, query) => auditedRead(given, infoOfCall('list', query), (context) => api.list(context, query)),
    watch: (given, query) => auditedWatch(given, [infoOfCall('watch', query)], (context) => api.watch(context, query)),
    create: (given, target, object, options) =>
      auditedWrite(given, infoOfCall('create', target, object), object, (context) =>
        api.create(context, target, object, options),
      ),
    update: (given, target, object, options) =>
      auditedWrite(given, infoOfCall('update', target), object, (context) =>
        api.update(context, target, object, options),
      ),
    patch: (given, target, patch, options) =>
      auditedWrite(given, infoOfCall('patch', target), patch.body, (context) =>
        api.patch(context, target, patch, options),
      ),
    delete: (given, target, options) =>
      auditedWrite(given, infoOfCall('delete', target), options, (context) => api.delete(context, target, options)),
    deleteCollection: (given, query, options) =>
      auditedWrite(given, infoOfCall('deletecollection', query), options, (context) =>
        api.deleteCollection(context, query, options),
      ),
    bind,
    watchKinds: (given, kinds) =>
      auditedWatch(
        given,
        kinds.map((kind) => infoOfCall('watch', { entry: kindNamed(kind) })),
        (context) => api.watchKinds(context, kinds),
      ),
    logs: (given, target, options) =>
      auditedCall(auditor, given, infoOfCall('get', { ...target, subresource: 'log' }), 200, async (context) => {
        const chunks = await api.logs(context, target, options);
        context.audit?.started(200);
        return chunks;
      }),
    connect: (given, target, query, verb = 'create') =>
      auditedCall(auditor, given, infoOfCall(verb, target), 101, async (context) => {
        const stream = await api.connect(context, target, query, verb);
        context.audit?.started(101);
        return stream;
      }),
    // Only REST has them, whose requests come with a trail.
    proxy: (context, target, verb) => api.proxy(context, target, verb),
    checkConnect: (context, target, verb) => api.checkConnect(context, target, verb),
  };
}

function endBound(trail: AuditTrail, result: BindResult | undefined): void {
  if (result?.ok !== false) {
    trail.complete(201);
    return;
  }
  const reason = Object.hasOwn(reasons, result.reason) ? (result.reason as Reason) : 'InternalError';
  endFailed(trail, new ApiError(reason, result.message));
}
