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
    decode: (bytes) => checked(type, type.toObject(type.decode(bytes), { longs: Number })) as T,
  };
}

/** Throws RangeError for an integer of more than 53 bits: it has become another. */
function checked(type: protobuf.Type, object: Record<string, unknown>): Record<string, unknown> {
  for (const field of longsOf(type)) {
    const value = object[field.name];
    if (value === undefined) continue;
    const numbers = Array.isArray(value) ? value : [value];
    if (!numbers.every((one) => Number.isSafeInteger(one))) {
      throw new RangeError(`field ${field.name}: an integer of more than 53 bits`);
    }
  }
  return object;
}

const longs = new WeakMap<protobuf.Type, readonly protobuf.Field[]>();

/** The message's own fields of 64 bits. */
function longsOf(type: protobuf.Type): readonly protobuf.Field[] {
  let known = longs.get(type);
  if (!known) {
    known = type.fieldsArray.filter((field) => /64$/.test(field.type) && !field.map);
    longs.set(type, known);
  }
  return known;
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
