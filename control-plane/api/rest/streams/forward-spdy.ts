import type { Clock } from '../../../../shared/clock.ts';
import { messageOf } from '../../../../shared/errors.ts';
import type { Connection, TunnelFrame } from '../../../../shared/session.ts';
import type { PodStream } from '../../api.ts';
import { channels, endFrame, failureText, frame } from './channels.ts';
import { openMs } from './limits.ts';
import { type ClientEnd, relay } from './relay.ts';
import { SpdyConnection } from './spdy/connection.ts';
import type { SpdyStream } from './spdy/stream.ts';

/** The only version of port-forward over SPDY. */
export const forwardProtocol = 'portforward.k8s.io';

/** How the ports of the pod are reached. */
export type OpenPort = (port: number) => Promise<PodStream>;

export interface Forwarding {
  readonly clock: Clock;
  readonly openPort: OpenPort;
  /** The message for a port that cannot be forwarded. */
  readonly failure: (port: number, why: string) => string;
  /** Ends all connections. */
  readonly signal: AbortSignal;
}

/**
 * Serves port-forward over SPDY until the client has left. The client opens two streams for each connection, one for bytes and one for
 * an error.
 */
export async function forwardOverSpdy(deps: Forwarding, wire: Connection<Uint8Array, Uint8Array>): Promise<void> {
  const pairs = new Map<string, Pair>();
  const connection = new SpdyConnection(deps, wire, (stream) => {
    const type = stream.headers.get('streamtype');
    const port = Number(stream.headers.get('port'));
    if ((type !== 'data' && type !== 'error') || !Number.isInteger(port) || port < 1 || port > 65_535) return false;
    const id = requestOf(stream, type);
    const pair = pairs.get(id) ?? startPair(id);
    if (pair[type]) return false;
    pair[type] = stream;
    if (pair.data && pair.error) {
      pair.late.cancel();
      pairs.delete(id);
      void forward(deps, port, pair.data, pair.error);
    }
    return true;
  });
  const startPair = (id: string): Pair => {
    const late = deps.clock.timer(openMs, () => {
      pairs.delete(id);
      pair.data?.reset();
      pair.error?.reset();
    });
    const pair: Pair = { late };
    pairs.set(id, pair);
    return pair;
  };
  const end = (): void => connection.abort();
  deps.signal.addEventListener('abort', end, { once: true });
  try {
    await connection.run();
  } finally {
    deps.signal.removeEventListener('abort', end);
    for (const { late } of pairs.values()) late.cancel();
  }
}

interface Pair {
  data?: SpdyStream;
  error?: SpdyStream;
  /** The timeout for the second stream. */
  readonly late: { cancel(): void };
}

/** Old clients do not number their requests: they open the error stream right before the data stream. */
function requestOf(stream: SpdyStream, type: 'data' | 'error'): string {
  return stream.headers.get('requestid') || String(type === 'error' ? stream.id : stream.id - 2);
}

async function forward(
  { openPort, failure, signal }: Forwarding,
  port: number,
  data: SpdyStream,
  error: SpdyStream,
): Promise<void> {
  error.ignoreInput();
  try {
    const pod = await openPort(port);
    await relay(clientEnd(data, error), pod, signal);
  } catch (problem) {
    await error
      .send(Buffer.from(failure(port, messageOf(problem))))
      .then(() => finish(data, error))
      .catch(clientGone);
  }
}

/** The client takes the end of the data for the end of the connection, so the error must be sent before. */
async function finish(data: SpdyStream, error: SpdyStream): Promise<void> {
  await error.end();
  await data.end();
}

function clientEnd(data: SpdyStream, error: SpdyStream): ClientEnd {
  let answered = false;
  async function* incoming(): AsyncGenerator<TunnelFrame> {
    for await (const bytes of data.incoming) yield frame(channels.stdin, bytes);
    if (data.closed.aborted) return;
    yield endFrame(channels.stdin);
    // The client has closed its direction and still reads.
    if (data.closed.aborted) return;
    await new Promise((resolve) => data.closed.addEventListener('abort', resolve, { once: true }));
  }
  return {
    incoming: incoming(),
    async send({ channel, data: bytes, end }) {
      if (channel === channels.stdout) {
        answered = true;
        await data.send(bytes);
        if (end) await data.end();
      } else if (channel === channels.status) {
        const why = failureText(bytes);
        if (why === '') return;
        // An error makes kubectl end all its forwarded connections: too much for one that broke.
        if (answered) data.reset();
        else await error.send(Buffer.from(why));
      }
    },
    close: () => void finish(data, error).catch(clientGone),
  };
}

/** For writes: the client's end also shows in what is read. */
function clientGone(error: unknown): void {
  if (!(error instanceof Error)) throw error;
}
