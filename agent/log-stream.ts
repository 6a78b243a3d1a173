import type { Clock } from '../shared/clock.ts';
import { ApiError, messageOf } from '../shared/errors.ts';
import type { Log } from '../shared/log.ts';
import type { LogStreamParameters, SessionTransport, TunnelFrame } from '../shared/session.ts';
import type { ContainerState, Runtime } from './runtime/runtime.ts';

export interface LogStreamDeps {
  readonly transport: SessionTransport;
  readonly runtime: Runtime;
  readonly clock: Clock;
  readonly log: Log;
  /** The container that the request means. */
  find(parameters: LogStreamParameters): ContainerState | undefined;
  hasPod(uid: string): boolean;
}

const stdout = 1;
const errorChannel = 3;
/** Bytes of one frame at most. */
const maxFrame = 65_536;
/** How long the other side may take to read the rest and to close the tunnel. */
const lingerMs = 10_000;

/**
 * Dials the tunnel that a log request asked for and sends the log down it, each frame after the one before was taken. What
 * goes wrong travels as a Status on the error channel; the end of the log as the end of channel 1.
 */
export async function streamLogs(
  deps: LogStreamDeps,
  id: string,
  parameters: LogStreamParameters,
  signal: AbortSignal,
): Promise<void> {
  const own = new AbortController();
  const both = AbortSignal.any([signal, own.signal]);
  // The tunnel outlives the reading: cut at its end, it would lose what is still on its way.
  const cut = new AbortController();
  const tunnel = deps.transport.tunnel(id, AbortSignal.any([signal, cut.signal]));
  const watching = drain(tunnel.incoming)
    .catch(() => undefined)
    .finally(() => own.abort());
  try {
    await sendLog(deps, parameters, (data) => tunnel.send({ data, channel: stdout, end: false }), both);
    await tunnel.send({ data: new Uint8Array(), channel: stdout, end: true });
  } catch (error) {
    if (!both.aborted) {
      const status = (error instanceof ApiError ? error : new ApiError('InternalError', messageOf(error))).toStatus();
      const data = Buffer.from(JSON.stringify(status));
      await tunnel.send({ data, channel: errorChannel, end: true }).catch((failure: unknown) => {
        deps.log.debug({ err: messageOf(failure) }, 'the reader of a log has gone');
      });
    }
  } finally {
    tunnel.close();
    own.abort();
    await Promise.race([watching, deps.clock.sleep(lingerMs, cut.signal).catch(() => undefined)]);
    cut.abort();
  }
}

async function sendLog(
  deps: LogStreamDeps,
  parameters: LogStreamParameters,
  send: (data: Uint8Array) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const state = deps.find(parameters);
  if (!state) throw missing(deps, parameters);
  const { follow, timestamps, since, tail, limitBytes } = parameters;
  const options = {
    // What has ended says nothing more, and a former container never does.
    follow: follow && state.state === 'running',
    timestamps,
    ...(since === undefined ? {} : { since }),
    ...(tail === undefined ? {} : { tail }),
  };
  let left = limitBytes ?? Number.POSITIVE_INFINITY;
  for await (const chunk of deps.runtime.logs(state.id, options, signal)) {
    for (let at = 0; at < chunk.length && left > 0; ) {
      const data = chunk.subarray(at, at + Math.min(maxFrame, left));
      await send(data);
      at += data.length;
      left -= data.length;
    }
    if (left <= 0 || signal.aborted) return;
  }
}

function missing(deps: LogStreamDeps, { namespace, pod, uid, container, previous }: LogStreamParameters): ApiError {
  if (!deps.hasPod(uid)) return new ApiError('NotFound', `pod "${pod}" not found`);
  if (previous) {
    const text = `previous terminated container "${container}" in pod "${pod}" not found`;
    return new ApiError('BadRequest', text);
  }
  return new ApiError(
    'BadRequest',
    `container "${container}" in pod "${pod}" is waiting to start: ContainerCreating (${namespace})`,
  );
}

async function drain(incoming: AsyncIterable<TunnelFrame>): Promise<void> {
  for await (const frame of incoming) if (frame.end && frame.channel === 0) return;
}
