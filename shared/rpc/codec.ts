import type { MethodDefinition } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { tooManyInBody } from '../schema/values.ts';

/** Encodes and decodes a message. */
export interface Codec<T> {
  encode(value: T): Buffer;
  /** Throws if the bytes are not such a message. */
  decode(bytes: Uint8Array): T;
}

/**
 * `maxFields`: the most fields, at all levels, of a message that is decoded; more are refused with RequestEntityTooLarge before any is
 * read. Absent: no limit, for messages of servers.
 */
export function messageCodec<T>(type: protobuf.Type, maxFields?: number): Codec<T> {
  return {
    encode: (value) => toBuffer(type.encode(value as Record<string, unknown>).finish()),
    decode(bytes) {
      if (maxFields !== undefined) boundFields(type, bytes, maxFields);
      return checked(type, type.toObject(type.decode(bytes), { longs: Number })) as T;
    },
  };
}

/** Bounds memory: an empty message in a list takes two bytes on the wire and a hundred when decoded. */
function boundFields(type: protobuf.Type, bytes: Uint8Array, most: number): void {
  if (bytes.length <= most) return;
  const reader = protobuf.Reader.create(bytes);
  let left = most;
  const walk = (of: protobuf.Type, end: number): void => {
    while (reader.pos < end) {
      const key = reader.uint32();
      const field = of.fieldsById[key >>> 3];
      if (--left < 0) throw tooManyInBody();
      if ((key & 7) !== 2) {
        reader.skipType(key & 7);
        continue;
      }
      const length = reader.uint32();
      const inner = field && !field.map ? field.resolvedType : null;
      if (inner instanceof protobuf.Type) walk(inner, Math.min(end, reader.pos + length));
      else {
        // Numbers of a list may be packed, a byte each.
        if (field?.repeated && field.type !== 'string' && field.type !== 'bytes') left -= length;
        reader.skip(length);
      }
    }
  };
  walk(type, reader.len);
}

/** Throws RangeError for an integer of more than 53 bits, which a number cannot hold. */
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

/** The 64-bit fields of a message, without those of inner messages. */
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
