import { isUtf8 } from 'node:buffer';
import type protobuf from 'protobufjs';
import { formatMicroTime, formatTime } from '../clock.ts';
import { formatGoDuration, parseGoDuration } from '../go-duration.ts';
import { parseExactly } from '../schema/exact-numbers.ts';
import { boundValues } from '../schema/values.ts';

/** One value of a protobuf field, without its tag. */
export interface ValueCodec {
  readonly wireType: number;
  write(writer: protobuf.Writer, value: unknown): void;
  /** As Go's marshaller writes a value that is not set and can't be left out. Absent: it is left out. */
  writeZero?(writer: protobuf.Writer): void;
  /** For messages: with all fields that Go's marshaller writes. Absent: as `write`. */
  writeWhole?(writer: protobuf.Writer, value: unknown): void;
  /** `depth`: the number of messages that contain it. */
  read(reader: protobuf.Reader, depth: number): unknown;
}

/** A reader of a client's message: `left` is the number of further values that it may have. */
export type Bounded = protobuf.Reader & { left?: number | undefined };

/** In place of an integer of more than 53 bits, until it is refused with the name of its field. */
export const inexact = Symbol('inexact');

type Readers = Readonly<Record<number, (reader: protobuf.Reader) => unknown>>;

const words: Readers = { 1: text };
const moment: Readers = { 1: int64, 2: int32 };
const intOrString: Readers = { 1: int64, 2: int32, 3: text };

const meta = 'k8s.io.apimachinery.pkg.apis.meta.v1';

/** The messages whose JSON is no object of their fields; each is written length-delimited like any message. */
export const specialValues: Readonly<Record<string, ValueCodec>> = {
  'k8s.io.apimachinery.pkg.util.intstr.IntOrString': delimited({
    zero: 0,
    write: (writer, value) => {
      const number = typeof value === 'number';
      writer.uint32(tag(1, 0)).int64(number ? 0 : 1);
      writer.uint32(tag(2, 0)).int32(number ? value : 0);
      writer.uint32(tag(3, 2)).string(number ? '' : String(value));
    },
    read: (reader, end) => {
      const { 1: type, 2: int, 3: word } = readFields(reader, end, intOrString);
      return type === 1 ? (word ?? '') : (int ?? 0);
    },
  }),
  'k8s.io.apimachinery.pkg.api.resource.Quantity': delimited({
    zero: '0',
    write: (writer, value) => writer.uint32(tag(1, 2)).string(String(value)),
    read: (reader, end) => readFields(reader, end, words)[1] ?? '0',
  }),
  [`${meta}.Time`]: delimited({
    write: (writer, value) =>
      writer
        .uint32(tag(1, 0))
        .int64(Math.floor(Date.parse(String(value)) / 1000))
        .uint32(tag(2, 0))
        .int32(0),
    read: (reader, end) => {
      const { 1: seconds = 0 } = readFields(reader, end, moment);
      return seconds === 0 ? undefined : checkedTime(Number(seconds), formatTime);
    },
  }),
  [`${meta}.MicroTime`]: delimited({
    write: (writer, value) => {
      const stamp = String(value);
      const micros = Number((/\.(\d{1,6})/.exec(stamp)?.[1] ?? '').padEnd(6, '0'));
      writer.uint32(tag(1, 0)).int64(Math.floor(Date.parse(stamp) / 1000));
      writer.uint32(tag(2, 0)).int32(micros * 1000);
    },
    read: (reader, end) => {
      const { 1: seconds = 0, 2: nanos = 0 } = readFields(reader, end, moment);
      if (seconds === 0 && nanos === 0) return undefined;
      const micros = Math.floor(Number(nanos) / 1000);
      if (micros < 0 || micros > 999_999) fail('a time of day out of range');
      return checkedTime(Number(seconds), formatMicroTime).replace(/\.\d+/, `.${String(micros).padStart(6, '0')}`);
    },
  }),
  [`${meta}.Duration`]: delimited({
    zero: '0s',
    write: (writer, value) => writer.uint32(tag(1, 0)).int64(parseGoDuration(String(value)) ?? 0),
    read: (reader, end) => formatGoDuration(Number(readFields(reader, end, { 1: int64 })[1] ?? 0)),
  }),
  [`${meta}.FieldsV1`]: jsonText(),
  'k8s.io.apimachinery.pkg.runtime.RawExtension': jsonText(),
  'k8s.io.api.authentication.v1.ExtraValue': texts(),
  'k8s.io.api.authorization.v1.ExtraValue': texts(),
  'k8s.io.api.certificates.v1.ExtraValue': texts(),
};

export const scalarValues: Readonly<Record<string, ValueCodec>> = {
  string: scalar(2, '', (writer, value) => writer.string(String(value)), text),
  bool: scalar(
    0,
    false,
    (writer, value) => writer.bool(value === true),
    (reader) => reader.bool(),
  ),
  int32: scalar(0, 0, (writer, value) => writer.int32(Number(value)), int32),
  uint32: scalar(
    0,
    0,
    (writer, value) => writer.uint32(Number(value)),
    (reader) => reader.uint32(),
  ),
  int64: scalar(0, 0, (writer, value) => writer.int64(Number(value)), int64),
  uint64: scalar(
    0,
    0,
    (writer, value) => writer.uint64(Number(value)),
    (reader) => safe(Number(reader.uint64())),
  ),
  double: scalar(
    1,
    0,
    (writer, value) => writer.double(Number(value)),
    (reader) => {
      const value = reader.double();
      // JSON has no other numbers.
      return Number.isFinite(value) ? value : fail('a number that is not finite');
    },
  ),
  // Go distinguishes nil bytes, which it omits, from empty ones.
  bytes: {
    wireType: 2,
    write: (writer, value) => writer.bytes(Buffer.from(String(value), 'base64')),
    read: (reader) => Buffer.from(reader.bytes()).toString('base64'),
  },
};

function scalar(
  wireType: number,
  zero: unknown,
  write: (writer: protobuf.Writer, value: unknown) => void,
  read: (reader: protobuf.Reader) => unknown,
): ValueCodec {
  return { wireType, write, read, writeZero: (writer) => write(writer, zero) };
}

function delimited(codec: {
  /** Absent: the zero value has no bytes. */
  readonly zero?: unknown;
  write(writer: protobuf.Writer, value: unknown): void;
  read(reader: protobuf.Reader, end: number): unknown;
}): ValueCodec {
  const { zero } = codec;
  const write = (writer: protobuf.Writer, value: unknown): void => {
    codec.write(writer.fork(), value);
    writer.ldelim();
  };
  return {
    wireType: 2,
    write,
    writeZero: (writer) => (zero === undefined ? writer.uint32(0) : write(writer, zero)),
    read(reader) {
      const end = reader.uint32() + reader.pos;
      return codec.read(reader, end);
    },
  };
}

/** A message with one field of JSON text. */
function jsonText(): ValueCodec {
  return delimited({
    write: (writer, value) => writer.uint32(tag(1, 2)).string(JSON.stringify(value)),
    read: (reader, end) => {
      const json = readFields(reader, end, words)[1];
      if (json === undefined || json === '') return undefined;
      if ((reader as Bounded).left !== undefined) boundValues(String(json));
      return parseExactly(String(json));
    },
  });
}

/** A message whose one field is a list of texts, which is its JSON. */
function texts(): ValueCodec {
  return delimited({
    write: (writer, value) => {
      for (const item of value as string[]) writer.uint32(tag(1, 2)).string(item);
    },
    read: (reader, end) => {
      const items: string[] = [];
      readFields(reader, end, { 1: (one) => items.push(text(one)) });
      return items;
    },
  });
}

/** Small messages by hand: the last value of each numbered field. */
function readFields(reader: protobuf.Reader, end: number, readers: Readers): Record<number, unknown> {
  if (end > reader.len) fail('unexpected end');
  const found: Record<number, unknown> = {};
  while (reader.pos < end) {
    const key = reader.uint32();
    const read = readers[key >>> 3];
    if (read) found[key >>> 3] = read(reader);
    else skipField(reader, key);
  }
  if (reader.pos !== end) fail('a field crosses the end of its message');
  if (Object.values(found).includes(inexact)) fail('an integer of more than 53 bits');
  return found;
}

/** Passes over a field that the message has not. Kubernetes uses no groups; reading them would recurse. */
export function skipField(reader: protobuf.Reader, key: number): void {
  const wireType = key & 7;
  if (key >>> 3 === 0) fail(`illegal tag 0 (wire type ${wireType})`);
  if (wireType === 3 || wireType === 4) fail('unexpected group');
  reader.skipType(wireType);
}

/** Throws for bytes that are no UTF-8, instead of replacing them silently. */
export function text(reader: protobuf.Reader): string {
  const start = reader.pos;
  const value = reader.string();
  if (!value.includes('\ufffd')) return value;
  const end = reader.pos;
  reader.pos = start;
  if (!isUtf8(reader.bytes())) fail('a string is not valid UTF-8');
  reader.pos = end;
  return value;
}

function checkedTime(seconds: number, format: (ms: number) => string): string {
  // From year 1 to year 9999: what RFC 3339 can express.
  if (!(seconds >= -62_135_596_800 && seconds <= 253_402_300_799)) fail('a time out of range');
  return format(seconds * 1000);
}

function int64(reader: protobuf.Reader): number | typeof inexact {
  return safe(Number(reader.int64()));
}

/** A double cannot hold every 64-bit integer. */
function safe(value: number): number | typeof inexact {
  return Number.isSafeInteger(value) ? value : inexact;
}

function int32(reader: protobuf.Reader): number {
  return reader.int32();
}

export function tag(number: number, wireType: number): number {
  return (number << 3) | wireType;
}

export function fail(message: string): never {
  throw new Error(message);
}
