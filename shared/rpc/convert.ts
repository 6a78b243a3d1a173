import protobuf from 'protobufjs';
import { formatMicroTime, formatTime } from '../clock.ts';
import { ApiError } from '../errors.ts';
import { messages } from '../generated/schema.ts';
import { apiVersionOf } from '../kinds/names.ts';
import type { KindEntry } from '../kinds/table.ts';
import type { KubeObject } from '../object.ts';
import type { FieldSchema } from '../schema/schema.ts';

/**
 * Kubernetes JSON ↔ its protobuf messages, for every message under `k8s.io` and the kinds of our own. In JSON an int64
 * is a number (exact to 2^53), bytes are base64, and six messages have a form of their own (`special`). As on
 * Kubernetes' wire, an empty list or map is the same as none, and so is a zero where the schema asks for no `presence`.
 */

/** `message`: its full name. Fields that the message has not, such as a kind's `apiVersion`, are left out. */
export function encodeObject(message: string, object: object): Uint8Array {
  const writer = protobuf.Writer.create();
  codecOf(message).write(writer, object as Json);
  return writer.finish();
}

/** The message's JSON; for a kind without `apiVersion` and `kind`. Throws ApiError BadRequest when it is no such message. */
export function decodeObject(message: string, bytes: Uint8Array): Record<string, unknown> {
  return decoding(message, () => codecOf(message).read(protobuf.Reader.create(asBuffer(bytes)), undefined));
}

/** A stored object of a kind, with its `apiVersion` and `kind`. */
export function decodeKind(entry: KindEntry, bytes: Uint8Array): KubeObject {
  const { metadata, ...rest } = decodeObject(entry.message, bytes);
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
  /** To the end, or for `length` bytes; into `into` when given. */
  read(reader: protobuf.Reader, length: number | undefined, into?: Json): Json;
}

interface FieldCodec {
  readonly name: string;
  write(writer: protobuf.Writer, value: unknown): void;
  read(reader: protobuf.Reader, wireType: number, into: Json): void;
}

/** One value without its tag. */
interface ValueCodec {
  readonly wireType: number;
  write(writer: protobuf.Writer, value: unknown): void;
  read(reader: protobuf.Reader): unknown;
}

type Readers = Readonly<Record<number, (reader: protobuf.Reader) => unknown>>;

const text: Readers = { 1: string };
const moment: Readers = { 1: int64, 2: int32 };
const intOrString: Readers = { 1: int64, 2: int32, 3: string };

const meta = 'k8s.io.apimachinery.pkg.apis.meta.v1';

/** The messages whose JSON is no object of their fields; each is written length-delimited like any message. */
const special: Readonly<Record<string, ValueCodec>> = {
  'k8s.io.apimachinery.pkg.util.intstr.IntOrString': delimited({
    write: (writer, value) => {
      if (typeof value === 'number') writer.uint32(tag(1, 0)).int64(0).uint32(tag(2, 0)).int32(value);
      else writer.uint32(tag(1, 0)).int64(1).uint32(tag(3, 2)).string(String(value));
    },
    read: (reader, end) => {
      const { 1: type, 2: int, 3: word } = readFields(reader, end, intOrString);
      return type === 1 ? (word ?? '') : (int ?? 0);
    },
  }),
  'k8s.io.apimachinery.pkg.api.resource.Quantity': delimited({
    write: (writer, value) => writer.uint32(tag(1, 2)).string(String(value)),
    read: (reader, end) => readFields(reader, end, text)[1] ?? '0',
  }),
  [`${meta}.Time`]: delimited({
    write: (writer, value) => writer.uint32(tag(1, 0)).int64(Math.floor(Date.parse(String(value)) / 1000)),
    read: (reader, end) => {
      const { 1: seconds = 0 } = readFields(reader, end, moment);
      return seconds === 0 ? undefined : formatTime(Number(seconds) * 1000);
    },
  }),
  [`${meta}.MicroTime`]: delimited({
    write: (writer, value) => {
      const stamp = String(value);
      writer.uint32(tag(1, 0)).int64(Math.floor(Date.parse(stamp) / 1000));
      const micros = Number((/\.(\d{1,6})/.exec(stamp)?.[1] ?? '').padEnd(6, '0'));
      if (micros > 0) writer.uint32(tag(2, 0)).int32(micros * 1000);
    },
    read: (reader, end) => {
      const { 1: seconds = 0, 2: nanos = 0 } = readFields(reader, end, moment);
      if (seconds === 0 && nanos === 0) return undefined;
      const micros = Math.floor(Number(nanos) / 1000);
      return formatMicroTime(Number(seconds) * 1000).replace(/\.\d+/, `.${String(micros).padStart(6, '0')}`);
    },
  }),
  [`${meta}.FieldsV1`]: jsonText(),
  'k8s.io.apimachinery.pkg.runtime.RawExtension': jsonText(),
};

const scalars: Readonly<Record<string, ValueCodec>> = {
  string: { wireType: 2, write: (writer, value) => writer.string(String(value)), read: (reader) => reader.string() },
  bool: { wireType: 0, write: (writer, value) => writer.bool(value === true), read: (reader) => reader.bool() },
  int32: { wireType: 0, write: (writer, value) => writer.int32(Number(value)), read: (reader) => reader.int32() },
  uint32: { wireType: 0, write: (writer, value) => writer.uint32(Number(value)), read: (reader) => reader.uint32() },
  int64: { wireType: 0, write: (writer, value) => writer.int64(Number(value)), read: int64 },
  uint64: {
    wireType: 0,
    write: (writer, value) => writer.uint64(Number(value)),
    read: (reader) => Number(reader.uint64()),
  },
  double: { wireType: 1, write: (writer, value) => writer.double(Number(value)), read: (reader) => reader.double() },
  bytes: {
    wireType: 2,
    write: (writer, value) => writer.bytes(Buffer.from(String(value), 'base64')),
    read: (reader) => Buffer.from(reader.bytes()).toString('base64'),
  },
};

/** What Go's clients send for a field that is not set, unless its type can tell (`presence`). */
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
    if (!(name in special)) all.set(name, { write: unfilled, read: unfilled });
  }
  const valueCodec = (type: string): ValueCodec => {
    const simple = scalars[type] ?? special[type];
    if (simple) return simple;
    const codec = all.get(type);
    if (!codec) throw new Error(`no message ${type}`);
    return {
      wireType: 2,
      write: (writer, value) => {
        codec.write(writer.fork(), value as Json);
        writer.ldelim();
      },
      read: (reader) => codec.read(reader, reader.uint32()),
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
  return {
    write(writer, object) {
      for (const name in object) {
        const value = object[name];
        if (value !== undefined && value !== null) byName.get(name)?.write(writer, value);
      }
      for (const inline of inlines) inline.write(writer, object);
    },
    read(reader, length, into = {}) {
      const end = length === undefined ? reader.len : reader.pos + length;
      if (end > reader.len) fail('unexpected end');
      while (reader.pos < end) {
        const key = reader.uint32();
        const codec = byNumber.get(key >>> 3);
        if (codec) codec.read(reader, key & 7, into);
        else reader.skipType(key & 7);
      }
      if (reader.pos !== end) fail('a field crosses the end of its message');
      return into;
    },
  };
}

/** The fields of an inline message stand in the object that holds it. It is written only when it has some. */
function inlineField(name: string, { number, type }: FieldSchema, codec: MessageCodec): FieldCodec {
  const names = new Set(Object.keys(messages[type]?.fields ?? {}));
  const key = tag(number, 2);
  return {
    name,
    write(writer, object) {
      for (const own in object as Json) {
        if (!names.has(own)) continue;
        codec.write(writer.uint32(key).fork(), object as Json);
        writer.ldelim();
        return;
      }
    },
    read(reader, wireType, into) {
      expectWireType(name, wireType, 2);
      codec.read(reader, reader.uint32(), into);
    },
  };
}

function field(name: string, schema: FieldSchema, codec: ValueCodec): FieldCodec {
  const { number, type, repeated, map } = schema;
  const key = tag(number, map ? 2 : codec.wireType);
  if (map) {
    const valueKey = tag(2, codec.wireType);
    const empty = type.endsWith('.Quantity') ? '0' : '';
    return {
      name,
      write(writer, value) {
        const entries = value as Json;
        for (const entry in entries) {
          writer.uint32(key).fork().uint32(tag(1, 2)).string(entry).uint32(valueKey);
          codec.write(writer, entries[entry]);
          writer.ldelim();
        }
      },
      read(reader, wireType, into) {
        expectWireType(name, wireType, 2);
        into[name] ??= {};
        readEntry(reader, codec, into[name] as Json, empty);
      },
    };
  }
  if (repeated) {
    return {
      name,
      write(writer, value) {
        for (const item of value as unknown[]) codec.write(writer.uint32(key), item);
      },
      read(reader, wireType, into) {
        into[name] ??= [];
        const items = into[name] as unknown[];
        if (wireType === 2 && codec.wireType !== 2) {
          const end = reader.uint32() + reader.pos;
          while (reader.pos < end) items.push(codec.read(reader));
        } else {
          expectWireType(name, wireType, codec.wireType);
          items.push(codec.read(reader));
        }
      },
    };
  }
  const absent = schema.presence || schema.required ? undefined : zeros[type];
  return {
    name,
    write: (writer, value) => codec.write(writer.uint32(key), value),
    read(reader, wireType, into) {
      expectWireType(name, wireType, codec.wireType);
      const value = codec.read(reader);
      if (value === undefined || value === absent) delete into[name];
      else into[name] = value;
    },
  };
}

function delimited(codec: {
  write(writer: protobuf.Writer, value: unknown): void;
  read(reader: protobuf.Reader, end: number): unknown;
}): ValueCodec {
  return {
    wireType: 2,
    write(writer, value) {
      codec.write(writer.fork(), value);
      writer.ldelim();
    },
    read(reader) {
      const end = reader.uint32() + reader.pos;
      return codec.read(reader, end);
    },
  };
}

/** A message whose one field holds JSON text. */
function jsonText(): ValueCodec {
  return delimited({
    write: (writer, value) => writer.uint32(tag(1, 2)).string(JSON.stringify(value)),
    read: (reader, end) => JSON.parse(String(readFields(reader, end, text)[1] ?? '{}')),
  });
}

/** One pair of a map. */
function readEntry(reader: protobuf.Reader, codec: ValueCodec, into: Json, empty: unknown): void {
  const end = reader.uint32() + reader.pos;
  if (end > reader.len) fail('unexpected end');
  let key = '';
  let value = empty;
  while (reader.pos < end) {
    const number = reader.uint32();
    if (number >>> 3 === 1) key = reader.string();
    else if (number >>> 3 === 2) value = codec.read(reader);
    else reader.skipType(number & 7);
  }
  // By assignment, this one key would set the object's prototype instead.
  if (key === '__proto__') Object.defineProperty(into, key, { value, enumerable: true, writable: true });
  else into[key] = value;
}

/** Small messages by hand: the last value of each numbered field. */
function readFields(reader: protobuf.Reader, end: number, readers: Readers): Record<number, unknown> {
  if (end > reader.len) fail('unexpected end');
  const found: Record<number, unknown> = {};
  while (reader.pos < end) {
    const key = reader.uint32();
    const read = readers[key >>> 3];
    if (read) found[key >>> 3] = read(reader);
    else reader.skipType(key & 7);
  }
  return found;
}

function int64(reader: protobuf.Reader): number {
  return Number(reader.int64());
}

function int32(reader: protobuf.Reader): number {
  return reader.int32();
}

function string(reader: protobuf.Reader): string {
  return reader.string();
}

/** The same bytes: protobufjs reads text from a Buffer natively. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function tag(number: number, wireType: number): number {
  return (number << 3) | wireType;
}

function expectWireType(name: string, found: number, expected: number): void {
  if (found !== expected) fail(`field ${name}: unexpected wire type ${found}`);
}

function decoding<T>(message: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new ApiError('BadRequest', `the bytes are no ${message}: ${text}`, {}, { cause: error });
  }
}

function unfilled(): never {
  throw new Error('a message was used before all were compiled');
}

function fail(message: string): never {
  throw new Error(message);
}
