import type { IncomingMessage } from 'node:http';
import { parse as parseYaml } from 'yaml';
import { ApiError, messageOf } from '../../../shared/errors.ts';
import { isYaml, mediaTypes } from './negotiate.ts';
import { decodeProtobuf, protobufType } from './protobuf.ts';

/** The largest body, in bytes: Kubernetes' own limit. */
export const maxBody = 3 * 1024 * 1024;
/** The deepest nesting of a body; no object comes near it. */
const maxDepth = 256;

/** The whole body. Throws RequestEntityTooLarge beyond `maxBody` bytes. */
export function readBody(request: IncomingMessage, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const announced = Number(request.headers['content-length'] ?? 0);
    if (announced > maxBody) return reject(tooLarge());
    const chunks: Buffer[] = [];
    let size = 0;
    const end = (error?: unknown): void => {
      signal.removeEventListener('abort', onAbort);
      request.off('data', onData).off('end', onEnd).off('error', onError);
      if (error !== undefined) reject(error);
      else resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks));
    };
    const onAbort = (): void => end(signal.reason);
    const onEnd = (): void => end();
    const onError = (error: Error): void => end(error);
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > maxBody) end(tooLarge());
      else chunks.push(chunk);
    };
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    request.on('data', onData).on('end', onEnd).on('error', onError);
  });
}

/** Parses JSON, YAML or Kubernetes' protobuf, as the content type says. Throws BadRequest or UnsupportedMediaType. */
export function parseBody(body: Buffer, contentType: string | undefined): unknown {
  const type = contentType === undefined ? 'application/json' : (mediaTypes(contentType)[0]?.type ?? '');
  if (type === protobufType) return decodeProtobuf(body);
  const text = body.toString('utf8');
  checkDepth(text);
  try {
    // A form's type is what simple tools send when told nothing.
    if (type === 'application/json' || type === '' || type === 'application/x-www-form-urlencoded') {
      return JSON.parse(text);
    }
    if (isYaml(type)) return parseYaml(text, { maxAliasCount: 100 });
  } catch (error) {
    throw new ApiError('BadRequest', `error decoding the body: ${messageOf(error)}`, {}, { cause: error });
  }
  throw unsupported(type, ['application/json', 'application/yaml', protobufType]);
}

export function unsupported(type: string, supported: readonly string[]): ApiError {
  return new ApiError(
    'UnsupportedMediaType',
    `the body of the request was in an unknown format (${type}) - accepted media types include: ${supported.join(', ')}`,
  );
}

/** Refuses nesting that could exhaust the stack of what walks the value later. */
function checkDepth(text: string): void {
  if (text.length < 2 * maxDepth) return;
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (quoted) {
      if (code === 0x5c) i++;
      else if (code === 0x22) quoted = false;
    } else if (code === 0x22) {
      quoted = true;
    } else if (code === 0x7b || code === 0x5b) {
      if (++depth > maxDepth) throw new ApiError('BadRequest', `the body is nested deeper than ${maxDepth} levels`);
    } else if (code === 0x7d || code === 0x5d) {
      depth--;
    }
  }
}

function tooLarge(): ApiError {
  return new ApiError('RequestEntityTooLarge', `Request entity too large: limit is ${maxBody}`);
}
