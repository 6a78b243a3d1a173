import type { ServerResponse } from 'node:http';
import { constants, gzipSync } from 'node:zlib';
import { ApiError, messageOf, reasons } from '../../../../shared/errors.ts';
import type { RequestContext } from '../../api.ts';
import { contentTypes, type Format } from '../encoding/negotiate.ts';
import { encoded } from '../encoding/texts.ts';
import { PageNotFound } from '../request-info/route.ts';

/** Answers shorter than this (bytes) cost more to compress than to send. */
const gzipFrom = 128 * 1024;
/** A level of compression that is as fast as the encoding. */
export const gzipOptions = { level: constants.Z_BEST_SPEED };

/** How the answer to one request is written. */
export interface Reply {
  readonly response: ServerResponse;
  readonly format: Format;
  readonly pretty: boolean;
  readonly gzip: boolean;
  readonly context: Pick<RequestContext, 'warnings' | 'signal'>;
}

/** Throws NotAcceptable when the object has no form in the encoding. */
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

/** Answers a failure with a `Status`. Once an answer has begun, the connection is cut instead. */
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
  const refusal = toApiError(error);
  const { retryAfterSeconds } = refusal.details;
  if (retryAfterSeconds !== undefined) reply.response.setHeader('Retry-After', retryAfterSeconds);
  const format: Format = { encoding: reply.format.encoding };
  sendObject({ ...reply, format }, reasons[refusal.reason].http, refusal.toStatus());
}

/** The error that a client is sent: InternalError for an unexpected one. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  return new ApiError('InternalError', `Internal error occurred: ${messageOf(error)}`, {}, { cause: error });
}

/** The header fields of an answer of `type`. */
export function headersOf({ response, context }: Reply, type: string): Record<string, string | number | string[]> {
  const headers: Record<string, string | number | string[]> = { 'Content-Type': type };
  if (!response.hasHeader('Cache-Control')) headers['Cache-Control'] = 'no-cache, private';
  if (context.warnings.length > 0) headers.Warning = warningHeaders(context.warnings);
  return headers;
}

/** Values of the Warning field (RFC 7234, section 5.5): `299 - "text"`. */
function warningHeaders(warnings: readonly string[]): string[] {
  return warnings.slice(0, 50).map((text) => {
    // Header fields take Latin-1 without control characters only.
    const safe = text.slice(0, 1_000).replace(/[^\x20-\x7e]/g, '?');
    return `299 - ${JSON.stringify(safe)}`;
  });
}
