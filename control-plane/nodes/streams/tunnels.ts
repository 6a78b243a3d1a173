import type { Clock } from '../../../shared/clock.ts';
import { ApiError, messageOf } from '../../../shared/errors.ts';
import { type Random, uuid } from '../../../shared/random.ts';
import type { Connection, StreamRequest, ToNode, TunnelFrame } from '../../../shared/session.ts';
import { checkedFrames } from './node-frames.ts';

/** How long an agent may take to dial a tunnel, in milliseconds. */
const dialMs = 10_000;

export type Tunnel = Connection<TunnelFrame, TunnelFrame>;

/** The error for a node that cannot be reached, as Kubernetes' API server has it for a kubelet. */
export function dialError(reason: string): ApiError {
  return new ApiError('Unknown', `error dialing backend: ${reason}`);
}

/** A node's session as its tunnels need it. */
export interface TunnelSession {
  send(message: ToNode): Promise<void>;
  /** Aborted when the session has ended. */
  readonly ended: AbortSignal;
}

interface Pending {
  readonly node: string;
  readonly take: (tunnel: Tunnel) => Promise<void>;
}

/** Pairs tunnels that agents dial with the requests that wait for them. */
export class Tunnels {
  readonly #deps: { clock: Clock; random: Random };
  readonly #pending = new Map<string, Pending>();

  constructor(deps: { clock: Clock; random: Random }) {
    this.#deps = deps;
  }

  /**
   * Requests a tunnel of `node` by its session and resolves with it. Its `close`, or aborting the signal, ends the agent's call and
   * cancels the stream. Rejects with `dialError` if the agent does not dial in time, or the session ends before.
   */
  open(node: string, request: StreamRequest, session: TunnelSession, signal: AbortSignal): Promise<Tunnel> {
    const id = uuid(this.#deps.random);
    const send = (message: ToNode): Promise<void> => session.send(message);
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        timer.cancel();
        signal.removeEventListener('abort', onAbort);
        session.ended.removeEventListener('abort', onEnd);
        this.#pending.delete(id);
      };
      const fail = (error: unknown): void => {
        settle();
        reject(error);
        // The agent may be dialling, and may have started the stream.
        send({ type: 'closeStream', id }).catch(() => undefined);
      };
      const onAbort = (): void => fail(signal.reason);
      const onEnd = (): void => fail(dialError(messageOf(session.ended.reason)));
      const timer = this.#deps.clock.timer(dialMs, () =>
        fail(dialError(`node ${node} did not open a stream within ${dialMs / 1000} s`)),
      );
      if (signal.aborted) {
        settle();
        return reject(signal.reason);
      }
      signal.addEventListener('abort', onAbort, { once: true });
      session.ended.addEventListener('abort', onEnd, { once: true });
      this.#pending.set(id, {
        node,
        take: (tunnel) =>
          new Promise<void>((release) => {
            settle();
            resolve(closing(tunnel, { id, send, release }, signal));
          }),
      });
      send({ type: 'openStream', id, ...request }).catch((error) => fail(dialError(messageOf(error))));
    });
  }

  /** Pairs a tunnel that `node` has dialled; resolves when its request has ended. */
  async accept(id: string, node: string, tunnel: Tunnel): Promise<void> {
    const pending = this.#pending.get(id);
    if (!pending || pending.node !== node)
      throw new ApiError('NotFound', `no stream ${id} was requested of node ${node}`);
    await pending.take(tunnel);
  }
}

/**
 * The tunnel as its request has it. Closing it is sent over the session as well: in a full tunnel it would wait behind data that the
 * agent does not read, such as the input of a command that reads none.
 */
function closing(
  tunnel: Tunnel,
  { id, send, release }: { id: string; send: (message: ToNode) => Promise<void>; release: () => void },
  signal: AbortSignal,
): Tunnel {
  let closed = false;
  const close = (): void => {
    if (closed) return;
    closed = true;
    signal.removeEventListener('abort', close);
    tunnel.close();
    release();
    // A session that has ended has cancelled its streams.
    send({ type: 'closeStream', id }).catch(() => undefined);
  };
  if (signal.aborted) close();
  else signal.addEventListener('abort', close, { once: true });
  return { send: (frame) => tunnel.send(frame), incoming: checkedFrames(tunnel.incoming), close };
}
