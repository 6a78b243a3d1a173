import type { Clock } from '../../shared/clock.ts';
import { ApiError } from '../../shared/errors.ts';
import { type Random, uuid } from '../../shared/random.ts';
import type { Connection, TunnelFrame } from '../../shared/session.ts';

/** How long an agent has to dial a tunnel that it was asked for. */
const dialMs = 10_000;

type Tunnel = Connection<TunnelFrame, TunnelFrame>;

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
   * Asks `node` for a tunnel by `ask(id)` and resolves with it. `release` must be called when the tunnel is no longer used: it
   * lets the agent's call end. ServiceUnavailable when the agent does not dial in time.
   */
  open(
    node: string,
    ask: (id: string) => Promise<void>,
    signal: AbortSignal,
  ): Promise<{ tunnel: Tunnel; release: () => void }> {
    const id = uuid(this.#deps.random);
    return new Promise((resolve, reject) => {
      const fail = (error: unknown): void => {
        timer.cancel();
        signal.removeEventListener('abort', onAbort);
        this.#pending.delete(id);
        reject(error);
      };
      const onAbort = (): void => fail(signal.reason);
      const timer = this.#deps.clock.timer(dialMs, () =>
        fail(new ApiError('ServiceUnavailable', `node ${node} did not open a stream within ${dialMs / 1000} s`)),
      );
      signal.addEventListener('abort', onAbort, { once: true });
      this.#pending.set(id, {
        node,
        take: (tunnel) =>
          new Promise<void>((release) => {
            timer.cancel();
            signal.removeEventListener('abort', onAbort);
            resolve({ tunnel, release });
          }),
      });
      ask(id).catch(fail);
    });
  }

  /** Hands over the tunnel that `node` dialled; resolves when the request is done with it. */
  async accept(id: string, node: string, tunnel: Tunnel): Promise<void> {
    const pending = this.#pending.get(id);
    if (!pending || pending.node !== node) throw new ApiError('NotFound', `no stream ${id} was asked of node ${node}`);
    this.#pending.delete(id);
    await pending.take(tunnel);
  }
}
