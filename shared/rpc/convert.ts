import protobuf from 'protobufjs';
import { ApiError } from '../errors.ts';
import { messages } from '../generated/schema.ts';
import { apiVersionOf } from '../kinds/names.ts';
import type { KindEntry } from '../kinds/table.ts';
import type { KubeObject } from '../object.ts';
import type { FieldSchema } from '../schema/proto/message.ts';
import { tooManyInBody } from '../schema/values.ts';
import {
  type Bounded,
  fail,
  inexact,
  scalarValues,
  skipField,
  specialValues,
  tag,
  text,
  type ValueCodec,
} from './values.ts';

/**
 * Kubernetes' JSON ↔ its protobuf messages, for every message under `k8s.io` and Coracle's own kinds. In JSON an int64 is a number
 * (exact to 2^53), bytes are base64, and some messages have a form of their own (`values.ts`). As on Kubernetes' wire, an empty list or
 * map equals an absent one, and so does a zero, except in fields with `presence`.
 */

/** The deepest nesting of messages: deeper than any object, and safe for the stack. */
const maxDepth = 100;

/** `message`: its full name. Fields that the message does not have, such as a kind's `apiVersion`, are left out. */
export function encodeObject(message: string, object: object): Uint8Array {
  const writer = protobuf.Writer.create();
  codecOf(message).write(writer, object as Json);
  return writer.finish();
}

/**
 * The bytes that Go's generated marshallers write, for clients of Kubernetes' protobuf: fields in the order of their numbers, maps in
 * that of their keys, with a value for every field whose Go type has no unset state (zeros, empty messages embedded by value).
 */
export function encodeWhole(message: string, object: object): Uint8Array {
  const writer = protobuf.Writer.create();
  codecOf(message).writeWhole(writer, object as Json);
  return writer.finish();
}

/** Whether there is a message of that full name. */
export function isMessage(message: string): boolean {
  return codecs.has(message);
}

/**
 * The message's JSON; for a kind without `apiVersion` and `kind`. Throws ApiError BadRequest if the bytes are not such a message,
 * RequestEntityTooLarge for more than `most` values.
 */
export function decodeObject(message: string, bytes: Uint8Array, most?: number): Record<string, unknown> {
  const reader: Bounded = protobuf.Reader.create(asBuffer(bytes));
  reader.left = most;
  return decoding(message, () => codecOf(message).read(reader, 0));
}

/** A stored object of a kind, with its `apiVersion` and `kind`. */
export function decodeKind(entry: KindEntry, bytes: Uint8Array, most?: number): KubeObject {
  const { metadata, ...rest } = decodeObject(entry.message, bytes, most);
  return {
    apiVersion: apiVersionOf(entry),
    kind: entry.kind,
    metadata: (metadata ?? {}) as KubeObject['metadata'],
    ...rest,
  };
}

type Json = Record<string, unknown>;

interface MessageCodec {
  write(writer: protobuf.Writer, object: Json): void;
  writeWhole(writer: protobuf.Writer, object: Json): void;
  /** To the end, or for `length` bytes; into `into` when given. */
  read(reader: protobuf.Reader, depth: number, length?: number, into?: Json): Json;
}

interface FieldCodec {
  readonly name: string;
  readonly number: number;
  readonly inline?: true;
  write(writer: protobuf.Writer, value: unknown): void;
  /** `value` may be absent; for an inline message it is the containing object. */
  writeWhole(writer: protobuf.Writer, value: unknown): void;
  read(reader: protobuf.Reader, wireType: number, into: Json, depth: number): void;
}

/** The value that Go's clients send for a field that is not set, unless it has `presence`. */
const zeros: Readonly<Record<string, unknown>> = { string: '', bool: false, int32: 0, int64: 0, double: 0, bytes: '' };

/** All messages, compiled once; they refer to one another, so each is filled in after all exist. */
const codecs: ReadonlyMap<string, MessageCodec> = compileAll();

function codecOf(message: string): MessageCodec {
  const codec = codecs.get(message);
  if (!codec) throw new Error(`no message ${message}`);
  return codec;
}

function compileAll(): Map<string, MessageCodec> {
  const all = new Map<string, MessageCodec>();
  for (const name of Object.keys(messages)) {
    if (!(name in specialValues)) all.set(name, { write: unfilled, writeWhole: unfilled, read: unfilled });
  }
  const valueCodec = (type: string): ValueCodec => {
    const simple = scalarValues[type] ?? specialValues[type];
    if (simple) return simple;
    const codec = all.get(type) ?? fail(`no message ${type}`);
    const writeWhole = (writer: protobuf.Writer, value: unknown): void => {
      codec.writeWhole(writer.fork(), value as Json);
      writer.ldelim();
    };
    return {
      wireType: 2,
      write: (writer, value) => {
        codec.write(writer.fork(), value as Json);
        writer.ldelim();
      },
      writeWhole,
      writeZero: (writer) => writeWhole(writer, {}),
      read: (reader, depth) => codec.read(reader, depth + 1, reader.uint32()),
    };
  };
  for (const [name, { fields }] of Object.entries(messages)) {
    const codec = all.get(name);
    if (codec) Object.assign(codec, compile(fields, all, valueCodec));
  }
  return all;
}

function compile(
  schemas: Readonly<Record<string, FieldSchema>>,
  all: ReadonlyMap<string, MessageCodec>,
  valueCodec: (type: string) => ValueCodec,
): MessageCodec {
  const byName = new Map<string, FieldCodec>();
  const byNumber = new Map<number, FieldCodec>();
  const inlines: FieldCodec[] = [];
  for (const [name, schema] of Object.entries(schemas)) {
    const codec = schema.inline
      ? inlineField(name, schema, all.get(schema.type) ?? fail(`no message ${schema.type}`))
      : field(name, schema, valueCodec(schema.type));
    byNumber.set(schema.number, codec);
    if (schema.inline) inlines.push(codec);
    else byName.set(name, codec);
  }
  const inOrder = [...byNumber.values()].sort((a, b) => a.number - b.number);
  return {
    write(writer, object) {
      for (const name in object) {
        const value = object[name];
        if (value !== undefined && value !== null) byName.get(name)?.write(writer, value);
      }
      for (const inline of inlines) inline.write(writer, object);
    },
    writeWhole(writer, object) {
      for (const codec of inOrder) {
        codec.writeWhole(writer, codec.inline ? object : (object[codec.name] ?? undefined));
      }
    },
    read(reader, depth, length, into = {}) {
      if (depth > maxDepth) fail(`nested deeper than ${maxDepth} messages`);
      const end = length === undefined ? reader.len : reader.pos + length;
      if (end > reader.len) fail('unexpected end');
      while (reader.pos < end) {
        const key = reader.uint32();
        spend(reader);
        const codec = byNumber.get(key >>> 3);
        if (codec) codec.read(reader, key & 7, into, depth);
        else skipField(reader, key);
      }
      if (reader.pos !== end) fail('a field crosses the end of its message');
      return into;
    },
  };
}

/** An inline message: in JSON its fields are those of the containing object. It is written only if it has some. */
function inlineField(name: string, { number, type }: FieldSchema, codec: MessageCodec): FieldCodec {
  const names = new Set(Object.keys(messages[type]?.fields ?? {}));
  const key = tag(number, 2);
  return {
    name,
    number,
    inline: true,
    write(writer, object) {
      for (const own in object as Json) {
        if (!names.has(own)) continue;
        codec.write(writer.uint32(key).fork(), object as Json);
        writer.ldelim();
        return;
      }
    },
    writeWhole(writer, object) {
      codec.writeWhole(writer.uint32(key).fork(), object as Json);
      writer.ldelim();
    },
    read(reader, wireType, into, depth) {
      expectWireType(name, wireType, 2);
      codec.read(reader, depth + 1, reader.uint32(), into);
    },
  };
}

function field(name: string, schema: FieldSchema, codec: ValueCodec): FieldCodec {
  const { repeated, map } = schema;
  if (map) return mapField(name, schema, codec);
  return repeated ? listField(name, schema, codec) : singleField(name, schema, codec);
}

function mapField(name: string, { number, type }: FieldSchema, codec: ValueCodec): FieldCodec {
  const key = tag(number, 2);
  const valueKey = tag(2, codec.wireType);
  const empty = type.endsWith('.Quantity') ? '0' : '';
  const writeEntry = (writer: protobuf.Writer, entry: string, write: (to: protobuf.Writer) => void): void => {
    write(writer.uint32(key).fork().uint32(tag(1, 2)).string(entry).uint32(valueKey));
    writer.ldelim();
  };
  return {
    name,
    number,
    write(writer, value) {
      const entries = value as Json;
      for (const entry in entries) writeEntry(writer, entry, (to) => codec.write(to, entries[entry]));
    },
    writeWhole(writer, value = {}) {
      const entries = value as Json;
      const write = codec.writeWhole ?? codec.write;
      for (const entry of Object.keys(entries).sort()) {
        const one = entries[entry] ?? undefined;
        writeEntry(writer, entry, (to) => (one === undefined ? codec.writeZero?.(to) : write(to, one)));
      }
    },
    read(reader, wireType, into, depth) {
      expectWireType(name, wireType, 2);
      into[name] ??= {};
      readEntry(reader, codec, into[name] as Json, empty, depth);
    },
  };
}

function listField(name: string, { number }: FieldSchema, codec: ValueCodec): FieldCodec {
  const key = tag(number, codec.wireType);
  return {
    name,
    number,
    write(writer, value) {
      for (const item of value as unknown[]) codec.write(writer.uint32(key), item);
    },
    writeWhole(writer, value = []) {
      const write = codec.writeWhole ?? codec.write;
      for (const item of value as unknown[]) write(writer.uint32(key), item);
    },
    read(reader, wireType, into, depth) {
      into[name] ??= [];
      const items = into[name] as unknown[];
      const take = (item: unknown): void => {
        if (item === inexact) fail(`field ${name}: an integer of more than 53 bits`);
        items.push(item);
      };
      if (wireType === 2 && codec.wireType !== 2) {
        const end = reader.uint32() + reader.pos;
        if (end > reader.len) fail('unexpected end');
        while (reader.pos < end) {
          spend(reader);
          take(codec.read(reader, depth));
        }
        if (reader.pos !== end) fail('a field crosses the end of its message');
      } else {
        expectWireType(name, wireType, codec.wireType);
        take(codec.read(reader, depth));
      }
    },
  };
}

function singleField(name: string, schema: FieldSchema, codec: ValueCodec): FieldCodec {
  const key = tag(schema.number, codec.wireType);
  const absent = schema.presence || schema.required ? undefined : zeros[schema.type];
  const always = schema.type in scalarValues ? !schema.presence : schema.embedded === true;
  const { writeZero } = codec;
  const writeWhole = codec.writeWhole ?? codec.write;
  return {
    name,
    number: schema.number,
    write: (writer, value) => codec.write(writer.uint32(key), value),
    writeWhole(writer, value) {
      if (value !== undefined) writeWhole(writer.uint32(key), value);
      else if (always && writeZero) writeZero(writer.uint32(key));
    },
    read(reader, wireType, into, depth) {
      expectWireType(name, wireType, codec.wireType);
      const value = codec.read(reader, depth);
      if (value === inexact) fail(`field ${name}: an integer of more than 53 bits`);
      if (value === undefined || value === absent) delete into[name];
      else into[name] = value;
    },
  };
}

/** One pair of a map. */
function readEntry(reader: protobuf.Reader, codec: ValueCodec, into: Json, empty: unknown, depth: number): void {
  const end = reader.uint32() + reader.pos;
  if (end > reader.len) fail('unexpected end');
  let key = '';
  let value = empty;
  while (reader.pos < end) {
    const number = reader.uint32();
    if (number >>> 3 === 1) {
      expectWireType('key', number & 7, 2);
      key = text(reader);
    } else if (number >>> 3 === 2) {
      expectWireType('value', number & 7, codec.wireType);
      value = codec.read(reader, depth);
    } else {
      skipField(reader, number);
    }
  }
  if (reader.pos !== end) fail('a field crosses the end of its message');
  // By assignment, this one key would set the object's prototype instead.
  if (key === '__proto__') Object.defineProperty(into, key, { value, enumerable: true, writable: true });
  else into[key] = value;
}

/** The same bytes: protobufjs reads text from a Buffer natively. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function spend(reader: Bounded): void {
  if (reader.left !== undefined && --reader.left < 0) throw tooManyInBody();
}

function expectWireType(name: string, found: number, expected: number): void {
  if (found !== expected) fail(`field ${name}: unexpected wire type ${found}`);
}

function decoding<T>(message: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (error instanceof ApiError) throw error;
    const text = error instanceof Error ? error.message : String(error);
    throw new ApiError('BadRequest', `the bytes are no ${message}: ${text}`, {}, { cause: error });
  }
}

function unfilled(): never {
  throw new Error('a message was used before all were compiled');
}
