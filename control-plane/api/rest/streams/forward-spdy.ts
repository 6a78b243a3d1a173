import type { Clock } from '../../../../shared/clock.ts';
import { messageOf } from '../../../../shared/errors.ts';
import type { Connection, TunnelFrame } from '../../../../shared/session.ts';
import type { PodStream } from '../../api.ts';
import { channels, endFrame, failureText, frame } from './channels.ts';
import { openMs } from './limits.ts';
import { type ClientEnd, relay } from './relay.ts';
import { SpdyConnection } from './spdy/connection.ts';
import type { SpdyStream } from './spdy/stream.ts';

/** The one version of port-forward over SPDY. */
export const forwardProtocol = 'portforward.k8s.io';

/** How a port of the pod is reached. */
export type OpenPort = (port: number) => Promise<PodStream>;

export interface Forwarding {
  readonly clock: Clock;
  readonly openPort: OpenPort;
  /** What a person is told when a port can't be forwarded. */
  readonly failure: (port: number, why: string) => string;
  /** Ends everything. */
  readonly signal: AbortSignal;
}

/**
 * Serves port-forward over SPDY until the client has gone: for each connection that it accepted it opens two streams, one for the bytes and
 * one on which it is told of a failure.
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
  /** Both must come in time. */
  readonly late: { cancel(): void };
}

/** Old clients do not number their requests, but open the error's stream right before the data's. */
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

/** The client takes the end of the data for the connection's: what went wrong must be there before. */
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
    // The client has said everything and listens still.
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
        // A word of failure makes kubectl end all that it forwards: too much for one connection that broke on its way.
        if (answered) data.reset();
        else await error.send(Buffer.from(why));
      }
    },
    close: () => void finish(data, error).catch(clientGone),
  };
}

/** For writes: that the client has gone shows in what comes from it. */
function clientGone(error: unknown): void {
  if (!(error instanceof Error)) throw error;
}
