import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../../shared/clock.ts';
import { ApiError } from '../../../shared/errors.ts';
import type { DeleteOptions, Status } from '../../../shared/generated/types.ts';
import { apiVersionOf } from '../../../shared/kinds/index.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { decodeMessage } from '../../../shared/schema/decode.ts';
import type {
  Api,
  ApiWatchEvent,
  ListQuery,
  LogQuery,
  MutateOptions,
  PatchBody,
  RequestContext,
  Target,
} from '../api.ts';
import { isRecord } from '../patch/merge.ts';
import { badRequest, methodNotAllowed } from '../refusals.ts';
import { checkDepth, parseBody, readBody, typeOf, unsupported } from './body.ts';
import { streamLog } from './log-stream.ts';
import { type Reply, sendList, sendObject, sendText } from './respond.ts';
import type { ResourceRoute } from './route.ts';
import { type Include, partialOf, tableOf } from './table.ts';
import { streamWatch } from './watch-stream.ts';

/** A watch ends by itself after this at the latest, and after half of it when it asks for nothing, so that clients spread anew over the servers. */
const longestWatchSeconds = 3600;

/** One request for a resource. */
export interface Call {
  readonly api: Api;
  readonly clock: Clock;
  readonly context: RequestContext;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly route: ResourceRoute;
  readonly query: URLSearchParams;
  readonly reply: Reply;
}

/** Whether the request may last: its answer is a stream. */
export function isLong({ name, subresource }: ResourceRoute, query: URLSearchParams): boolean {
  return subresource === 'log' || (name === undefined && flag(query, 'watch'));
}

/** Answers one request, by its method and by whether the URL names an object or a collection. */
export async function serveResource(call: Call): Promise<void> {
  const { request, route } = call;
  const method = request.method ?? 'GET';
  const onObject = objectMethods[method];
  const onCollection = collectionMethods[method];
  if (route.name === undefined ? !onCollection : !onObject) throw methodNotAllowed(route.def, method);
  if (route.name !== undefined) await onObject?.(call, { entry: route.def, ...route, name: route.name });
  else await onCollection?.(call);
}

type OnObject = (call: Call, target: Target) => Promise<void>;
type OnCollection = (call: Call) => Promise<void>;

const objectMethods: Readonly<Record<string, OnObject | undefined>> = {
  GET: getObject,
  POST: createSubresource,
  PUT: putObject,
  PATCH: patchObject,
  DELETE: deleteObject,
};

const collectionMethods: Readonly<Record<string, OnCollection | undefined>> = {
  GET: getCollection,
  POST: createObject,
  DELETE: deleteCollection,
};

async function getObject(call: Call, target: Target): Promise<void> {
  if (target.subresource === 'log') {
    const chunks = await call.api.logs(call.context, target, logQuery(call.query));
    return streamLog(call.response, call.clock, call.context.signal, chunks);
  }
  send(call, 200, await call.api.get(call.context, target));
}

async function createObject(call: Call): Promise<void> {
  const { def, namespace } = call.route;
  const body = await bodyOf(call);
  const object = await call.api.create(call.context, { entry: def, namespace }, body, mutateOptions(call.query));
  send(call, 201, object);
}

async function createSubresource(call: Call, target: Target): Promise<void> {
  if (!target.subresource) throw methodNotAllowed(target.entry, 'POST');
  const object = await call.api.create(call.context, target, await bodyOf(call), mutateOptions(call.query));
  send(call, 201, object);
}

async function putObject(call: Call, target: Target): Promise<void> {
  send(call, 200, await call.api.update(call.context, target, await bodyOf(call), mutateOptions(call.query)));
}

async function patchObject(call: Call, target: Target): Promise<void> {
  const patch = await patchOf(call);
  send(call, 200, await call.api.patch(call.context, target, patch, mutateOptions(call.query)));
}

async function deleteObject(call: Call, target: Target): Promise<void> {
  const options = await deleteOptions(call);
  const answer = await call.api.delete(call.context, target, options);
  send(call, 200, answer);
}

async function deleteCollection(call: Call): Promise<void> {
  const options = await deleteOptions(call);
  const page = await call.api.deleteCollection(call.context, listQuery(call), options);
  await sendPage(call, page.items, { resourceVersion: page.resourceVersion });
}

async function getCollection(call: Call): Promise<void> {
  const query = listQuery(call);
  if (flag(call.query, 'watch')) return watchCollection(call, query);
  const page = await call.api.list(call.context, query);
  await sendPage(call, page.items, {
    resourceVersion: page.resourceVersion,
    ...(page.continue ? { continue: page.continue } : {}),
    ...(page.remainingItemCount === undefined ? {} : { remainingItemCount: page.remainingItemCount }),
  });
}

async function watchCollection(call: Call, query: ListQuery): Promise<void> {
  const { api, clock, context, route, reply } = call;
  const asked = count(call.query, 'timeoutSeconds') || longestWatchSeconds / 2;
  const events = api.watch(context, {
    ...query,
    allowBookmarks: flag(call.query, 'allowWatchBookmarks'),
    sendInitialEvents: call.query.has('sendInitialEvents') ? flag(call.query, 'sendInitialEvents') : undefined,
    timeoutSeconds: Math.min(asked, longestWatchSeconds),
  });
  const include = includeOf(call.query);
  let first = true;
  const shape = (event: ApiWatchEvent): object => {
    if (reply.format.as === undefined) return event.object;
    if (reply.format.as !== 'Table') return partialOf(event.object);
    const { resourceVersion } = event.object.metadata;
    const rows = event.type === 'BOOKMARK' ? [] : [event.object];
    const table = tableOf(route.def, rows, { resourceVersion }, include, clock.now(), first);
    first = false;
    return table;
  };
  const encode = (event: ApiWatchEvent): string => JSON.stringify(shape(event));
  await streamWatch({ response: call.response, clock, signal: context.signal, encode }, events);
}

/** An object or a Status, in the form that the client asked for. */
function send(call: Call, status: number, answer: KubeObject | Status): void {
  const { format, pretty } = call.reply;
  const made = call.context.answer;
  if (made?.object === answer && format.as === undefined && format.encoding === 'json' && !pretty) {
    sendText(call.reply, status, 'application/json', made.text);
  } else {
    sendObject(call.reply, status, shaped(call, answer as KubeObject));
  }
}

function shaped({ reply, route, clock, query }: Call, object: KubeObject): object {
  const { as } = reply.format;
  // Only the kind's own objects have a table; a Status or a Scale is answered as it is.
  if (as === undefined || object.kind !== route.def.kind) return object;
  if (as !== 'Table') return partialOf(object);
  const { resourceVersion } = object.metadata;
  return tableOf(route.def, [object], { resourceVersion }, includeOf(query), clock.now());
}

async function sendPage(call: Call, items: readonly KubeObject[], metadata: object): Promise<void> {
  const { reply, route, clock, query } = call;
  const { as } = reply.format;
  if (as === 'Table') {
    return sendObject(reply, 200, tableOf(route.def, items, metadata, includeOf(query), clock.now()));
  }
  if (as !== undefined) {
    const head = { kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1', metadata };
    return sendList(reply, head, items.map(partialOf));
  }
  await sendList(reply, { kind: `${route.def.kind}List`, apiVersion: apiVersionOf(route.def), metadata }, items);
}

async function bodyOf(call: Call): Promise<unknown> {
  const body = await readBody(call.request);
  return parseBody(body, call.request.headers['content-type']);
}

const patchTypes: Readonly<Record<string, PatchBody['type']>> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
};

async function patchOf(call: Call): Promise<PatchBody> {
  const type = typeOf(call.request.headers['content-type']);
  const known = patchTypes[type];
  if (!known) throw unsupported(type, Object.keys(patchTypes));
  const body = await readBody(call.request);
  checkDepth(body.toString('latin1'));
  return { type: known, body: parseBody(body, 'application/json') };
}

/** From the body, when there is one, and from the URL, which only fills in what the body leaves open. */
async function deleteOptions(call: Call): Promise<DeleteOptions> {
  const { query, request } = call;
  const sent = await readBody(request);
  const body = sent.length === 0 ? {} : parseBody(sent, request.headers['content-type']);
  if (!isRecord(body)) throw badRequest('the body must be a DeleteOptions object');
  const { kind = 'DeleteOptions', apiVersion: _apiVersion, ...rest } = body;
  if (kind !== 'DeleteOptions') throw badRequest(`the body must be a DeleteOptions object, not a ${kind}`);
  const given = decodeMessage('k8s.io.apimachinery.pkg.apis.meta.v1.DeleteOptions', rest).object as DeleteOptions;
  const gracePeriodSeconds = count(query, 'gracePeriodSeconds');
  const propagationPolicy = query.get('propagationPolicy') ?? undefined;
  return {
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    ...(propagationPolicy ? { propagationPolicy } : {}),
    ...(query.has('orphanDependents') ? { orphanDependents: flag(query, 'orphanDependents') } : {}),
    ...(query.has('dryRun') ? { dryRun: query.getAll('dryRun') } : {}),
    ...given,
  };
}

function mutateOptions(query: URLSearchParams): MutateOptions | undefined {
  if (query.size === 0) return undefined;
  const dryRun = query.get('dryRun') ?? '';
  if (dryRun !== '' && dryRun !== 'All') throw badRequest(`Invalid value: "${dryRun}": supported values: "All"`);
  const validation = query.get('fieldValidation') || 'Warn';
  if (validation !== 'Strict' && validation !== 'Warn' && validation !== 'Ignore') {
    throw badRequest(
      `fieldValidation: Unsupported value: "${validation}": supported values: "Ignore", "Strict", "Warn"`,
    );
  }
  return {
    dryRun: dryRun === 'All',
    fieldManager: query.get('fieldManager') ?? undefined,
    fieldValidation: validation,
  };
}

function listQuery({ query, route }: Call): ListQuery {
  return {
    entry: route.def,
    namespace: route.namespace,
    labelSelector: query.get('labelSelector') ?? undefined,
    fieldSelector: query.get('fieldSelector') ?? undefined,
    limit: count(query, 'limit'),
    continue: query.get('continue') || undefined,
    resourceVersion: query.get('resourceVersion') ?? undefined,
    resourceVersionMatch: query.get('resourceVersionMatch') ?? undefined,
  };
}

function logQuery(query: URLSearchParams): LogQuery {
  return {
    container: query.get('container') ?? undefined,
    follow: flag(query, 'follow'),
    previous: flag(query, 'previous'),
    timestamps: flag(query, 'timestamps'),
    sinceSeconds: count(query, 'sinceSeconds'),
    sinceTime: query.get('sinceTime') ?? undefined,
    tailLines: count(query, 'tailLines'),
    limitBytes: count(query, 'limitBytes'),
  };
}

function includeOf(query: URLSearchParams): Include {
  const include = query.get('includeObject');
  return include === 'None' || include === 'Object' ? include : 'Metadata';
}

function flag(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  return value !== null && value !== 'false' && value !== '0';
}

function count(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new ApiError('BadRequest', `${name}: Invalid value: ${JSON.stringify(text)}: must be a non-negative integer`);
  }
  return value;
}
