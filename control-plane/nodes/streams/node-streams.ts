import { backoffMs } from '../../../shared/backoff.ts';
import type { Clock } from '../../../shared/clock.ts';
import { ApiError } from '../../../shared/errors.ts';
import type { Status } from '../../../shared/generated/types.ts';
import type { Informers } from '../../../shared/informer.ts';
import { readyCondition } from '../../../shared/node.ts';
import type { PeerAddress, PeerTransport } from '../../../shared/peers.ts';
import type { Random } from '../../../shared/random.ts';
import type { LogStreamParameters, StreamRequest, TunnelFrame } from '../../../shared/session.ts';
import { nodeLeaseNamespace } from '../../../shared/well-known.ts';
import { serverAnnotation } from '../../liveness/node-lease.ts';
import { serverLeaseName, serverLeaseNamespace, serverOf } from '../../liveness/server-lease.ts';
import type { NodeSessions } from '../sessions.ts';
import { dialError, type Tunnel } from './tunnels.ts';

/** How long a request waits for a node without a session, in milliseconds: agents dial again within two seconds. */
const waitMs = 5_000;
const retry = { firstMs: 20, capMs: 250 } as const;

export interface NodeStreamsDeps {
  /** The sessions of this server. */
  readonly sessions: Pick<NodeSessions, 'open' | 'serves'>;
  /** Over Node and Lease. */
  readonly informers: Informers;
  readonly clock: Clock;
  readonly random: Random;
  /** This server's own name. */
  readonly self: string;
  /** Absent: there are no other servers. */
  readonly peers?: PeerTransport;
}

/**
 * Opens streams on any node: by this server's session, or by the server that the node's Lease names. Waits for a node that has no
 * session at the moment, after a restart or between two servers, but not for a node that is lost.
 */
export class NodeStreams {
  readonly #deps: NodeStreamsDeps;

  constructor(deps: NodeStreamsDeps) {
    this.#deps = deps;
  }

  /** The stream ends at once when the signal aborts. Throws Kubernetes' error for a kubelet that cannot be reached. */
  open(node: string, request: StreamRequest, signal: AbortSignal): Promise<Tunnel> {
    const { sessions, peers } = this.#deps;
    return this.#until(node, signal, async (at) =>
      at === 'here' ? sessions.open(node, request, signal) : peers?.open(at, node, request, signal),
    );
  }

  /** Resolves when a stream could be opened, by this server's state; throws what `open` throws. */
  async reach(node: string, signal: AbortSignal): Promise<void> {
    await this.#until(node, signal, async (at) => at !== 'here' || this.#deps.sessions.serves(node) || undefined);
  }

  /** `attempt` resolves with undefined to be called again. */
  async #until<T>(
    node: string,
    signal: AbortSignal,
    attempt: (at: PeerAddress | 'here') => Promise<T | undefined>,
  ): Promise<T> {
    const { clock, random } = this.#deps;
    const deadline = clock.monotonic() + waitMs;
    for (let tries = 0; ; tries++) {
      signal.throwIfAborted();
      const at = whereIs(node, this.#deps);
      if (at === 'deleted') throw notFound(node);
      const left = deadline - clock.monotonic();
      if (at === 'lost' || left <= 0) throw dialError(`node ${node} is not connected`);
      const done = at === 'nowhere' ? undefined : await attempt(at);
      if (done !== undefined) return done;
      await clock.sleep(Math.min(left, backoffMs(tries, retry, random)), signal);
    }
  }

  async logs(node: string, parameters: LogStreamParameters, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    const tunnel = await this.open(node, { stream: 'logs', parameters }, signal);
    return outputOf(tunnel.incoming[Symbol.asyncIterator](), () => tunnel.close());
  }
}

/** `here`: with this server, if with any. `nowhere`: with no server that can be called at the moment. */
type Place = PeerAddress | 'here' | 'nowhere' | 'lost' | 'deleted';

/** Where a node's session is, by the cluster's state. */
function whereIs(name: string, { informers, self }: Pick<NodeStreamsDeps, 'informers' | 'self'>): Place {
  const node = informers.of('Node').get(name);
  if (!node) return 'deleted';
  const leases = informers.of('Lease');
  const lease = leases.get(`${nodeLeaseNamespace}/${name}`);
  if (!lease) {
    const ready = readyCondition(node);
    // The store may have failed instead of the node, which has its session then.
    return ready?.status === 'Unknown' ? 'lost' : 'here';
  }
  const id = lease.metadata.annotations?.[serverAnnotation];
  if (id === undefined || id === self) return 'here';
  const server = leases.get(`${serverLeaseNamespace}/${serverLeaseName(id)}`);
  const address = server && serverOf(server)?.grpc;
  return address ? { id, address } : 'nowhere';
}

function notFound(node: string): ApiError {
  return new ApiError('NotFound', `nodes "${node}" not found`, { name: node, kind: 'nodes' });
}

/** The bytes of a tunnel's output channel; throws the ApiError that its error channel carries. */
async function* outputOf(frames: AsyncIterator<TunnelFrame>, release: () => void): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      const { value: frame, done } = await frames.next();
      if (done) return;
      if (frame.channel === 3 && frame.data.length > 0) {
        throw ApiError.fromStatus(JSON.parse(Buffer.from(frame.data).toString()) as Status);
      }
      if (frame.data.length > 0) yield frame.data;
      if (frame.end) return;
    }
  } finally {
    release();
  }
}
