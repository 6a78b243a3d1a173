import { join } from 'node:path';
import type { Clock } from '../../shared/clock.ts';
import type { Log } from '../../shared/log.ts';
import type { Random } from '../../shared/random.ts';
import { createRpcChannel, type RpcChannel } from '../../shared/rpc/channel.ts';
import type { NodeCredentials } from '../../shared/rpc/enrollment/credentials.ts';
import { loadOrJoin } from '../../shared/rpc/enrollment/join.ts';
import { keepRenewed } from '../../shared/rpc/enrollment/renewal.ts';
import { grpcSessionTransport } from '../../shared/rpc/session-client.ts';
import { requestToken } from '../../shared/rpc/tokens.ts';
import type { SessionTransport } from '../../shared/session.ts';
import { serverUser } from '../../shared/well-known.ts';
import { readTokenFile } from '../node/join-token.ts';
import type { AgentOptions } from '../options.ts';
import type { TokenSource } from '../pod/tokens.ts';

export interface ClientDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** The connection to the control plane under the node's certificate, which the client requests, stores and renews. */
export class ControlPlaneClient {
  readonly #options: AgentOptions;
  readonly #deps: ClientDeps;
  #credentials: NodeCredentials | undefined;
  #channel: RpcChannel | undefined;
  /** The channel before: the session that uses it may not have ended. */
  #previous: RpcChannel | undefined;
  /** A session has been dialled on the channel. */
  #dialled = false;

  constructor(options: AgentOptions, deps: ClientDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  readonly transport: SessionTransport = {
    connect: (signal) => {
      // The session before has ended, and with it the last use of the previous channel.
      this.#previous?.close();
      this.#previous = undefined;
      // The channel's connection may be dead without an error: each session dials anew.
      if (this.#dialled && this.#credentials) this.#connect(this.#credentials);
      this.#dialled = true;
      return this.#sessions().connect(signal);
    },
    tunnel: (id, signal) => this.#sessions().tunnel(id, signal),
  };

  readonly tokens: TokenSource = {
    request: (wish, signal) => requestToken(this.#current(), wish, signal),
  };

  /** Gets the certificate if there is none, and renews it until aborted. Throws when the server refuses it for good. */
  async keepCertified(signal: AbortSignal): Promise<void> {
    const { server: address, nodeName, tokenFile, caHash, dataDir } = this.#options;
    const token = tokenFile === undefined ? this.#options.token : () => readTokenFile(tokenFile);
    const dir = join(dataDir, 'pki');
    try {
      const credentials = await loadOrJoin(dir, { address, nodeName, token, caHash }, this.#deps, signal);
      this.#connect(credentials);
      const onRenewed = (renewed: NodeCredentials): void => this.#connect(renewed);
      await keepRenewed({ address, nodeName, dir, credentials, onRenewed }, this.#deps, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  close(): void {
    this.#previous?.close();
    this.#channel?.close();
  }

  #connect(credentials: NodeCredentials): void {
    this.#credentials = credentials;
    this.#previous?.close();
    this.#previous = this.#channel;
    const { ca, node } = credentials;
    this.#channel = createRpcChannel(
      { address: this.#options.server, tls: { ca, credentials: node, serverUser } },
      this.#deps,
    );
  }

  #sessions(): SessionTransport {
    return grpcSessionTransport(this.#current());
  }

  #current(): RpcChannel {
    if (!this.#channel) throw new Error('the node has no certificate yet');
    return this.#channel;
  }
}
