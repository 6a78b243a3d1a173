import type { ClientDuplexStream } from '@grpc/grpc-js';
import type { Clock, Timer } from '../clock.ts';
import { ApiError, messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { PeerAddress, PeerTransport } from '../peers.ts';
import type { KeyPair } from '../pki/certificates.ts';
import type { Connection, TunnelFrame } from '../session.ts';
import { type ClientTls, createRpcChannel, type RpcChannel } from './channel.ts';
import type { PeerInput, PeerOutput } from './messages.ts';
import type { RpcSchema } from './schema.ts';
import { frameFromWire, streamRequestToWire } from './session-messages.ts';
import { incomingOf, writeMessage } from './streams.ts';
import { usageFromWire } from './usage.ts';

/** Milliseconds: for a connection to another server, and for its word that the node's stream is open, for which the node has ten seconds. */
const connectMs = 1_000;
const openMs = 12_000;
/** A server takes a thousand streams of one connection. */
const maxUses = 900;
/** How long a connection that nobody uses is kept. */
const idleMs = 60_000;

export interface GrpcPeersDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly schema: RpcSchema;
  /** Whom the others' certificates must come from, and be of. */
  readonly tls: Pick<ClientTls, 'ca' | 'serverUser'>;
  /** The certificate that says that we are a server: another one once it is time. */
  readonly credentials: () => Promise<KeyPair>;
}

/** Asks other servers over gRPC, on one connection to each. `close` ends what is left of them. */
export function grpcPeers(deps: GrpcPeersDeps): PeerTransport & { close(): void } {
  const { Stream, Usage } = deps.schema.peers;
  const channels = new PeerChannels(deps);

  return {
    async open(peer, node, request, signal) {
      const used = await channels.connect(peer);
      if (!used) return undefined;
      const stop = new AbortController();
      const onAbort = (): void => stop.abort(signal.reason);
      const call = used.channel.duplex(Stream, stop.signal);
      call.once('status', () => {
        signal.removeEventListener('abort', onAbort);
        used.release();
      });
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort, { once: true });
      const messages = incomingOf<PeerOutput>(call)[Symbol.asyncIterator]();
      const late = deps.clock.timer(openMs, () =>
        stop.abort(new ApiError('Timeout', `${peer.address} did not answer`)),
      );
      try {
        call.write({ request: { server: peer.id, node, ...streamRequestToWire(request) } } satisfies PeerInput);
        const first = await messages.next();
        if (!first.done && first.value.open) return streamOver(call, messages, used.channel.toApiError, stop);
      } catch (error) {
        throw stop.signal.aborted ? stop.signal.reason : used.channel.toApiError(error);
      } finally {
        late.cancel();
      }
      stop.abort();
      return undefined;
    },

    async *usage(peer, nodes, signal) {
      const used = await channels.connect(peer);
      if (!used) return;
      try {
        for await (const { node = '', report = {} } of used.channel.serverStream(Usage, { nodes }, signal)) {
          yield { node, report: usageFromWire(report) };
        }
      } finally {
        used.release();
      }
    },

    close: () => channels.close(),
  };
}

/** A stream that is open. What its close cuts off ends quietly. */
function streamOver(
  call: ClientDuplexStream<PeerInput, PeerOutput>,
  messages: AsyncIterator<PeerOutput>,
  toApiError: RpcChannel['toApiError'],
  stop: AbortController,
): Connection<TunnelFrame, TunnelFrame> {
  async function* frames(): AsyncGenerator<TunnelFrame> {
    try {
      for (let next = await messages.next(); !next.done; next = await messages.next()) {
        if (next.value.frame) yield frameFromWire(next.value.frame);
      }
    } catch (error) {
      if (!stop.signal.aborted) throw toApiError(error);
    }
  }
  return {
    async send(frame) {
      try {
        await writeMessage(call, { frame } satisfies PeerInput);
      } catch (error) {
        throw toApiError(error);
      }
    },
    incoming: frames(),
    close: () => stop.abort(),
  };
}

interface Kept {
  readonly channel: RpcChannel;
  readonly credentials: KeyPair;
  uses: number;
  idle?: Timer;
}

/** The connections to other servers: one an address that new streams go by, with the newest certificate. Each is kept as long as it is used, and
 * the one for new streams a while longer. */
class PeerChannels {
  readonly #deps: GrpcPeersDeps;
  readonly #kept = new Map<string, Kept>();

  constructor(deps: GrpcPeersDeps) {
    this.#deps = deps;
  }

  /** Undefined when there is no connection within a second. */
  async connect({ id, address }: PeerAddress): Promise<{ channel: RpcChannel; release(): void } | undefined> {
    const { clock, log, schema, tls } = this.#deps;
    const credentials = await this.#deps.credentials();
    let kept = this.#kept.get(address);
    if (!kept || kept.credentials !== credentials || kept.uses >= maxUses) {
      const channel = createRpcChannel({ address, tls: { ...tls, credentials } }, { clock, schema });
      this.#retire(kept);
      kept = { channel, credentials, uses: 0 };
      this.#kept.set(address, kept);
    }
    const used = kept;
    used.uses++;
    used.idle?.cancel();
    let released = false;
    const release = (): void => {
      if (released) return;
      released = true;
      used.uses--;
      if (used.uses > 0) return;
      if (this.#kept.get(address) !== used) used.channel.close();
      else used.idle = clock.timer(idleMs, () => this.#close(address, used));
    };
    try {
      await used.channel.connected(connectMs);
      return { channel: used.channel, release };
    } catch (error) {
      log.warn({ server: id, err: messageOf(error) }, 'another server cannot be reached');
      release();
      return undefined;
    }
  }

  /** Those that are used are closed by their last user. */
  #retire(kept: Kept | undefined): void {
    kept?.idle?.cancel();
    if (kept && kept.uses === 0) kept.channel.close();
  }

  close(): void {
    for (const [address, kept] of this.#kept) this.#close(address, kept);
  }

  #close(address: string, kept: Kept): void {
    kept.idle?.cancel();
    this.#kept.delete(address);
    kept.channel.close();
  }
}
