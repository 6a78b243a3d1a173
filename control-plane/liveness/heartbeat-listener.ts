import type { PeerCertificate } from 'node:tls';
import { Server, type ServerDuplexStream } from '@grpc/grpc-js';
import type { Clock } from '../../shared/clock.ts';
import { ApiError, messageOf, reasons } from '../../shared/errors.ts';
import type { Log } from '../../shared/log.ts';
import { connectionOver } from '../../shared/rpc/connection.ts';
import {
  heartbeatFromWire,
  heartbeatMethod,
  type WireHeartbeat,
  type WireHeartbeatAck,
} from '../../shared/rpc/heartbeats.ts';
import { ReplaceableCredentials, type ServerTls } from '../../shared/rpc/server-credentials.ts';
import type { CertifiedNode, Heartbeat, HeartbeatAck, HeartbeatServer } from '../../shared/session.ts';

export interface HeartbeatListenerDeps {
  readonly heartbeats: HeartbeatServer;
  /** The node of a certificate that the cluster's CA has signed; undefined if it is not a node's, or not valid `now`, milliseconds since the epoch. */
  readonly nodeOf: (certificate: PeerCertificate, now: number) => CertifiedNode | undefined;
  readonly tls: ServerTls;
  readonly clock: Clock;
  readonly log: Log;
}

/** The Heartbeats service on a port of its own, for nodes only. */
export interface HeartbeatListener {
  /** Binds `host:port` (port 0: any free one) and serves; resolves with the port. */
  listen(address: string): Promise<number>;
  /** New certificates for later connections. */
  replaceTls(tls: ServerTls): void;
  close(): void;
}

const settings = {
  // A heartbeat has about 50 bytes.
  'grpc.max_receive_message_length': 1024,
  'grpc.max_concurrent_streams': 4,
  // Broken and idle connections are closed.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.max_connection_idle_ms': 30_000,
};

type HeartbeatStream = ServerDuplexStream<WireHeartbeat, WireHeartbeatAck>;

export function createHeartbeatListener(deps: HeartbeatListenerDeps): HeartbeatListener {
  const { clock, heartbeats, nodeOf, log } = deps;
  const server = new Server(settings);
  const credentials = new ReplaceableCredentials(deps.tls, { required: true, sendsAuthority: false });

  async function serve(stream: HeartbeatStream): Promise<void> {
    const { sslPeerCertificate: certificate } = stream.getAuthContext();
    const caller = certificate && nodeOf(certificate, clock.now());
    if (!caller) throw new ApiError('Forbidden', 'only nodes send heartbeats');
    const connection = connectionOver<WireHeartbeat, WireHeartbeatAck, Heartbeat, HeartbeatAck>(stream, {
      encode: ({ sequence }) => ({ sequence }),
      decode: heartbeatFromWire,
    });
    await heartbeats.serveHeartbeats(connection, caller);
  }

  const handler = (stream: HeartbeatStream): void => {
    serve(stream).then(
      () => {
        if (!stream.destroyed) stream.end();
      },
      (error: unknown) => {
        const { reason, message } = error instanceof ApiError ? error : new ApiError('InternalError', 'internal error');
        log.debug(
          { component: 'nodes', peer: stream.getPeer(), err: messageOf(error) },
          'a stream of heartbeats ended',
        );
        if (!stream.destroyed) stream.emit('error', { code: reasons[reason].grpc, details: message });
      },
    );
  };
  server.addService({ Beat: heartbeatMethod() }, { Beat: handler });

  return {
    listen: (address) =>
      new Promise((resolve, reject) => {
        server.bindAsync(address, credentials, (error, port) => (error ? reject(error) : resolve(port)));
      }),
    replaceTls: (tls) => credentials.replace(tls),
    close: () => server.forceShutdown(),
  };
}
