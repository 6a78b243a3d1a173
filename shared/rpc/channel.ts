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
  /** Sent with every call: a token, or as whom it is to be carried out. */
  readonly metadata?: Readonly<Record<string, readonly string[]>>;
}

export interface ClientTls {
  /** The CA that the server's certificate must come from, PEM. */
  readonly ca: string;
  /** The certificate to show. Absent: anonymous. */
  readonly credentials?: KeyPair;
  /** The name that the server's certificate must carry when it is not the host dialled. */
  readonly serverName?: string;
  /** Whom, besides, the server's certificate must be of (CN). */
  readonly serverUser?: string;
}

/** One connection to a server, on which typed calls are made. All failures are ApiErrors. */
export interface RpcChannel {
  readonly schema: RpcSchema;
  /** Rejects with the signal's reason when it is aborted, with Timeout after `timeoutMs`. `onWarning`: the server's warnings. */
  unary<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: Request,
    options?: { timeoutMs?: number; signal?: AbortSignal; onWarning?: (warning: string) => void },
  ): Promise<Response>;
  /** Until the server ends it or the signal is aborted: then it ends quietly. Leaving the loop cancels the call. */
  serverStream<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: Request,
    signal: AbortSignal,
  ): AsyncIterable<Response>;
  /** The raw stream. Aborting the signal cancels it; one that has been ended in order gets a minute to be delivered. */
  duplex<Request, Response>(
    method: MethodDefinition<Request, Response>,
    signal: AbortSignal,
  ): ClientDuplexStream<Request, Response>;
  /** Resolves when there is a connection; rejects with ServiceUnavailable when there is none within `timeoutMs`. */
  connected(timeoutMs: number): Promise<void>;
  toApiError(error: unknown): ApiError;
  /** Another channel with the same certificates. `name`: whose certificate is expected there; absent: the one expected here. */
  sibling(address: string, name?: string): RpcChannel;
  close(): void;
}

/** The longest a unary call may take, in milliseconds, when it says nothing else. */
export const defaultTimeoutMs = 30_000;

/** Metadata in which the server sends warnings, percent-encoded. */
export const warningKey = 'coracle-warning';

/** How long what was sent on a stream may take to be taken after its sender has left, in milliseconds. */
const lingerMs = 60_000;

export const maxReceiveBytes = 64 * 1024 * 1024;

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
  // TLS names a server by DNS names only (RFC 6066): one reached by an IP address is asked for by a name of no meaning,
  // and its certificate is then checked for the address.
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
        // What was sent before an orderly end is still to arrive: cancelling would throw it away.
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
