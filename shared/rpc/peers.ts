import type { ClientDuplexStream } from '@grpc/grpc-js';
import { ApiError } from '../errors.ts';
import type { PeerTransport } from '../peers.ts';
import type { Connection, TunnelFrame } from '../session.ts';
import type { RpcChannel } from './channel.ts';
import type { PeerInput, PeerOutput } from './messages.ts';
import { PeerChannels, type PeerChannelsDeps } from './peer-channels.ts';
import { frameFromWire, streamRequestToWire } from './session-messages.ts';
import { incomingOf, writeMessage } from './streams.ts';
import { usageFromWire } from './usage.ts';

/** How long opening a node's stream on another server may take, in milliseconds: the node has ten seconds. */
const openMs = 12_000;

/** Calls other servers over gRPC, on one connection to each. `close` closes them. */
export function grpcPeers(deps: PeerChannelsDeps): PeerTransport & { close(): void } {
  const { Stream, Usage } = deps.schema.peers;
  const channels = new PeerChannels(deps);

  return {
    async open(peer, node, request, signal) {
      const used = await channels.connect(peer);
      if (!used) return undefined;
      const stop = new AbortController();
      const onAbort = (): void => stop.abort(signal.reason);
      const call = used.channel.duplex(Stream, stop.signal);
      call.once('status', () => {
        signal.removeEventListener('abort', onAbort);
        used.release();
      });
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort, { once: true });
      const messages = incomingOf<PeerOutput>(call)[Symbol.asyncIterator]();
      const late = deps.clock.timer(openMs, () =>
        stop.abort(new ApiError('Timeout', `${peer.address} did not answer`)),
      );
      try {
        call.write({ request: { server: peer.id, node, ...streamRequestToWire(request) } } satisfies PeerInput);
        const first = await messages.next();
        if (!first.done && first.value.open) return streamOver(call, messages, used.channel.toApiError, stop);
      } catch (error) {
        throw stop.signal.aborted ? stop.signal.reason : used.channel.toApiError(error);
      } finally {
        late.cancel();
      }
      stop.abort();
      return undefined;
    },

    async *usage(peer, nodes, signal) {
      const used = await channels.connect(peer);
      if (!used) return;
      try {
        for await (const { node = '', report = {} } of used.channel.serverStream(Usage, { nodes }, signal)) {
          yield { node, report: usageFromWire(report) };
        }
      } finally {
        used.release();
      }
    },

    close: () => channels.close(),
  };
}

/** An open stream. After `close` it ends without an error. */
function streamOver(
  call: ClientDuplexStream<PeerInput, PeerOutput>,
  messages: AsyncIterator<PeerOutput>,
  toApiError: RpcChannel['toApiError'],
  stop: AbortController,
): Connection<TunnelFrame, TunnelFrame> {
  async function* frames(): AsyncGenerator<TunnelFrame> {
    try {
      for (let next = await messages.next(); !next.done; next = await messages.next()) {
        if (next.value.frame) yield frameFromWire(next.value.frame);
      }
    } catch (error) {
      if (!stop.signal.aborted) throw toApiError(error);
    }
  }
  return {
    async send(frame) {
      try {
        await writeMessage(call, { frame } satisfies PeerInput);
      } catch (error) {
        throw toApiError(error);
      }
    },
    incoming: frames(),
    close: () => stop.abort(),
  };
}
