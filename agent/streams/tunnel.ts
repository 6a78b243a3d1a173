import type { Clock } from '../../shared/clock.ts';
import { ApiError, messageOf } from '../../shared/errors.ts';
import type { Status } from '../../shared/generated/types.ts';
import type { Log } from '../../shared/log.ts';
import type { SessionTransport, TunnelFrame } from '../../shared/session.ts';

export const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const;

/** Bytes of one frame at most. */
const maxFrame = 65_536;
/** How long nothing may travel before a stream is ended: the kubelet's `streamingConnectionIdleTimeout`. */
const idleMs = 4 * 3_600_000;

export interface TunnelDeps {
  readonly transport: SessionTransport;
  readonly clock: Clock;
  readonly log: Log;
}

/** A tunnel as what it carries sees it. */
export interface TunnelEnd {
  /** In frames of bounded size; resolves when they have been handed on, so that what sends goes no faster than what reads. */
  send(channel: number, data: Uint8Array): Promise<void>;
  /** Nothing more comes on this channel. */
  end(channel: number): Promise<void>;
  /**
   * Takes what comes in: the next frame is read when the promise has settled. To be called before anything is waited for; what
   * comes when nobody takes it is dropped.
   */
  take(frame: (frame: TunnelFrame) => Promise<void>): void;
  /** Aborted when the other side has gone, nothing has travelled for hours, or the request is over for other reasons. */
  readonly signal: AbortSignal;
}

/** What a stream does with its tunnel; what it returns or throws is told in the last frame. */
export type Serve = (tunnel: TunnelEnd) => Promise<Status>;

export const success: Status = { status: 'Success', metadata: {} };

/**
 * Dials tunnel `id`, lets `serve` use it and tells its outcome as a Status on the error channel. `signal` is how the request
 * ends from outside; `serve` must come back soon after it.
 */
export async function serveTunnel(deps: TunnelDeps, id: string, serve: Serve, signal: AbortSignal): Promise<void> {
  const { clock, log, transport } = deps;
  // The tunnel outlives the serving: cut at its end, it would lose what is still on its way.
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
      // What it is for may have ended: the rest is read all the same, up to the end that the other side sends.
      await taker?.(frame).catch(() => undefined);
    }
  })();
  reading.catch(() => undefined).finally(() => over.abort(new Error('the client has gone')));
  try {
    const status = await serving;
    if (!signal.aborted) await tunnel.send(statusFrame(status));
  } catch (error) {
    log.debug({ err: messageOf(error) }, 'the reader of a stream has gone');
  } finally {
    taker = undefined;
    tunnel.close();
    // Whoever reads slowly gets all of it: the other side closes the tunnel when it has.
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

/** One timer a while, not one a frame. */
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
