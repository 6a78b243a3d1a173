import type { Clock } from '../../shared/clock.ts';
import { ApiError, messageOf } from '../../shared/errors.ts';
import { type Random, uuid } from '../../shared/random.ts';
import type { Connection, StreamRequest, ToNode, TunnelFrame } from '../../shared/session.ts';
import { checkedFrames } from './node-frames.ts';

/** How long an agent has to dial a tunnel that it was asked for. */
const dialMs = 10_000;

export type Tunnel = Connection<TunnelFrame, TunnelFrame>;

/** A node that cannot be reached, as Kubernetes' API server tells of a kubelet. */
export function dialError(why: string): ApiError {
  return new ApiError('Unknown', `error dialing backend: ${why}`);
}

/** A node's session, as far as its tunnels need it. */
export interface Line {
  send(message: ToNode): Promise<void>;
  /** Aborted when the session has ended. */
  readonly ended: AbortSignal;
}

interface Pending {
  readonly node: string;
  readonly take: (tunnel: Tunnel) => Promise<void>;
}

/** Pairs the tunnels that agents dial with the requests that wait for them. */
export class Tunnels {
  readonly #deps: { clock: Clock; random: Random };
  readonly #pending = new Map<string, Pending>();

  constructor(deps: { clock: Clock; random: Random }) {
    this.#deps = deps;
  }

  /**
   * Asks `node` for a tunnel by its session and resolves with it. Its `close`, or the signal's abortion, lets the agent's
   * call end and tells the agent so. Rejects with `dialError` when the agent does not dial in time, or its session ends before.
   */
  open(node: string, request: StreamRequest, session: Line, signal: AbortSignal): Promise<Tunnel> {
    const id = uuid(this.#deps.random);
    const tell = (message: ToNode): Promise<void> => session.send(message);
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
        // It may be about to dial, and have begun what it was asked for.
        tell({ type: 'closeStream', id }).catch(() => undefined);
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
            resolve(closing(tunnel, { id, tell, release }, signal));
          }),
      });
      tell({ type: 'openStream', id, ...request }).catch((error) => fail(dialError(messageOf(error))));
    });
  }

  /** Hands over the tunnel that `node` dialled; resolves when the request is done with it. */
  async accept(id: string, node: string, tunnel: Tunnel): Promise<void> {
    const pending = this.#pending.get(id);
    if (!pending || pending.node !== node) throw new ApiError('NotFound', `no stream ${id} was asked of node ${node}`);
    await pending.take(tunnel);
  }
}

/**
 * The tunnel as the request has it. Its end travels by the session as well: in a tunnel that is full it would wait behind what the
 * agent does not take, such as the input of a command that reads none.
 */
function closing(
  tunnel: Tunnel,
  { id, tell, release }: { id: string; tell: (message: ToNode) => Promise<void>; release: () => void },
  signal: AbortSignal,
): Tunnel {
  let closed = false;
  const close = (): void => {
    if (closed) return;
    closed = true;
    signal.removeEventListener('abort', close);
    tunnel.close();
    release();
    // A session that is gone has ended its streams.
    tell({ type: 'closeStream', id }).catch(() => undefined);
  };
  if (signal.aborted) close();
  else signal.addEventListener('abort', close, { once: true });
  return { send: (frame) => tunnel.send(frame), incoming: checkedFrames(tunnel.incoming), close };
}
