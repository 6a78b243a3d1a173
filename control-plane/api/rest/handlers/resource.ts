import type { DeleteOptions, Status } from '../../../../shared/generated/types.ts';
import type { KubeObject } from '../../../../shared/object.ts';
import { isRecord } from '../../../../shared/records.ts';
import type { LogQuery, Target, WriteResult } from '../../api.ts';
import { readDeleteOptions } from '../../requests/delete.ts';
import { badRequest, notAllowed } from '../../requests/refusals.ts';
import { parseBody, readBody } from '../encoding/body.ts';
import { representObject } from '../encoding/representation.ts';
import { serveProxy } from '../proxy/serve.ts';
import { count, flag, integer } from '../request-info/parameters.ts';
import { isStream } from '../request-info/route.ts';
import { streamLog, withFirst } from '../responses/log-stream.ts';
import { sendBody, sendObject } from '../responses/respond.ts';
import { serveStream } from '../streams/connect.ts';
import { logOverWebSocket } from '../streams/log-websocket.ts';
import { wayOf } from '../streams/options.ts';
import type { Call } from './call.ts';
import { getCollection, listQuery, representationFor, sendPage } from './collection.ts';
import { readPatch, readWriting } from './write-body.ts';

/** Chooses the handler by the method, and by whether the URL names an object or a collection. */
export async function serveResource(call: Call): Promise<void> {
  const { request, route } = call;
  const { def, name, subresource } = route;
  const method = request.method ?? 'GET';
  const target = name === undefined ? undefined : { entry: def, ...route, name };
  if (target && isStream(subresource)) return serveStream(call, target);
  if (target && subresource === 'proxy') return serveProxy(call, target);
  const onObject = objectMethods[method];
  const onCollection = collectionMethods[method];
  if (target && onObject) return onObject(call, target);
  if (!target && onCollection) return onCollection(call);
  throw notAllowed();
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
    const { upgrade } = call;
    const chunks = await call.api.logs(call.context, target, logQuery(call.query));
    return withFirst(chunks, call.clock, (source, first) =>
      upgrade && wayOf(call.request.headers) === 'websocket'
        ? logOverWebSocket({ ...call, upgrade }, source, first)
        : streamLog(call.response, call.clock, call.context.signal, source, first),
    );
  }
  const resourceVersion = call.query.get('resourceVersion') ?? undefined;
  send(call, 200, await call.api.get(call.context, { ...target, resourceVersion }));
}

async function createObject(call: Call): Promise<void> {
  const { def, namespace } = call.route;
  const { body, options } = await readWriting(call.request, call.query, 'CreateOptions');
  sendResult(call, await call.api.create(call.context, { entry: def, namespace }, body, options));
}

async function createSubresource(call: Call, target: Target): Promise<void> {
  const { body, options } = await readWriting(call.request, call.query, 'CreateOptions');
  sendResult(call, await call.api.create(call.context, target, body, options));
}

async function putObject(call: Call, target: Target): Promise<void> {
  const { body, options } = await readWriting(call.request, call.query, 'UpdateOptions');
  sendResult(call, await call.api.update(call.context, target, body, options));
}

async function patchObject(call: Call, target: Target): Promise<void> {
  const { body, options } = await readPatch(call.request, call.query);
  sendResult(call, await call.api.patch(call.context, target, body, options));
}

async function deleteObject(call: Call, target: Target): Promise<void> {
  const options = await deleteOptions(call);
  sendResult(call, await call.api.delete(call.context, target, options));
}

async function deleteCollection(call: Call): Promise<void> {
  const options = await deleteOptions(call);
  const page = await call.api.deleteCollection(call.context, listQuery(call.query, call.route), options);
  await sendPage(call, page, { resourceVersion: page.resourceVersion });
}

const codes = { created: 201, updated: 200, deleting: 200, accepted: 202, deleted: 200 } as const;

function sendResult(call: Call, { object, outcome, text }: WriteResult): void {
  const { format, pretty } = call.reply;
  if (text !== undefined && format.as === undefined && format.encoding === 'json' && !pretty) {
    sendBody(call.reply, codes[outcome], 'application/json', text);
  } else {
    send(call, codes[outcome], object);
  }
}

/** Sends an object or a Status in the representation that the client accepts. */
function send(call: Call, status: number, answer: KubeObject | Status): void {
  sendObject(call.reply, status, representObject(representationFor(call), answer as KubeObject));
}

/** DeleteOptions from the body if there is one, else from the URL, as in Kubernetes. */
async function deleteOptions(call: Call): Promise<DeleteOptions> {
  const { query, request } = call;
  const sent = await readBody(request);
  if (sent.length === 0) return query.size === 0 ? {} : queriedDeleteOptions(query);
  const body = parseBody(sent, request.headers['content-type']);
  if (!isRecord(body)) throw badRequest('the body must be a DeleteOptions object');
  const { kind = 'DeleteOptions' } = body;
  if (kind !== 'DeleteOptions') throw badRequest(`the body must be a DeleteOptions object, not a ${kind}`);
  return readDeleteOptions(body);
}

function queriedDeleteOptions(query: URLSearchParams): DeleteOptions {
  const gracePeriodSeconds = integer(query, 'gracePeriodSeconds');
  const propagationPolicy = query.get('propagationPolicy');
  return {
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    ...(propagationPolicy ? { propagationPolicy } : {}),
    ...(query.has('orphanDependents') ? { orphanDependents: flag(query, 'orphanDependents') } : {}),
    ...(query.has('dryRun') ? { dryRun: query.getAll('dryRun') } : {}),
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
