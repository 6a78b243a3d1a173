import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { constants, createGzip, gzipSync } from 'node:zlib';
import { stringify as toYaml } from 'yaml';
import { ApiError, messageOf, reasons } from '../../../shared/errors.ts';
import type { RequestContext } from '../api.ts';
import type { Format } from './negotiate.ts';

/** Answers shorter than this (bytes) cost more to compress than to send. */
const gzipFrom = 128 * 1024;
/** Compression at a level that keeps up with the writer. */
const gzipOptions = { level: constants.Z_BEST_SPEED };
/** Items of a list that are written at a time, so that others' requests are served in between. */
const itemsAtOnce = 250;

/** How the answer to one request is written. */
export interface Reply {
  readonly response: ServerResponse;
  readonly format: Format;
  readonly pretty: boolean;
  readonly gzip: boolean;
  readonly context: Pick<RequestContext, 'warnings' | 'signal'>;
}

export function sendObject(reply: Reply, status: number, object: unknown): void {
  const { format, pretty } = reply;
  const text =
    format.encoding === 'yaml'
      ? toYaml(object, { aliasDuplicateObjects: false })
      : `${JSON.stringify(object, null, pretty ? 2 : undefined)}\n`;
  sendText(reply, status, format.encoding === 'yaml' ? 'application/yaml' : 'application/json', text);
}

export function sendText(reply: Reply, status: number, type: string, text: string): void {
  const { response, gzip } = reply;
  let body: Buffer | string = text;
  const headers: Record<string, string | number | string[]> = { 'Content-Type': type };
  if (gzip && text.length >= gzipFrom) {
    body = gzipSync(text, gzipOptions);
    headers['Content-Encoding'] = 'gzip';
  }
  headers['Content-Length'] = Buffer.byteLength(body);
  const { warnings } = reply.context;
  if (warnings.length > 0) headers.Warning = warningHeaders(warnings);
  response.writeHead(status, headers);
  response.end(body);
}

/** A list, item by item, so that a large one neither stands in memory as one text nor holds up the process. */
export async function sendList(reply: Reply, head: object, items: readonly unknown[]): Promise<void> {
  if (items.length <= itemsAtOnce || reply.pretty || reply.format.encoding === 'yaml') {
    sendObject(reply, 200, { ...head, items });
    return;
  }
  const { response, context } = reply;
  response.writeHead(200, {
    'Content-Type': 'application/json',
    ...(reply.gzip ? { 'Content-Encoding': 'gzip' } : {}),
    ...(context.warnings.length > 0 ? { Warning: warningHeaders(context.warnings) } : {}),
  });
  const out = reply.gzip ? createGzip(gzipOptions) : response;
  if (out !== response) out.pipe(response);
  let text = `${JSON.stringify(head).slice(0, -1)},"items":[`;
  for (let at = 0; at < items.length; at += itemsAtOnce) {
    context.signal.throwIfAborted();
    for (let i = at; i < Math.min(at + itemsAtOnce, items.length); i++)
      text += (i > 0 ? ',' : '') + JSON.stringify(items[i]);
    const ready = out.write(text);
    text = '';
    if (!ready) await once(out, 'drain', { signal: context.signal });
    else await new Promise<void>((resolve) => setImmediate(resolve));
  }
  out.end(']}\n');
}

/** Any failure as a `Status`. Once an answer has begun it can only be cut off. */
export function sendError(reply: Reply, error: unknown): void {
  if (reply.response.headersSent || reply.response.destroyed) {
    reply.response.destroy();
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

/** RFC 9110's deprecated but ever used field: `299 - "text"`. */
function warningHeaders(warnings: readonly string[]): string[] {
  return warnings.slice(0, 50).map((text) => {
    // Header fields take Latin-1 without control characters only.
    const safe = text.slice(0, 1_000).replace(/[^\x20-\x7e]/g, '?');
    return `299 - ${JSON.stringify(safe)}`;
  });
}
