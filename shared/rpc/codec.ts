import type { MethodDefinition } from '@grpc/grpc-js';
import type protobuf from 'protobufjs';

/** A message's bytes and back. */
export interface Codec<T> {
  encode(value: T): Buffer;
  /** Throws when the bytes are not such a message. */
  decode(bytes: Uint8Array): T;
}

export function messageCodec<T>(type: protobuf.Type): Codec<T> {
  return {
    encode: (value) => toBuffer(type.encode(value as Record<string, unknown>).finish()),
    decode: (bytes) => type.toObject(type.decode(bytes), { longs: Number }) as T,
  };
}

export function define<Request, Response>(
  service: string,
  method: protobuf.Method,
  request: Codec<Request>,
  response: Codec<Response>,
): MethodDefinition<Request, Response> {
  return {
    path: `/${service}/${method.name}`,
    requestStream: method.requestStream === true,
    responseStream: method.responseStream === true,
    requestSerialize: request.encode,
    requestDeserialize: request.decode,
    responseSerialize: response.encode,
    responseDeserialize: response.decode,
  };
}

export function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
