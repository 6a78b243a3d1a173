import type { KubeObject } from '../../../../shared/object.ts';
import type { ApiWatchEvent, ListPage, ListQuery } from '../../api.ts';
import { contentTypes, notAcceptable } from '../encoding/negotiate.ts';
import { encodeFrame, encodeProtobuf } from '../encoding/protobuf.ts';
import { includeOf, pageForm, type Representation, representEvent } from '../encoding/representation.ts';
import { type Chunk, joined, jsonParts } from '../encoding/texts.ts';
import { flag, integer } from '../request-info/parameters.ts';
import { sendList } from '../responses/send-list.ts';
import { streamWatch } from '../responses/watch-stream.ts';
import type { Call } from './call.ts';

/** The longest timeout of a watch; half of it is the default. A watch that ends lets its client connect to another server. */
const longestWatchSeconds = 3600;
/** The media types of a watch: YAML has no framing. */
const streamed = [contentTypes.json, contentTypes.protobuf];

/** GET of a collection: a list, or a watch. */
export async function getCollection(call: Call): Promise<void> {
  const query = listQuery(call.query, call.route);
  if (flag(call.query, 'watch')) return watchCollection(call, query);
  const page = await call.api.list(call.context, query);
  await sendPage(call, page, {
    resourceVersion: page.resourceVersion,
    ...(page.continue ? { continue: page.continue } : {}),
    ...(page.remainingItemCount === undefined ? {} : { remainingItemCount: page.remainingItemCount }),
  });
}

export function sendPage(call: Call, { items, served }: ListPage, metadata: object): Promise<void> {
  const form = pageForm(representationFor(call), metadata);
  const { shape } = form;
  const both = served && shape ? (object: KubeObject) => shape(served(object)) : (shape ?? served);
  return sendList(call.reply, call.clock, { ...form, ...(both ? { shape: both } : {}) }, items);
}

export function representationFor({ reply, route, query, clock }: Call): Representation {
  return {
    format: reply.format,
    def: route.def,
    include: reply.format.as === 'Table' ? includeOf(query) : 'None',
    now: clock.now(),
  };
}

export function listQuery(query: URLSearchParams, { def, namespace }: Call['route']): ListQuery {
  return {
    entry: def,
    namespace,
    labelSelector: query.get('labelSelector') ?? undefined,
    fieldSelector: query.get('fieldSelector') ?? undefined,
    // A negative limit is no limit, as in Kubernetes.
    limit: Math.max(0, integer(query, 'limit') ?? 0) || undefined,
    continue: query.get('continue') || undefined,
    resourceVersion: query.get('resourceVersion') ?? undefined,
    resourceVersionMatch: query.get('resourceVersionMatch') || undefined,
    sendInitialEvents: query.has('sendInitialEvents') ? flag(query, 'sendInitialEvents') : undefined,
  };
}

async function watchCollection(call: Call, query: ListQuery): Promise<void> {
  const { api, clock, context, response, reply } = call;
  if (reply.format.encoding === 'yaml') throw notAcceptable(streamed.map((type) => `${type};stream=watch`));
  const timeoutSeconds = integer(call.query, 'timeoutSeconds') || longestWatchSeconds / 2;
  const events = api.watch(context, {
    ...query,
    allowBookmarks: flag(call.query, 'allowWatchBookmarks'),
    // A timeout of zero or less ends the watch at once.
    timeoutSeconds: Math.max(0.001, Math.min(timeoutSeconds, longestWatchSeconds)),
  });
  const protobuf = reply.format.encoding === 'protobuf';
  const encode = objectEncoder(call);
  const frame = (type: string, object: Chunk): Chunk =>
    protobuf ? encodeFrame(type, object as Uint8Array) : joined([`{"type":"${type}","object":`, object, '}\n']);
  await streamWatch(
    {
      response,
      clock,
      signal: context.signal,
      contentType: protobuf ? `${contentTypes.protobuf};stream=watch` : contentTypes.json,
      encode: (event) => frame(event.type, encode(event)),
      encodeError: (status) => frame('ERROR', protobuf ? encodeProtobuf(status) : JSON.stringify(status)),
    },
    events,
  );
}

/** Encodes an event's object. Encodings are shared by watchers, but for Tables, which show ages, and bookmarks, which differ by watcher. */
function objectEncoder(call: Call): (event: ApiWatchEvent) => Chunk {
  const { encodings, reply, clock } = call;
  const { as, version = '', encoding } = reply.format;
  const representation = representationFor(call);
  const encode = (object: object) => (encoding === 'protobuf' ? encodeProtobuf(object) : joined(jsonParts(object)));
  const form = `${encoding} ${as ?? ''} ${version}`;
  let first = true;
  return ({ type, object }) => {
    const bookmark = type === 'BOOKMARK';
    const shown = () => representEvent({ ...representation, now: clock.now() }, object, bookmark, first);
    if (bookmark || as === 'Table') {
      const made = encode(shown());
      first = false;
      return made;
    }
    return encodings.get(object, form, () => encode(shown()));
  };
}
