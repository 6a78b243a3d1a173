import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { constants, createGzip, gzipSync } from 'node:zlib';
import { stringify as toYaml } from 'yaml';
import { ApiError, messageOf, reasons } from '../../../shared/errors.ts';
import type { RequestContext } from '../api.ts';
import { contentTypes, type Encoding, type Format } from './negotiate.ts';
import { encodeItem, encodeList, encodeProtobuf } from './protobuf.ts';
import { PageNotFound } from './route.ts';

/** Answers shorter than this (bytes) cost more to compress than to send. */
const gzipFrom = 128 * 1024;
/** Compression at a level that keeps up with the writer. */
const gzipOptions = { level: constants.Z_BEST_SPEED };
/** Items of a list that are written at a time, so that others' requests are served in between; YAML is slow. */
const itemsAtOnce: Readonly<Record<Encoding, number>> = { json: 250, yaml: 10, protobuf: 250 };

/** How the answer to one request is written. */
export interface Reply {
  readonly response: ServerResponse;
  readonly format: Format;
  readonly pretty: boolean;
  readonly gzip: boolean;
  readonly context: Pick<RequestContext, 'warnings' | 'signal'>;
}

/** What a list says of itself, the name of its list, and what each item is in it: itself, when nothing is said. */
export interface ListForm<T> {
  readonly head: object;
  readonly field: string;
  readonly shape?: (item: T) => object;
}

/** Throws NotAcceptable when the client asked for an encoding that the object has not. */
export function sendObject(reply: Reply, status: number, object: object): void {
  const { encoding } = reply.format;
  sendBody(reply, status, contentTypes[encoding], encoded(object, encoding, reply.pretty));
}

export function sendBody(reply: Reply, status: number, type: string, content: string | Uint8Array): void {
  const { response, gzip } = reply;
  let body = content;
  const headers = headersOf(reply, type);
  if (gzip && content.length >= gzipFrom) {
    body = gzipSync(content, gzipOptions);
    headers['Content-Encoding'] = 'gzip';
    headers.Vary = 'Accept-Encoding';
  }
  headers['Content-Length'] = Buffer.byteLength(body);
  response.writeHead(status, headers);
  response.end(body);
}

/** A list, item by item, so that a large one neither stands in memory as one text nor holds up the process. */
export async function sendList<T extends object>(reply: Reply, form: ListForm<T>, items: readonly T[]): Promise<void> {
  const { encoding } = reply.format;
  const { head, field, shape } = form;
  if (items.length <= itemsAtOnce[encoding]) {
    const shown = shape ? items.map(shape) : items;
    if (encoding !== 'protobuf') return sendObject(reply, 200, { ...head, [field]: shown });
    return sendBody(reply, 200, contentTypes[encoding], Buffer.concat(encodeList(head, shown.map(encodeItem))));
  }
  const { response, context } = reply;
  // The parts of a protobuf message begin with their length: all are made before the first is sent.
  const parts = encoding === 'protobuf' ? await protobufParts(reply, form, items) : textParts(reply, form, items);
  const headers = headersOf(reply, contentTypes[encoding]);
  if (reply.gzip) Object.assign(headers, { 'Content-Encoding': 'gzip', Vary: 'Accept-Encoding' });
  response.writeHead(200, headers);
  const out = reply.gzip ? createGzip(gzipOptions) : response;
  if (out !== response) out.pipe(response);
  for (const part of parts) {
    context.signal.throwIfAborted();
    if (!out.write(part)) await once(out, 'drain', { signal: context.signal });
    else await aside();
  }
  out.end();
}

/** Any failure as a `Status`. Once an answer has begun it can only be cut off. */
export function sendError(reply: Reply, error: unknown): void {
  if (reply.response.headersSent || reply.response.destroyed) {
    reply.response.destroy();
    return;
  }
  if (error instanceof PageNotFound) {
    reply.response.setHeader('X-Content-Type-Options', 'nosniff');
    sendBody(reply, 404, 'text/plain; charset=utf-8', `${error.message}\n`);
    return;
  }
  const known = toApiError(error);
  const { retryAfterSeconds } = known.details;
  if (retryAfterSeconds !== undefined) reply.response.setHeader('Retry-After', retryAfterSeconds);
  const format: Format = { encoding: reply.format.encoding };
  sendObject({ ...reply, format }, reasons[known.reason].http, known.toStatus());
}

/** What a client may know of a failure: what is no ApiError is a fault of ours. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  return new ApiError('InternalError', `Internal error occurred: ${messageOf(error)}`, {}, { cause: error });
}

export function encoded(object: object, encoding: Encoding, pretty = false): string | Uint8Array {
  switch (encoding) {
    case 'protobuf':
      return encodeProtobuf(object);
    case 'yaml':
      return toYaml(object, { aliasDuplicateObjects: false });
    case 'json':
      return `${JSON.stringify(object, null, pretty ? 2 : undefined)}\n`;
  }
}

/** A list's text in pieces of a bearable size, each made when it is asked for. */
function* textParts<T extends object>(
  { format, pretty }: Reply,
  { head, field, shape = (item) => item }: ListForm<T>,
  items: readonly T[],
): Generator<string> {
  const atOnce = itemsAtOnce[format.encoding];
  const yaml = format.encoding === 'yaml';
  const separator = pretty ? ',\n' : ',';
  const begin = JSON.stringify(head, null, pretty ? 2 : undefined);
  yield yaml
    ? `${toYaml(head)}${field}:\n`
    : pretty
      ? `${begin.slice(0, -2)},\n  "${field}": [\n`
      : `${begin.slice(0, -1)},"${field}":[`;
  for (let at = 0; at < items.length; at += atOnce) {
    let text = '';
    for (const [index, item] of items.slice(at, at + atOnce).entries()) {
      const shown = shape(item);
      if (yaml) text += indented(toYaml(shown, { aliasDuplicateObjects: false }), '  ').replace(/^ /, '-');
      else if (at + index > 0) text += separator;
      if (!yaml) text += pretty ? indented(JSON.stringify(shown, null, 2), '    ') : JSON.stringify(shown);
    }
    yield text;
  }
  if (!yaml) yield pretty ? '\n  ]\n}\n' : ']}\n';
}

/** Every line that has something further in. */
function indented(text: string, by: string): string {
  return text.replace(/^(?=.)/gm, by);
}

async function protobufParts<T extends object>(
  reply: Reply,
  { head, shape = (item) => item }: ListForm<T>,
  items: readonly T[],
): Promise<Uint8Array[]> {
  const made: Uint8Array[] = [];
  for (const [index, item] of items.entries()) {
    made.push(encodeItem(shape(item)));
    if (index % itemsAtOnce.protobuf !== itemsAtOnce.protobuf - 1) continue;
    await aside();
    reply.context.signal.throwIfAborted();
  }
  const parts = encodeList(head, made);
  const joined: Uint8Array[] = [];
  for (let at = 0; at < parts.length; at += 2 * itemsAtOnce.protobuf) {
    joined.push(Buffer.concat(parts.slice(at, at + 2 * itemsAtOnce.protobuf)));
  }
  return joined;
}

/** Lets others' requests go first. */
function aside(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function headersOf({ response, context }: Reply, type: string): Record<string, string | number | string[]> {
  const headers: Record<string, string | number | string[]> = { 'Content-Type': type };
  if (!response.hasHeader('Cache-Control')) headers['Cache-Control'] = 'no-cache, private';
  if (context.warnings.length > 0) headers.Warning = warningHeaders(context.warnings);
  return headers;
}

/** RFC 9110's deprecated but ever used field: `299 - "text"`. */
function warningHeaders(warnings: readonly string[]): string[] {
  return warnings.slice(0, 50).map((text) => {
    // Header fields take Latin-1 without control characters only.
    const safe = text.slice(0, 1_000).replace(/[^\x20-\x7e]/g, '?');
    return `299 - ${JSON.stringify(safe)}`;
  });
}
