import type { Clock, Timer } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { PeerAddress } from '../peers.ts';
import type { KeyPair } from '../pki/certificates.ts';
import { type ClientTls, createRpcChannel, type RpcChannel } from './channel.ts';
import type { RpcSchema } from './schema.ts';

/** How long connecting may take, in milliseconds. */
const connectMs = 1_000;
/** The streams of one connection: a server accepts a thousand. */
const maxUses = 900;
/** How long an unused connection is kept, in milliseconds. */
const idleMs = 60_000;

export interface PeerChannelsDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly schema: RpcSchema;
  /** The CA and the CN of the other servers' certificates. */
  readonly tls: Pick<ClientTls, 'ca' | 'serverUser'>;
  /** This server's client certificate, renewed over time. */
  readonly credentials: () => Promise<KeyPair>;
}

interface PeerChannel {
  readonly channel: RpcChannel;
  readonly credentials: KeyPair;
  uses: number;
  idle?: Timer;
}

/**
 * The connections to other servers: for each address one for new streams, with the current certificate. Each is kept while it is
 * used, the one for new streams a while longer.
 */
export class PeerChannels {
  readonly #deps: PeerChannelsDeps;
  readonly #channels = new Map<string, PeerChannel>();

  constructor(deps: PeerChannelsDeps) {
    this.#deps = deps;
  }

  /** Undefined if it cannot connect within a second. */
  async connect({ id, address }: PeerAddress): Promise<{ channel: RpcChannel; release(): void } | undefined> {
    const { clock, log, schema, tls } = this.#deps;
    const credentials = await this.#deps.credentials();
    let kept = this.#channels.get(address);
    if (!kept || kept.credentials !== credentials || kept.uses >= maxUses) {
      const channel = createRpcChannel({ address, tls: { ...tls, credentials } }, { clock, schema });
      this.#retire(kept);
      kept = { channel, credentials, uses: 0 };
      this.#channels.set(address, kept);
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
      if (this.#channels.get(address) !== used) used.channel.close();
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

  /** A connection in use is closed after its last use. */
  #retire(kept: PeerChannel | undefined): void {
    kept?.idle?.cancel();
    if (kept && kept.uses === 0) kept.channel.close();
  }

  close(): void {
    for (const [address, kept] of this.#channels) this.#close(address, kept);
  }

  #close(address: string, kept: PeerChannel): void {
    kept.idle?.cancel();
    this.#channels.delete(address);
    kept.channel.close();
  }
}
