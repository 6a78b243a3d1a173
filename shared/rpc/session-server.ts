import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { Clock } from '../clock.ts';
import { ApiError } from '../errors.ts';
import type { Connection, FromNode, ToNode, TunnelFrame } from '../session.ts';
import { TokenBucket } from '../token-bucket.ts';
import { connectionOver } from './connection.ts';
import type { WireFromNode, WireToNode, WireTunnelFrame } from './messages.ts';
import { frameFromWire, fromNodeFromWire, toNodeToWire } from './session-messages.ts';
import { incomingOf, writeMessage } from './streams.ts';

/** How many bytes one session may send: a burst for all that an agent reports at first, then a rate. */
const sessionRate = { burst: 16 * 2 ** 20, perSecond: 2 ** 20 };
/** What a message costs in addition to its bytes. */
const messageCost = 512;

/** The server's end of a session. A message beyond the rate waits at its sender. */
export function serverSession(
  stream: ServerDuplexStream<WireFromNode, WireToNode>,
  clock: Pick<Clock, 'monotonic' | 'sleep'>,
  signal?: AbortSignal,
): Connection<FromNode, ToNode> {
  const bytes = new TokenBucket(clock, sessionRate);
  const connection = connectionOver(stream, {
    encode: (wire: WireToNode) => wire,
    decode: fromNodeFromWire,
    pace: (wire) => bytes.take(costOf(wire), signal),
    signal,
  });
  return {
    ...connection,
    async send(message) {
      for (const wire of toNodeToWire(message)) await connection.send(wire);
    },
  };
}

function costOf({ register, pod_status, node_status, event, metrics }: WireFromNode): number {
  const texts = [
    register?.node,
    node_status?.status,
    event?.event,
    ...(pod_status?.updates ?? []).map((one) => one.status),
  ];
  const bytes = texts.reduce((sum, text) => sum + (text?.length ?? 0), 0);
  return messageCost + bytes + messageCost * (metrics?.pods?.length ?? 0);
}

/** The server's end of a tunnel, after the first frame, which names the tunnel. Throws BadRequest if it does not. */
export async function serverTunnel(
  stream: ServerDuplexStream<WireTunnelFrame, WireTunnelFrame>,
  signal?: AbortSignal,
): Promise<{ id: string; connection: Connection<TunnelFrame, TunnelFrame> }> {
  const frames = incomingOf<WireTunnelFrame>(stream, signal)[Symbol.asyncIterator]();
  const first = await frames.next();
  const id = first.done ? undefined : first.value.id;
  if (!id) throw new ApiError('BadRequest', 'the first frame of a tunnel must name its id');
  return {
    id,
    connection: {
      send: (frame) => writeMessage(stream, frame),
      incoming: framesAfter(first.value, frames),
      close: () => void stream.end(),
    },
  };
}

async function* framesAfter(first: WireTunnelFrame, rest: AsyncIterator<WireTunnelFrame>): AsyncGenerator<TunnelFrame> {
  if (first.data?.length || first.end) yield frameFromWire(first);
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield frameFromWire(next.value);
}
