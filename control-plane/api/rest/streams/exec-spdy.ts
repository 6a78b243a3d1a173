import type { Clock } from '../../../../shared/clock.ts';
import { ApiError } from '../../../../shared/errors.ts';
import type { Connection, TunnelFrame } from '../../../../shared/session.ts';
import { BoundedQueue } from './bounded-queue.ts';
import { channels, endFrame, failureText, frame, Resizes } from './channels.ts';
import type { Wanted } from './exec-websocket.ts';
import { maxUntaken, openMs } from './limits.ts';
import type { ClientEnd } from './relay.ts';
import { SpdyConnection } from './spdy/connection.ts';
import type { SpdyStream } from './spdy/stream.ts';

/** The differences of the versions: from 3 on there are terminal sizes, and from 4 on the end is a Status. */
interface Version {
  readonly resizes: boolean;
  readonly status: boolean;
}

/** The newest first. */
export const execVersions: ReadonlyMap<string, Version> = new Map([
  ['v4.channel.k8s.io', { resizes: true, status: true }],
  ['v3.channel.k8s.io', { resizes: true, status: false }],
  ['v2.channel.k8s.io', { resizes: false, status: false }],
  ['channel.k8s.io', { resizes: false, status: false }],
]);

type StreamType = 'stdin' | 'stdout' | 'stderr' | 'error' | 'resize';

/**
 * The client's end of exec or attach over SPDY: the client opens a stream each for stdin, stdout, stderr, terminal sizes and the error.
 * Resolves when it has opened all streams of its query; rejects with Timeout when it does not.
 */
export async function execOverSpdy(
  deps: { clock: Clock },
  wire: Connection<Uint8Array, Uint8Array>,
  version: Version,
  wanted: Wanted,
): Promise<ClientEnd> {
  const expected = expectedStreams(version, wanted);
  const streams = new Map<StreamType, SpdyStream>();
  const { promise: complete, resolve, reject } = settlable();
  const connection = new SpdyConnection(deps, wire, (stream) => {
    const type = stream.headers.get('streamtype') as StreamType;
    if (!expected.includes(type) || streams.has(type)) return false;
    streams.set(type, stream);
    if (streams.size === expected.length) resolve();
    return true;
  });
  const input = new BoundedQueue<TunnelFrame>(maxUntaken);
  const gone = new ApiError('Timeout', 'the client went before it had opened its streams');
  connection.run().then(
    () => {
      input.end();
      reject(gone);
    },
    (error: Error) => {
      input.end(error);
      reject(error);
    },
  );
  const late = deps.clock.timer(openMs, () => {
    reject(new ApiError('Timeout', 'timed out waiting for client to create streams'));
    connection.abort();
  });
  await complete.finally(() => late.cancel());

  void feed(streams.get('stdin'), input, (data) => [frame(channels.stdin, data)], endFrame(channels.stdin));
  const resizes = new Resizes();
  void feed(streams.get('resize'), input, (data) => resizes.push(data));
  const outputs = [undefined, streams.get('stdout'), streams.get('stderr')];
  const error = streams.get('error');
  for (const stream of [...outputs, error]) stream?.ignoreInput();
  return {
    incoming: input,
    async send({ channel, data, end }) {
      if (channel !== channels.status) {
        await outputs[channel]?.send(data);
        if (end) await outputs[channel]?.end();
        return;
      }
      await error?.send(version.status ? data : Buffer.from(failureText(data)));
      for (const stream of streams.values()) await stream.end();
    },
    close: () => connection.close(),
  };
}

function expectedStreams(version: Version, wanted: Wanted): StreamType[] {
  const types: StreamType[] = ['error'];
  for (const type of ['stdin', 'stdout', 'stderr'] as const) if (wanted[type]) types.push(type);
  if (wanted.tty && version.resizes) types.push('resize');
  return types;
}

async function feed(
  stream: SpdyStream | undefined,
  to: BoundedQueue<TunnelFrame>,
  framesOf: (data: Uint8Array) => Iterable<TunnelFrame>,
  last?: TunnelFrame,
): Promise<void> {
  if (!stream) return;
  for await (const data of stream.incoming) for (const each of framesOf(data)) await to.put(each, each.data.length);
  if (last) await to.put(last);
}

function settlable(): { promise: Promise<void>; resolve: () => void; reject: (error: Error) => void } {
  let resolve: () => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
