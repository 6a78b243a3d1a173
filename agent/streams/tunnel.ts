import type { Clock } from '../../shared/clock.ts';
import { ApiError, messageOf } from '../../shared/errors.ts';
import type { Status } from '../../shared/generated/types.ts';
import type { Log } from '../../shared/log.ts';
import type { SessionTransport, TunnelFrame } from '../../shared/session.ts';

export const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const;

/** The most bytes of one frame. */
const maxFrame = 65_536;
/** A stream without traffic for this long is ended: the kubelet's `streamingConnectionIdleTimeout`. */
const idleMs = 4 * 3_600_000;

export interface TunnelDeps {
  readonly transport: SessionTransport;
  readonly clock: Clock;
  readonly log: Log;
}

/** The agent's end of a tunnel. */
export interface TunnelEnd {
  /** Sends frames of bounded size; resolves when the transport takes more, so that the sender is no faster than the reader. */
  send(channel: number, data: Uint8Array): Promise<void>;
  /** Ends a channel. */
  end(channel: number): Promise<void>;
  /**
   * Sets the receiver of frames; the next frame is read when its promise has settled. Call it before the first await: frames that arrive
   * without a receiver are dropped.
   */
  take(frame: (frame: TunnelFrame) => Promise<void>): void;
  /** Aborted when the other side has disconnected, the stream was idle for too long, or the request has ended. */
  readonly signal: AbortSignal;
}

/** Serves a stream over its tunnel; its result or error is sent in the last frame. */
export type Serve = (tunnel: TunnelEnd) => Promise<Status>;

export const success: Status = { status: 'Success', metadata: {} };

/**
 * Dials tunnel `id`, runs `serve` over it and sends the outcome as a Status on the error channel. When `signal` is aborted, `serve` must
 * return soon.
 */
export async function serveTunnel(deps: TunnelDeps, id: string, serve: Serve, signal: AbortSignal): Promise<void> {
  const { clock, log, transport } = deps;
  // The tunnel outlives `serve`: closing it at once would lose the last frames.
  const cut = new AbortController();
  const tunnel = transport.tunnel(id, AbortSignal.any([signal, cut.signal]));
  const over = new AbortController();
  const idle = new IdleTimer(clock, () => over.abort(new ApiError('Timeout', 'the stream was idle for too long')));
  let taker: ((frame: TunnelFrame) => Promise<void>) | undefined;
  const end: TunnelEnd = {
    async send(channel, data) {
      for (let at = 0; at < data.length; at += maxFrame) {
        await tunnel.send({ data: data.subarray(at, at + maxFrame), channel, end: false });
        idle.touch();
      }
    },
    end: (channel) => tunnel.send({ data: new Uint8Array(), channel, end: true }),
    take: (frame) => {
      taker = frame;
    },
    signal: AbortSignal.any([signal, over.signal]),
  };
  const serving = outcome(serve, end);
  const reading = (async () => {
    for await (const frame of tunnel.incoming) {
      idle.touch();
      // Frames are read to the end, even when `serve` has returned.
      await taker?.(frame).catch(() => undefined);
    }
  })();
  reading.catch(() => undefined).finally(() => over.abort(new Error('the client has disconnected')));
  try {
    const status = await serving;
    if (!signal.aborted) await tunnel.send(statusFrame(status));
  } catch (error) {
    log.debug({ err: messageOf(error) }, 'the client of a stream has disconnected');
  } finally {
    taker = undefined;
    tunnel.close();
    // The other side closes the tunnel when it has read everything.
    await aborted(end.signal);
    idle.stop();
    cut.abort();
  }
}

async function outcome(serve: Serve, end: TunnelEnd): Promise<Status> {
  try {
    return await serve(end);
  } catch (error) {
    return (error instanceof ApiError ? error : new ApiError('InternalError', messageOf(error))).toStatus();
  }
}

function statusFrame(status: Status): TunnelFrame {
  const data = Buffer.from(JSON.stringify({ kind: 'Status', apiVersion: 'v1', ...status }));
  return { data, channel: channels.error, end: true };
}

/** Sets its timer anew only when it fires, not at each frame. */
class IdleTimer {
  readonly #clock: Clock;
  readonly #expired: () => void;
  #timer;
  #last: number;

  constructor(clock: Clock, expired: () => void) {
    this.#clock = clock;
    this.#expired = expired;
    this.#last = clock.monotonic();
    this.#timer = clock.timer(idleMs, () => this.#check());
  }

  touch(): void {
    this.#last = this.#clock.monotonic();
  }

  stop(): void {
    this.#timer.cancel();
  }

  #check(): void {
    const left = this.#last + idleMs - this.#clock.monotonic();
    if (left <= 0) this.#expired();
    else this.#timer = this.#clock.timer(left, () => this.#check());
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
