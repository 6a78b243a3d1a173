import protobuf from 'protobufjs/minimal.js';
import { ApiError, messageOf } from '../../../shared/errors.ts';
import { kindOf } from '../../../shared/kinds/index.ts';
import { decodeObject } from '../../../shared/rpc/convert.ts';

export const protobufType = 'application/vnd.kubernetes.protobuf';

/** What comes before the envelope (apimachinery, `runtime/serializer/protobuf`). */
const magic = Buffer.from('k8s\0');

/** Messages that are sent to subresources or as options; of these only the kind tells. */
const others: Readonly<Record<string, string>> = {
  DeleteOptions: 'k8s.io.apimachinery.pkg.apis.meta.v1.DeleteOptions',
  Scale: 'k8s.io.api.autoscaling.v1.Scale',
  Binding: 'k8s.io.api.core.v1.Binding',
  Eviction: 'k8s.io.api.policy.v1.Eviction',
};

/** A body in Kubernetes' protobuf encoding as the object that its JSON would be. Throws BadRequest. */
export function decodeProtobuf(body: Uint8Array): Record<string, unknown> {
  if (!Buffer.from(body.buffer, body.byteOffset, 4).equals(magic)) {
    throw new ApiError('BadRequest', 'the body is no protobuf of Kubernetes: its first bytes are not "k8s\\0"');
  }
  const { apiVersion, kind, raw } = readEnvelope(body.subarray(magic.length));
  const message = kindOf(apiVersion, kind)?.message ?? others[kind];
  if (!message) throw new ApiError('BadRequest', `no kind "${kind}" is registered for version "${apiVersion}"`);
  return { apiVersion, kind, ...decodeObject(message, raw) };
}

/** runtime.Unknown: typeMeta 1 (apiVersion 1, kind 2), raw 2, contentEncoding 3, contentType 4. */
function readEnvelope(bytes: Uint8Array): { apiVersion: string; kind: string; raw: Uint8Array } {
  const found = { apiVersion: '', kind: '', raw: new Uint8Array() as Uint8Array };
  try {
    const reader = protobuf.Reader.create(bytes);
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      if (tag === 0x0a) readTypeMeta(protobuf.Reader.create(reader.bytes()), found);
      else if (tag === 0x12) found.raw = reader.bytes();
      else reader.skipType(tag & 7);
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
    else reader.skipType(tag & 7);
  }
}
