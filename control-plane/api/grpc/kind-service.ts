import type { Binding } from '../../../shared/client.ts';
import { ApiError } from '../../../shared/errors.ts';
import type { AuthenticationV1TokenRequest, Kind, Status } from '../../../shared/generated/types.ts';
import type { KindEntry, Subresource } from '../../../shared/kinds/table.ts';
import type { KubeObject } from '../../../shared/object.ts';
import type * as wire from '../../../shared/rpc/messages.ts';
import type { KindService } from '../../../shared/rpc/schema.ts';
import { checkDepth } from '../../../shared/schema/depth.ts';
import { parseExactly } from '../../../shared/schema/exact-numbers.ts';
import { boundValues } from '../../../shared/schema/values.ts';
import type { Api, ListQuery, MutateOptions, RequestContext, WriteResult } from '../api.ts';
import { needsManager } from '../requests/refusals.ts';
import { type Registered, serverStream, unary } from './calls.ts';
import { listMessage } from './lists.ts';
import { podStreamMethods } from './pod-streams.ts';
import type { CallDeps } from './request.ts';
import { required, targetOf } from './targets.ts';

/** Implements the services of all kinds: each method decodes its message to a call of the Api. */
export function kindMethods(deps: CallDeps & { api: Api }, service: KindService): Registered[] {
  const { api } = deps;
  const { entry, methods } = service;
  const update =
    (subresource?: Subresource) =>
    async (context: RequestContext, { object, options }: wire.WriteRequest): Promise<KubeObject> => {
      const named = required(object, 'object');
      const { namespace, name } = named.metadata ?? {};
      const target = targetOf(entry, { namespace, name }, subresource);
      return objectOf(await api.update(context, target, named, mutateOptions(options)));
    };

  const registered: Registered[] = [];
  if (methods.Create) {
    registered.push(
      unary(deps, methods.Create, async (context, { object, options }) => {
        const named = required(object, 'object');
        const target = { entry, namespace: named.metadata?.namespace };
        return objectOf(await api.create(context, target, named, mutateOptions(options)));
      }),
    );
  }
  if (methods.Get) {
    registered.push(
      unary(deps, methods.Get, (context, request) => api.get(context, targetOf(entry, request)), { large: true }),
    );
  }
  if (methods.List) {
    registered.push(
      unary(deps, methods.List, (context, request) => listMessage(api, context, entry, listQuery(entry, request)), {
        large: true,
        seatsOf: (gate, { namespace, limit }) =>
          gate.listWidth(entry.kind as Kind, namespace || undefined, Number(limit) > 0 ? Number(limit) : undefined),
      }),
    );
  }
  if (methods.Watch) {
    registered.push(
      serverStream(deps, methods.Watch, (context, request) => {
        // Without a version the stream begins with the present objects, and a bookmark ends them.
        const sendInitialEvents = !request.resource_version;
        return api.watch(context, {
          ...listQuery(entry, request),
          allowBookmarks: true,
          ...(sendInitialEvents ? { sendInitialEvents, resourceVersionMatch: 'NotOlderThan' } : {}),
        });
      }),
    );
  }
  if (methods.Update) registered.push(unary(deps, methods.Update, update()));
  if (methods.Patch) {
    registered.push(
      unary(deps, methods.Patch, async (context, request) => {
        const target = targetOf(entry, request, subresourceOf(entry, request.subresource));
        const options = mutateOptions(request.options);
        if (request.type === 'apply' && !options.fieldManager) throw needsManager();
        return objectOf(await api.patch(context, target, patchBody(request), options));
      }),
    );
  }
  if (methods.Delete) {
    registered.push(
      unary(deps, methods.Delete, async (context, request) =>
        asStatus(entry, request.name, await api.delete(context, targetOf(entry, request), request.options)),
      ),
    );
  }
  if (methods.DeleteCollection) {
    registered.push(
      unary(deps, methods.DeleteCollection, async (context, { selection = {}, options }) => {
        await api.deleteCollection(context, listQuery(entry, selection), options);
        return { status: 'Success' };
      }),
    );
  }
  if (methods.UpdateStatus) registered.push(unary(deps, methods.UpdateStatus, update('status')));
  if (methods.Bind) {
    registered.push(
      unary(deps, methods.Bind, async (context, { bindings = [] }) => {
        const results = await api.bind(context, bindings.map(bindingOf));
        return {
          results: results.map((result) =>
            result.ok ? { guard_version: result.guardVersion } : { reason: result.reason, message: result.message },
          ),
        };
      }),
    );
  }
  if (methods.Evict) {
    registered.push(
      unary(deps, methods.Evict, async (context, request) => {
        const target = targetOf(entry, request, 'eviction');
        const { namespace, name } = target;
        const eviction = {
          apiVersion: 'policy/v1',
          kind: 'Eviction',
          metadata: { name, namespace },
          ...(request.options ? { deleteOptions: request.options } : {}),
        };
        return asStatus(entry, name, await api.create(context, target, eviction));
      }),
    );
  }
  if (methods.CreateToken) registered.push(unary(deps, methods.CreateToken, createToken(api, entry)));
  if (methods.Logs) {
    registered.push(serverStream(deps, methods.Logs, (context, request) => logChunks(api, entry, context, request)));
  }
  registered.push(...podStreamMethods(deps, service));
  return registered;
}

function createToken(api: Api, entry: KindEntry) {
  return async (context: RequestContext, request: wire.CreateTokenRequest): Promise<wire.CreateTokenResponse> => {
    const { audiences, expiration_seconds: expirationSeconds, bound_kind: kind } = request;
    const { bound_name: name, bound_uid: uid } = request;
    const spec = {
      ...(audiences?.length ? { audiences } : {}),
      ...(expirationSeconds ? { expirationSeconds } : {}),
      ...(kind ? { boundObjectRef: { apiVersion: 'v1', kind, name, ...(uid ? { uid } : {}) } } : {}),
    };
    const { object } = await api.create(context, targetOf(entry, request, 'token'), { spec });
    const { token, expirationTimestamp } = (object as unknown as AuthenticationV1TokenRequest).status ?? {};
    return { token, expiration_timestamp: expirationTimestamp };
  };
}

async function* logChunks(
  api: Api,
  entry: KindEntry,
  context: RequestContext,
  request: wire.LogsRequest,
): AsyncGenerator<wire.LogsChunk> {
  const { container, follow, previous, timestamps } = request;
  const chunks = await api.logs(context, targetOf(entry, request, 'log'), {
    ...(container ? { container } : {}),
    follow,
    previous,
    timestamps,
    ...(request.since_seconds === undefined ? {} : { sinceSeconds: request.since_seconds }),
    ...(request.since_time === undefined ? {} : { sinceTime: request.since_time }),
    ...(request.tail_lines === undefined ? {} : { tailLines: request.tail_lines }),
    ...(request.limit_bytes === undefined ? {} : { limitBytes: request.limit_bytes }),
  });
  for await (const data of chunks) yield { data };
}

function listQuery(entry: KindEntry, request: wire.ListRequest): ListQuery {
  return {
    entry,
    ...(request.namespace ? { namespace: request.namespace } : {}),
    ...(request.label_selector ? { labelSelector: request.label_selector } : {}),
    ...(request.field_selector ? { fieldSelector: request.field_selector } : {}),
    ...(request.limit ? { limit: request.limit } : {}),
    ...(request.continue ? { continue: request.continue } : {}),
    ...(request.resource_version ? { resourceVersion: request.resource_version } : {}),
  };
}

function mutateOptions(options: wire.WireWriteOptions = {}): MutateOptions {
  const { dry_run: dryRun, field_manager: fieldManager, field_validation: validation, force } = options;
  return {
    ...(force ? { force } : {}),
    ...(dryRun ? { dryRun } : {}),
    ...(fieldManager ? { fieldManager } : {}),
    ...(validation === 'Strict' || validation === 'Warn' || validation === 'Ignore'
      ? { fieldValidation: validation }
      : {}),
  };
}

function patchBody({ type = '', patch = '' }: wire.PatchRequest) {
  if (type !== 'json' && type !== 'merge' && type !== 'strategic' && type !== 'apply') {
    throw new ApiError('BadRequest', `patch type "${type}" is not one of json, merge, strategic, apply`);
  }
  try {
    boundValues(patch);
    checkDepth(patch);
    return { type, body: parseExactly(patch) } as const;
  } catch (cause) {
    if (cause instanceof ApiError) throw cause;
    throw new ApiError('BadRequest', 'the patch is not JSON', {}, { cause });
  }
}

function subresourceOf(entry: KindEntry, name = ''): Subresource | undefined {
  if (name === '') return undefined;
  const found = entry.subresources.find((subresource) => subresource === name);
  if (!found) throw new ApiError('NotFound', `${entry.plural} have no subresource "${name}"`);
  return found;
}

function bindingOf(binding: wire.PodBinding): Binding {
  const { namespace = '', name = '', uid = '', node = '' } = binding;
  return {
    namespace,
    name,
    uid,
    node,
    resourceVersion: binding.resource_version ?? '',
    guardVersion: binding.guard_version ?? '',
  };
}

/** The object of a write's result. */
function objectOf({ object }: WriteResult): KubeObject {
  return object as KubeObject;
}

/** The answer of a deletion: a Status, even if the object still exists with a deletion timestamp. */
function asStatus(entry: KindEntry, name: string | undefined, { object }: WriteResult): Status {
  const status = object as Status & { kind?: string; metadata?: { uid?: string } };
  if (status.kind === 'Status') {
    const { kind: _kind, apiVersion: _version, ...rest } = status as Status & { kind?: string; apiVersion?: string };
    return rest;
  }
  const { uid } = status.metadata ?? {};
  return {
    status: 'Success',
    details: { name, kind: entry.plural, ...(entry.group ? { group: entry.group } : {}), ...(uid ? { uid } : {}) },
  };
}
