import protobuf from 'protobufjs/minimal.js';
import { ApiError, messageOf } from '../../../../shared/errors.ts';
import { builtinKinds } from '../../../../shared/kinds/index.ts';
import { decodeObject, encodeWhole, isMessage } from '../../../../shared/rpc/convert.ts';
import { maxBodyValues } from '../../../../shared/schema/values.ts';

/**
 * Kubernetes' protobuf (apimachinery, `runtime/serializer/protobuf`): four magic bytes, then an envelope (runtime.Unknown) with the
 * kind of the message inside. The output is the same as that of Go's serializer, byte for byte.
 */

const magic = Buffer.from('k8s\0');
/** The envelope's last fields, contentEncoding 3 and contentType 4: empty. */
const envelopeEnd = Buffer.from([0x1a, 0, 0x22, 0]);
const meta = 'k8s.io.apimachinery.pkg.apis.meta.v1';

interface Head {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: object;
}

/** Encodes an answer. Throws NotAcceptable for one without a protobuf message, such as a Table. */
export function encodeProtobuf(object: Head): Buffer {
  return Buffer.concat(enveloped(object, [encodeMessage(object)]));
}

/** Encodes an item of a list, to be framed by `frameList`. */
export function encodeItem(item: object): Uint8Array {
  return encodeMessage(item as Head);
}

/** The bytes around the items of a list, which are sent one after the other. */
export interface ListFrame {
  readonly begin: Uint8Array;
  /** The bytes before an item of `size` bytes. */
  before(size: number): Uint8Array;
  readonly end: Uint8Array;
}

/** `sizes`: the lengths of all items, as `encodeItem` makes them. */
export function frameList(head: Head, sizes: readonly number[]): ListFrame {
  // The only list with its items in field 1 and its metadata in field 2.
  const turned = head.kind === 'PartialObjectMetadataList' && head.apiVersion === 'meta.k8s.io/v1beta1';
  const metadata = prefixed(turned ? 0x12 : 0x0a, [encodeWhole(`${meta}.ListMeta`, head.metadata ?? {})]);
  const before = (size: number): Buffer => prefix(turned ? 0x0a : 0x12, size);
  let length = sizeOf(metadata);
  for (const size of sizes) length += before(size).length + size;
  const begin = [...envelopeBegin(head, length), ...(turned ? [] : metadata)];
  return { before, begin: Buffer.concat(begin), end: Buffer.concat([...(turned ? metadata : []), envelopeEnd]) };
}

/** A watch event: its length (4 bytes, big-endian), then a WatchEvent that contains the object in its envelope. */
export function encodeFrame(type: string, object: Uint8Array): Buffer {
  const raw = prefixed(0x0a, [object]);
  const body = [...prefixed(0x0a, [Buffer.from(type)]), ...prefixed(0x12, raw)];
  const length = Buffer.alloc(4);
  length.writeUInt32BE(sizeOf(body));
  return Buffer.concat([length, ...body]);
}

/** Decodes a body to the value of its JSON. Throws BadRequest, and RequestEntityTooLarge for more than `maxBodyValues`. */
export function decodeProtobuf(body: Uint8Array): Record<string, unknown> {
  if (body.length < magic.length || !Buffer.from(body.buffer, body.byteOffset, magic.length).equals(magic)) {
    throw new ApiError('BadRequest', 'the body is no protobuf of Kubernetes: its first bytes are not "k8s\\0"');
  }
  const { apiVersion, kind, raw } = readEnvelope(body.subarray(magic.length));
  if (!kind) throw new ApiError('BadRequest', "Object 'Kind' is missing in the body");
  const message = messageFor(apiVersion, kind);
  if (!message) throw new ApiError('BadRequest', `no kind "${kind}" is registered for version "${apiVersion}"`);
  return { apiVersion, kind, ...decodeObject(message, raw, maxBodyValues) };
}

function encodeMessage(object: Head): Uint8Array {
  const { apiVersion = '', kind = '' } = object;
  const message = messageFor(apiVersion, kind);
  if (message) return encodeWhole(message, object);
  if (kind === 'PartialObjectMetadata') {
    return Buffer.concat(prefixed(0x0a, [encodeWhole(`${meta}.ObjectMeta`, object.metadata ?? {})]));
  }
  throw new ApiError(
    'NotAcceptable',
    `object *${apiVersion}.${kind} does not implement the protobuf marshalling interface and cannot be encoded to a protobuf message`,
  );
}

/**
 * The message of a kind: from the kind table, or by Kubernetes' package of a group (`autoscaling/v1` is `k8s.io.api.autoscaling.v1`).
 * Options and statuses belong to no group, whatever apiVersion they have.
 */
function messageFor(apiVersion: string, kind: string): string | undefined {
  const message = builtinKinds.ofObject(apiVersion, kind)?.message;
  if (message) return message;
  const [group = '', version = ''] = apiVersion.includes('/') ? apiVersion.split('/') : ['core', apiVersion];
  return [`k8s.io.api.${group.split('.')[0]}.${version}.${kind}`, `${meta}.${kind}`].find(isMessage);
}

/** typeMeta 1 (apiVersion 1, kind 2), raw 2, then the end. */
function enveloped(head: Head, raw: readonly Uint8Array[]): Uint8Array[] {
  return [...envelopeBegin(head, sizeOf(raw)), ...raw, envelopeEnd];
}

/** The bytes before `length` bytes of raw. */
function envelopeBegin({ apiVersion = '', kind = '' }: Head, length: number): Uint8Array[] {
  const type = [...prefixed(0x0a, [Buffer.from(apiVersion)]), ...prefixed(0x12, [Buffer.from(kind)])];
  return [magic, ...prefixed(0x0a, type), prefix(0x12, length)];
}

/** A length-delimited field: its tag, its length, its bytes. */
function prefixed(tag: number, parts: readonly Uint8Array[]): Uint8Array[] {
  return [prefix(tag, sizeOf(parts)), ...parts];
}

function prefix(tag: number, length: number): Buffer {
  const bytes = [tag];
  let size = length;
  for (; size >= 0x80; size = Math.floor(size / 0x80)) bytes.push((size % 0x80) | 0x80);
  bytes.push(size);
  return Buffer.from(bytes);
}

function sizeOf(parts: readonly Uint8Array[]): number {
  let size = 0;
  for (const part of parts) size += part.length;
  return size;
}

function readEnvelope(bytes: Uint8Array): { apiVersion: string; kind: string; raw: Uint8Array } {
  const found = { apiVersion: '', kind: '', raw: new Uint8Array() as Uint8Array };
  try {
    const reader = protobuf.Reader.create(bytes);
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      if (tag === 0x0a) readTypeMeta(protobuf.Reader.create(reader.bytes()), found);
      else if (tag === 0x12) found.raw = reader.bytes();
      else skip(reader, tag);
    }
  } catch (error) {
    throw new ApiError(
      'BadRequest',
      `the body is no protobuf of Kubernetes: ${messageOf(error)}`,
      {},
      { cause: error },
    );
  }
  return found;
}

function readTypeMeta(reader: protobuf.Reader, found: { apiVersion: string; kind: string }): void {
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === 0x0a) found.apiVersion = reader.string();
    else if (tag === 0x12) found.kind = reader.string();
    else skip(reader, tag);
  }
}

function skip(reader: protobuf.Reader, tag: number): void {
  const wireType = tag & 7;
  if (wireType === 3 || wireType === 4) throw new Error('unexpected group');
  reader.skipType(wireType);
}
