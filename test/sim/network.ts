import { setMaxListeners } from 'node:events';
import type { Clock } from '../../shared/clock.ts';
import { ApiError } from '../../shared/errors.ts';
import { fraction, type Random, randomInt } from '../../shared/random.ts';
import type {
  CertifiedNode,
  Connection,
  HeartbeatServer,
  SessionServer,
  SessionTransport,
} from '../../shared/session.ts';
import { Wakeup } from '../../shared/wakeup.ts';

/** One way of a connection: ordered, delayed, held up while the cable is cut. */
class Pipe<T> implements AsyncIterable<T> {
  readonly #items: Array<{ at: number; item: T }> = [];
  readonly #wake = new Wakeup();
  readonly #network: SimNetwork;
  readonly #node: string;
  /** The other end has closed: seen after everything sent before it, when the cable is whole. */
  #closed = false;
  /** This end is dead: it sees nothing more. */
  #dead = false;

  constructor(network: SimNetwork, node: string) {
    this.#network = network;
    this.#node = node;
  }

  push(item: T): void {
    const last = this.#items.at(-1)?.at ?? 0;
    this.#items.push({ at: Math.max(last, this.#network.arrival()), item });
    this.#wake.wake();
  }

  close(): void {
    this.#closed = true;
    this.#wake.wake();
  }

  kill(): void {
    this.#dead = true;
    this.#wake.wake();
  }

  get open(): boolean {
    return !this.#closed && !this.#dead;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    const { clock } = this.#network;
    for (;;) {
      if (this.#dead) throw new ApiError('ServiceUnavailable', 'connection lost');
      const next = this.#items[0];
      if (this.#network.isCut(this.#node)) await this.#network.whole(this.#node, this.#wake);
      else if (next && next.at > clock.monotonic()) await clock.sleep(next.at - clock.monotonic());
      else if (next) {
        this.#items.shift();
        yield next.item;
      } else if (this.#closed) return;
      else await this.#wake.wait(never);
    }
  }
}

const never = new AbortController().signal;
setMaxListeners(0, never);

/** One established connection, with what each side must do when the other, or the machine, goes away. */
interface Established {
  readonly node: string;
  readonly server: string;
  /** The agent's process or machine died. `quietly`: without a word, as a power cut does. */
  killAgent(quietly: boolean): void;
  killServer(): void;
}

/** A control plane's two ends. */
export interface SimServer {
  readonly sessions: SessionServer;
  readonly heartbeats: HeartbeatServer;
}

/** A network of nodes and servers, with delays, cut cables and dead peers, from one seed. */
export class SimNetwork {
  readonly clock: Clock;
  readonly #random: Random;
  readonly #cut = new Set<string>();
  readonly #waiting = new Map<string, Set<Wakeup>>();
  readonly #connections = new Set<Established>();
  /** The servers that answer, by name. */
  readonly servers = new Map<string, SimServer>();

  constructor(clock: Clock, random: Random) {
    this.clock = clock;
    this.#random = random;
  }

  /** When something sent now arrives: 0.2 to 20 ms later, mostly soon. */
  arrival(): number {
    const chance = fraction(this.#random);
    return this.clock.monotonic() + 0.2 + chance ** 4 * 20;
  }

  isCut(node: string): boolean {
    return this.#cut.has(node);
  }

  cut(node: string): void {
    this.#cut.add(node);
  }

  heal(node: string): void {
    this.#cut.delete(node);
    for (const wake of this.#waiting.get(node) ?? []) wake.wake();
    this.#waiting.delete(node);
  }

  async whole(node: string, wake: Wakeup): Promise<void> {
    const all = this.#waiting.get(node) ?? new Set();
    this.#waiting.set(node, all.add(wake));
    await wake.wait(never);
  }

  agentDied(node: string, quietly: boolean): void {
    for (const connection of [...this.#connections]) if (connection.node === node) connection.killAgent(quietly);
  }

  serverDied(server: string): void {
    this.servers.delete(server);
    for (const connection of [...this.#connections]) if (connection.server === server) connection.killServer();
  }

  transportOf(node: string): SessionTransport {
    const identity = { user: `system:node:${node}`, groups: ['system:nodes', 'system:authenticated'] };
    const certified: CertifiedNode = { node, until: Number.POSITIVE_INFINITY };
    return {
      connect: () => {
        const server = this.#anyServer();
        return {
          ...this.#dial(node, server, ({ sessions }, end) => sessions.serve(end, identity)),
          heartbeats: () =>
            this.#dial(node, server, ({ heartbeats }, end) => heartbeats.serveHeartbeats(end, certified)),
        };
      },
      tunnel: (id) => this.#dial(node, this.#anyServer(), ({ sessions }, end) => sessions.tunnel(id, end, identity)),
    };
  }

  /** As a balancer leads: to any server that lives. */
  #anyServer(): string {
    const names = [...this.servers.keys()].sort();
    return names[randomInt(this.#random, Math.max(1, names.length))] ?? '';
  }

  #dial<In, Out>(
    node: string,
    name: string,
    serve: (server: SimServer, end: Connection<Out, In>) => Promise<void>,
  ): Connection<In, Out> {
    const up = new Pipe<Out>(this, node);
    const down = new Pipe<In>(this, node);
    const server = this.servers.get(name);
    if (!server || this.isCut(node)) {
      down.kill();
      return ends(down, up);
    }
    const established: Established = {
      node,
      server: name,
      killAgent: (quietly) => {
        down.kill();
        if (!quietly) up.close();
        this.#connections.delete(established);
      },
      killServer: () => {
        up.kill();
        down.close();
        this.#connections.delete(established);
      },
    };
    this.#connections.add(established);
    serve(server, ends(up, down)).catch(() => down.close());
    return ends(down, up);
  }
}

function ends<In, Out>(incoming: Pipe<In>, outgoing: Pipe<Out>): Connection<In, Out> {
  return {
    incoming,
    async send(message) {
      if (!outgoing.open) throw new ApiError('ServiceUnavailable', 'connection lost');
      outgoing.push(message);
    },
    close() {
      outgoing.close();
      incoming.kill();
    },
  };
}
