import type { MethodDefinition } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { descriptor } from '../generated/descriptor.ts';
import type { DeleteOptions, ListMeta, Status } from '../generated/types.ts';
import { type KindEntry, kindTable, serviceName } from '../kinds/table.ts';
import type { KubeObject } from '../object.ts';
import { maxBodyValues } from '../schema/values.ts';
import { type Codec, define, messageCodec, toBuffer } from './codec.ts';
import { decodeKind, encodeObject } from './convert.ts';
import type * as wire from './messages.ts';

/**
 * The gRPC services of `proto/` for clients and servers: one typed definition for each method. Messages with an object are decoded by
 * variants in which the object is a bytes field (the same on the wire), which `convert.ts` converts to Kubernetes' JSON.
 */
export interface RpcSchema {
  /** All messages and services, resolved. */
  readonly root: protobuf.Root;
  readonly kinds: readonly KindService[];
  readonly objects: { readonly Watch: MethodDefinition<wire.WatchKindsRequest, wire.WatchKindsBatch> };
  readonly servers: { readonly Version: MethodDefinition<wire.VersionRequest, wire.VersionResponse> };
  readonly enrollment: {
    readonly Enroll: MethodDefinition<wire.EnrollRequest, wire.EnrollResponse>;
    readonly Renew: MethodDefinition<wire.EnrollRequest, wire.EnrollResponse>;
  };
  readonly sessions: {
    readonly Connect: MethodDefinition<wire.WireFromNode, wire.WireToNode>;
    readonly Tunnel: MethodDefinition<wire.WireTunnelFrame, wire.WireTunnelFrame>;
  };
  readonly peers: {
    readonly Stream: MethodDefinition<wire.PeerInput, wire.PeerOutput>;
    readonly Usage: MethodDefinition<wire.PeerUsageRequest, wire.PeerUsage>;
  };
  /** google.rpc.Status, which carries an error's details in the trailer. */
  readonly rpcStatus: Codec<RpcStatus>;
  readonly status: Codec<Status>;
}

/** The service of one kind. Methods of verbs and subresources that the kind does not have are absent. */
export interface KindService {
  readonly entry: KindEntry;
  /** `coracle.v1.Pods` */
  readonly name: string;
  readonly methods: KindMethods;
}

export interface KindMethods {
  readonly Create?: MethodDefinition<wire.WriteRequest, KubeObject>;
  readonly Get?: MethodDefinition<wire.GetRequest, KubeObject>;
  readonly List?: MethodDefinition<wire.ListRequest, wire.ListResponse>;
  readonly Watch?: MethodDefinition<wire.WatchRequest, wire.WatchResponse>;
  readonly Update?: MethodDefinition<wire.WriteRequest, KubeObject>;
  readonly Patch?: MethodDefinition<wire.PatchRequest, KubeObject>;
  readonly Delete?: MethodDefinition<wire.DeleteRequest, Status>;
  readonly DeleteCollection?: MethodDefinition<wire.DeleteCollectionRequest, Status>;
  readonly UpdateStatus?: MethodDefinition<wire.WriteRequest, KubeObject>;
  readonly Bind?: MethodDefinition<wire.BindRequest, wire.BindResponse>;
  readonly Evict?: MethodDefinition<wire.DeleteRequest, Status>;
  readonly CreateToken?: MethodDefinition<wire.CreateTokenRequest, wire.CreateTokenResponse>;
  readonly Logs?: MethodDefinition<wire.LogsRequest, wire.LogsChunk>;
  readonly Exec?: MethodDefinition<wire.ProcessInput, wire.ProcessOutput>;
  readonly Attach?: MethodDefinition<wire.ProcessInput, wire.ProcessOutput>;
  readonly PortForward?: MethodDefinition<wire.PortForwardInput, wire.PortForwardOutput>;
}

export interface RpcStatus {
  code?: number;
  message?: string;
  details?: Array<{ type_url?: string; value?: Uint8Array }>;
}

/** The package of the variants and of foreign messages: not part of the API, and not shown by reflection. */
export const hiddenPackage = 'coracle.wire';

const meta = 'k8s.io.apimachinery.pkg.apis.meta.v1';

const hidden: protobuf.INamespace = {
  nested: {
    Write: {
      fields: { object: { type: 'bytes', id: 1 }, options: { type: 'coracle.v1.WriteOptions', id: 2 } },
    },
    List: {
      fields: { metadata: { type: `${meta}.ListMeta`, id: 1 }, items: { rule: 'repeated', type: 'bytes', id: 2 } },
    },
    Event: { fields: { type: { type: 'string', id: 1 }, object: { type: 'bytes', id: 2 } } },
    Any: { fields: { type_url: { type: 'string', id: 1 }, value: { type: 'bytes', id: 2 } } },
    RpcStatus: {
      fields: {
        code: { type: 'int32', id: 1 },
        message: { type: 'string', id: 2 },
        details: { rule: 'repeated', type: 'Any', id: 3 },
      },
    },
  },
};

/** Builds it all; takes some milliseconds. Encoders are compiled when they are first used. */
export function createRpcSchema(): RpcSchema {
  const root = protobuf.Root.fromJSON(descriptor);
  root.define(hiddenPackage, hidden.nested);
  root.resolveAll();
  const codec = <T>(name: string): Codec<T> => messageCodec<T>(root.lookupType(name));
  const own = <Request, Response>(service: string, method: string) => {
    const found = root.lookupService(`coracle.v1.${service}`).methods[method];
    if (!found?.resolvedRequestType || !found.resolvedResponseType) throw new Error(`no method ${service}.${method}`);
    return define<Request, Response>(
      `coracle.v1.${service}`,
      found,
      messageCodec<Request>(found.resolvedRequestType, maxBodyValues),
      messageCodec<Response>(found.resolvedResponseType),
    );
  };
  return {
    root,
    kinds: kindTable.map((entry) => kindService(entry, root)),
    objects: { Watch: own('Objects', 'Watch') },
    servers: { Version: own('Servers', 'Version') },
    enrollment: { Enroll: own('Enrollment', 'Enroll'), Renew: own('Enrollment', 'Renew') },
    sessions: { Connect: own('NodeSession', 'Connect'), Tunnel: own('NodeSession', 'Tunnel') },
    peers: { Stream: own('Peers', 'Stream'), Usage: own('Peers', 'Usage') },
    rpcStatus: codec(`${hiddenPackage}.RpcStatus`),
    status: codec(`${meta}.Status`),
  };
}

function kindService(entry: KindEntry, root: protobuf.Root): KindService {
  const name = `coracle.v1.${serviceName(entry)}`;
  const service = root.lookupService(name);
  const plain = <T>(message: string): Codec<T> => messageCodec<T>(root.lookupType(message));
  const requests = <T>(message: string): Codec<T> =>
    messageCodec<T>(root.lookupType(`coracle.v1.${message}`), maxBodyValues);

  const object = objectCodec(entry);
  const status = plain<Status>(`${meta}.Status`);
  const rawWrite = plain<{ object?: Uint8Array; options?: wire.WireWriteOptions }>(`${hiddenPackage}.Write`);
  const rawList = plain<{ metadata?: ListMeta; items?: readonly Uint8Array[] }>(`${hiddenPackage}.List`);
  const rawEvent = plain<{ type?: string; object?: Uint8Array }>(`${hiddenPackage}.Event`);
  const write: Codec<wire.WriteRequest> = {
    encode: ({ object: value, options }) =>
      rawWrite.encode({ ...(value ? { object: object.encode(value) } : {}), ...(options ? { options } : {}) }),
    decode: (bytes) => {
      const raw = rawWrite.decode(bytes);
      return { ...raw, object: raw.object && decodeKind(entry, raw.object, maxBodyValues) };
    },
  };
  const list: Codec<wire.ListResponse> = {
    encode: ({ metadata, items, encoded }) =>
      rawList.encode({ ...(metadata ? { metadata } : {}), items: encoded ?? items.map(object.encode) }),
    decode: (bytes) => {
      const raw = rawList.decode(bytes);
      return { ...raw, items: (raw.items ?? []).map(object.decode) };
    },
  };
  const event: Codec<wire.WatchResponse> = {
    encode: ({ type, object: value }) => rawEvent.encode({ type, ...(value ? { object: object.encode(value) } : {}) }),
    decode: (bytes) => {
      const raw = rawEvent.decode(bytes);
      return { ...raw, object: raw.object && object.decode(raw.object) };
    },
  };

  /** Undefined when the kind has no such method. */
  function method<Request, Response>(
    called: string,
    request: Codec<Request>,
    response: Codec<Response>,
  ): MethodDefinition<Request, Response> | undefined {
    const found = service.methods[called];
    return found && define(name, found, request, response);
  }
  const deletion = requests<{ options?: DeleteOptions }>('DeleteRequest');
  const deletions = requests<wire.DeleteCollectionRequest>('DeleteCollectionRequest');
  return {
    entry,
    name,
    methods: {
      Create: method('Create', write, object),
      Get: method('Get', requests<wire.GetRequest>('GetRequest'), object),
      List: method('List', requests<wire.ListRequest>('ListRequest'), list),
      Watch: method('Watch', requests<wire.WatchRequest>('WatchRequest'), event),
      Update: method('Update', write, object),
      Patch: method('Patch', requests<wire.PatchRequest>('PatchRequest'), object),
      Delete: method('Delete', deletion, status),
      DeleteCollection: method('DeleteCollection', deletions, status),
      UpdateStatus: method('UpdateStatus', write, object),
      Bind: method('Bind', requests<wire.BindRequest>('BindRequest'), requests<wire.BindResponse>('BindResponse')),
      Evict: method('Evict', requests<wire.DeleteRequest>('EvictRequest'), status),
      CreateToken: method(
        'CreateToken',
        requests<wire.CreateTokenRequest>('CreateTokenRequest'),
        requests<wire.CreateTokenResponse>('CreateTokenResponse'),
      ),
      Logs: method('Logs', requests<wire.LogsRequest>('LogsRequest'), requests<wire.LogsChunk>('LogsChunk')),
      Exec: method('Exec', requests<wire.ProcessInput>('ExecInput'), requests<wire.ProcessOutput>('ProcessOutput')),
      Attach: method(
        'Attach',
        requests<wire.ProcessInput>('AttachInput'),
        requests<wire.ProcessOutput>('ProcessOutput'),
      ),
      PortForward: method(
        'PortForward',
        requests<wire.PortForwardInput>('PortForwardInput'),
        requests<wire.PortForwardOutput>('PortForwardOutput'),
      ),
    },
  };
}

function objectCodec(entry: KindEntry): Codec<KubeObject> {
  return {
    encode: (object) => toBuffer(encodeObject(entry.message, object)),
    decode: (bytes) => decodeKind(entry, bytes),
  };
}
