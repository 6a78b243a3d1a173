import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import {
  type CallOptions,
  type ChannelCredentials,
  type ClientDuplexStream,
  credentials,
  Client as GrpcClient,
  Metadata,
  type MethodDefinition,
} from '@grpc/grpc-js';
import { splitAddress } from '../address.ts';
import type { Clock, Timer } from '../clock.ts';
import { ApiError } from '../errors.ts';
import type { KeyPair } from '../pki/certificates.ts';
import { createRpcSchema, type RpcSchema } from './schema.ts';
import { fromServiceError } from './status.ts';
import { incomingOf } from './streams.ts';

export interface ChannelOptions {
  /** `host:port` of the server's gRPC listener. */
  readonly address: string;
  readonly tls: ClientTls;
  /** Sent with every call: a token, or the user to impersonate. */
  readonly metadata?: Readonly<Record<string, readonly string[]>>;
}

export interface ClientTls {
  /** The CA of the server's certificate, PEM. */
  readonly ca: string;
  /** The client certificate. Absent: anonymous. */
  readonly credentials?: KeyPair;
  /** The name in the server's certificate, if it is not the dialled host. */
  readonly serverName?: string;
  /** The CN that the server's certificate must have. Absent: any. */
  readonly serverUser?: string;
}

/** One connection to a server, for typed calls. All failures are ApiErrors. */
export interface RpcChannel {
  readonly schema: RpcSchema;
  /** Rejects with the signal's reason if it is aborted, with Timeout after `timeoutMs`. `onWarning`: called with the server's warnings. */
  unary<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: Request,
    options?: { timeoutMs?: number; signal?: AbortSignal; onWarning?: (warning: string) => void },
  ): Promise<Response>;
  /** Ends when the server ends it or the signal is aborted, without an error. Leaving the loop cancels the call. */
  serverStream<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: Request,
    signal: AbortSignal,
  ): AsyncIterable<Response>;
  /** The raw stream. Aborting the signal cancels it; one that was ended before has a minute to deliver what was sent. */
  duplex<Request, Response>(
    method: MethodDefinition<Request, Response>,
    signal: AbortSignal,
  ): ClientDuplexStream<Request, Response>;
  /** Resolves when connected; rejects with ServiceUnavailable after `timeoutMs`. */
  connected(timeoutMs: number): Promise<void>;
  toApiError(error: unknown): ApiError;
  /** A channel to another address with the same certificates. `name`: the name in the certificate there; absent: as here. */
  sibling(address: string, name?: string): RpcChannel;
  close(): void;
}

/** The default timeout of a unary call, in milliseconds. */
export const defaultTimeoutMs = 30_000;

/** Metadata in which the server sends warnings, percent-encoded. */
export const warningKey = 'coracle-warning';

/** How long a stream that its sender has ended may take to deliver what was sent, in milliseconds. */
const lingerMs = 60_000;

const maxReceiveBytes = 64 * 1024 * 1024;

const channelSettings = {
  'grpc.max_receive_message_length': maxReceiveBytes,
  // A dead server is noticed within half a minute, also while only a watch is open; one that is busy for a while is not dead.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 20_000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2_000,
  // Each RpcChannel has a connection of its own, with its own certificate, and closes it.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_retries': 0,
};

export function createRpcChannel(
  { address, tls, metadata = {} }: ChannelOptions,
  deps: { clock: Clock; schema?: RpcSchema },
): RpcChannel {
  const schema = deps.schema ?? createRpcSchema();
  const { clock } = deps;
  const { host } = splitAddress(address);
  // TLS sends only DNS names (RFC 6066): for an IP address a placeholder is sent, and the certificate is checked for the address.
  const name = tls.serverName ?? host;
  const sent = isIP(name) ? 'coracle' : name;
  const client = new GrpcClient(address, callCredentials(channelCredentials(tls, name), metadata), {
    ...channelSettings,
    ...(sent === host ? {} : { 'grpc.ssl_target_name_override': sent }),
  });
  const toApiError = (error: unknown): ApiError => fromServiceError(error, schema);

  return {
    schema,
    unary(method, request, { timeoutMs = defaultTimeoutMs, signal, onWarning } = {}) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        const options: CallOptions = { deadline: clock.now() + timeoutMs };
        const call = client.makeUnaryRequest(
          method.path,
          method.requestSerialize,
          method.responseDeserialize,
          request,
          options,
          (error, response) => {
            signal?.removeEventListener('abort', onAbort);
            if (error) reject(signal?.aborted ? signal.reason : toApiError(error));
            else if (response === undefined) reject(new ApiError('InternalError', 'the server sent no answer'));
            else resolve(response);
          },
        );
        const onAbort = (): void => call.cancel();
        signal?.addEventListener('abort', onAbort, { once: true });
        if (onWarning) {
          call.on('status', ({ metadata }) => {
            for (const value of metadata.get(warningKey)) onWarning(decodeURIComponent(String(value)));
          });
        }
      });
    },
    async *serverStream<Request, Response>(
      method: MethodDefinition<Request, Response>,
      request: Request,
      signal: AbortSignal,
    ) {
      if (signal.aborted) return;
      const call = client.makeServerStreamRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
      );
      const onAbort = (): void => call.cancel();
      signal.addEventListener('abort', onAbort, { once: true });
      try {
        yield* incomingOf<Response>(call);
      } catch (error) {
        if (!signal.aborted) throw toApiError(error);
      } finally {
        signal.removeEventListener('abort', onAbort);
        call.cancel();
      }
    },
    duplex(method, signal) {
      const call = client.makeBidiStreamRequest(method.path, method.requestSerialize, method.responseDeserialize);
      let last: Timer | undefined;
      const onAbort = (): void => {
        // After an orderly end what was sent is still delivered: cancelling would discard it.
        if (call.writableEnded) last = clock.timer(lingerMs, () => call.cancel());
        else call.cancel();
      };
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort, { once: true });
      call.on('status', () => {
        last?.cancel();
        signal.removeEventListener('abort', onAbort);
      });
      return call;
    },
    connected: (timeoutMs) =>
      new Promise((resolve, reject) => {
        client.waitForReady(clock.now() + timeoutMs, (error) => {
          if (error) reject(new ApiError('ServiceUnavailable', `${address} cannot be reached`, {}, { cause: error }));
          else resolve();
        });
      }),
    toApiError,
    sibling: (other, expected = name) =>
      createRpcChannel({ address: other, tls: { ...tls, serverName: expected }, metadata }, { clock, schema }),
    close: () => client.close(),
  };
}

function callCredentials(
  channel: ChannelCredentials,
  headers: Readonly<Record<string, readonly string[]>>,
): ChannelCredentials {
  if (Object.keys(headers).length === 0) return channel;
  const metadata = new Metadata();
  for (const [name, values] of Object.entries(headers)) for (const value of values) metadata.add(name, value);
  const sent = credentials.createFromMetadataGenerator((_call, done) => done(null, metadata));
  return credentials.combineChannelCredentials(channel, sent);
}

/** `name`: the DNS name or address that the server's certificate must be for. */
function channelCredentials({ ca, credentials: pair, serverUser }: ClientTls, name: string): ChannelCredentials {
  return credentials.createSsl(
    Buffer.from(ca),
    pair ? Buffer.from(pair.key) : null,
    pair ? Buffer.from(pair.certificate) : null,
    {
      checkServerIdentity(_sent, certificate) {
        if (serverUser === undefined || certificate.subject.CN === serverUser)
          return checkServerIdentity(name, certificate);
        return new Error(`the certificate is that of ${certificate.subject.CN}, not of ${serverUser}`);
      },
    },
  );
}
