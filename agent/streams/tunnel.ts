import type { Clock } from '../../shared/clock.ts';
import { ApiError, messageOf } from '../../shared/errors.ts';
import type { Status } from '../../shared/generated/types.ts';
import type { Log } from '../../shared/log.ts';
import type { Connection, SessionTransport, TunnelFrame } from '../../shared/session.ts';

export const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const;

/** Bytes of one frame at most. */
export const maxFrame = 65_536;
/** How long the other side may take to read the rest and to close the tunnel. */
const lingerMs = 10_000;

export interface TunnelDeps {
  readonly transport: SessionTransport;
  readonly clock: Clock;
  readonly log: Log;
}

/** What a stream does with its tunnel; what it returns or throws is told as the last frame. */
export type Serve = (tunnel: Connection<TunnelFrame, TunnelFrame>, signal: AbortSignal) => Promise<Status>;

export const success: Status = { status: 'Success', metadata: {} };

/**
 * Dials tunnel `id`, lets `serve` use it and tells its outcome as a Status on the error channel. `signal` is how the request
 * ends from outside; `serve` has it, and must come back soon after.
 */
export async function serveTunnel(deps: TunnelDeps, id: string, serve: Serve, signal: AbortSignal): Promise<void> {
  // The tunnel outlives the serving: cut at its end, it would lose what is still on its way.
  const cut = new AbortController();
  const tunnel = deps.transport.tunnel(id, AbortSignal.any([signal, cut.signal]));
  try {
    const status = await outcome(serve, tunnel, signal);
    if (!signal.aborted) await tunnel.send(statusFrame(status));
  } catch (error) {
    deps.log.debug({ err: messageOf(error) }, 'the reader of a stream has gone');
  } finally {
    tunnel.close();
    const rest = drain(tunnel.incoming).catch(() => undefined);
    await Promise.race([rest, deps.clock.sleep(lingerMs, cut.signal).catch(() => undefined), aborted(signal)]);
    cut.abort();
  }
}

async function outcome(serve: Serve, tunnel: Connection<TunnelFrame, TunnelFrame>, signal: AbortSignal) {
  try {
    return await serve(tunnel, signal);
  } catch (error) {
    return (error instanceof ApiError ? error : new ApiError('InternalError', messageOf(error))).toStatus();
  }
}

function statusFrame(status: Status): TunnelFrame {
  const data = Buffer.from(JSON.stringify({ kind: 'Status', apiVersion: 'v1', ...status }));
  return { data, channel: channels.error, end: true };
}

/** Reads until the other side has closed its end. Throws when the tunnel breaks. */
export async function drain(incoming: AsyncIterable<TunnelFrame>): Promise<void> {
  for await (const frame of incoming) void frame;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
