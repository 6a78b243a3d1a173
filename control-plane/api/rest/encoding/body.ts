import type { IncomingMessage } from 'node:http';
import { ApiError, messageOf } from '../../../../shared/errors.ts';
import { parseExactly } from '../../../../shared/schema/exact-numbers.ts';
import { boundValues } from '../../../../shared/schema/values.ts';
import { readYaml } from '../../../../shared/schema/yaml.ts';
import { isYaml, mediaTypes, protobufType } from './negotiate.ts';
import { decodeProtobuf } from './protobuf.ts';

/** The largest body, in bytes: Kubernetes' own limit. */
export const maxBody = 3 * 1024 * 1024;

/** The whole body. Throws RequestEntityTooLarge beyond `maxBody` bytes, and BadRequest when the client leaves before its end. */
export function readBody(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (Number(request.headers['content-length'] ?? 0) > maxBody) return reject(tooLarge());
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBody) reject(tooLarge());
      else chunks.push(chunk);
    });
    request.on('end', () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
    request.on('error', reject);
    request.on('close', () => {
      if (!request.complete) reject(new ApiError('BadRequest', 'the body was cut short'));
    });
  });
}

/** Parses JSON, YAML or Kubernetes' protobuf by the content type. Throws BadRequest, UnsupportedMediaType or RequestEntityTooLarge. */
export function parseBody(body: Buffer, contentType: string | undefined): unknown {
  const type = typeOf(contentType);
  if (type === protobufType) return decodeProtobuf(body);
  const text = body.toString('utf8');
  try {
    // The media types of HTML forms are refused: another site's page could post one with the certificate of a browser.
    if (type === 'application/json' || type === '') {
      boundValues(text);
      return parseExactly(text);
    }
    if (isYaml(type)) return readYaml(text).value;
  } catch (error) {
    if (error instanceof ApiError) throw error;
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

/** The media type of a body without parameters; JSON by default. */
export function typeOf(contentType: string | undefined): string {
  if (contentType === undefined || contentType === 'application/json') return 'application/json';
  return mediaTypes(contentType)[0]?.type ?? '';
}

function tooLarge(): ApiError {
  return new ApiError('RequestEntityTooLarge', `Request entity too large: limit is ${maxBody}`);
}
