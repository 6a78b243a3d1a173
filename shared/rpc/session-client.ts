import type { SessionTransport, TunnelFrame } from '../session.ts';
import type { RpcChannel } from './channel.ts';
import { connectionOver } from './connection.ts';
import { dialHeartbeats } from './heartbeats.ts';
import type { WireTunnelFrame } from './messages.ts';
import { frameFromWire, fromNodeToWire, toNodeReader } from './session-messages.ts';

/** The agent's end: sessions and tunnels over one gRPC channel, with the node's certificate. */
export function grpcSessionTransport(channel: RpcChannel): SessionTransport {
  const { Connect, Tunnel } = channel.schema.sessions;
  const { toApiError } = channel;
  return {
    connect(signal) {
      const stream = channel.duplex(Connect, signal);
      return {
        ...connectionOver(stream, { encode: fromNodeToWire, decode: toNodeReader(), toApiError }),
        heartbeats: (target, until) => dialHeartbeats(channel, stream.getPeer(), target, until),
      };
    },
    tunnel(id, signal) {
      const stream = channel.duplex(Tunnel, signal);
      let first = true;
      const encode = (frame: TunnelFrame): WireTunnelFrame => {
        const wire = first ? { id, ...frame } : frame;
        first = false;
        return wire;
      };
      // The server pairs the tunnel by its id, so the id is sent at once, in a frame without data.
      stream.write(encode({ data: new Uint8Array(0), channel: 0, end: false }));
      return connectionOver(stream, { encode, decode: frameFromWire, toApiError });
    },
  };
}
