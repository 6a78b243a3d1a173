import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../shared/clock.ts';
import { messageOf } from '../shared/errors.ts';
import type { Log } from '../shared/log.ts';
import { type Authority, type KeyPair, renewalTime, shouldRenew, validityOf } from '../shared/pki/certificates.ts';
import { loadOrCreateAuthority, writeFileAtomic } from '../shared/pki/files.ts';
import { writeKubeconfig } from '../shared/pki/kubeconfig.ts';
import type { Random } from '../shared/random.ts';
import { clusterDomain, serverUser } from '../shared/well-known.ts';
import { groups } from './api/auth/identity.ts';

/** How long a certificate is good by which one server asks another: it costs nothing to make another one. */
const peerLifetimeMs = 60 * 60 * 1000;

/** The longest that a timer can be set for is 24 days; certificates are looked at every day. */
const lookMs = 24 * 60 * 60 * 1000;
const retryMs = 60_000;

export interface CertificatesDeps {
  readonly dataDir: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** The server's side of the cluster's certificates: its CA, its own certificate, and an administrator's access. */
export class Certificates {
  readonly authority: Authority;
  readonly #deps: CertificatesDeps;
  readonly #names: readonly string[];
  #server: KeyPair;
  #peer: KeyPair | undefined;

  private constructor(deps: CertificatesDeps, authority: Authority, names: readonly string[], server: KeyPair) {
    this.#deps = deps;
    this.authority = authority;
    this.#names = names;
    this.#server = server;
  }

  /** `addresses`: what clients dial beyond this machine's own names and addresses. */
  static async load(deps: CertificatesDeps, addresses: readonly string[]): Promise<Certificates> {
    const authority = await loadOrCreateAuthority(join(deps.dataDir, 'pki'), 'coracle-ca', deps);
    const names = serverNames(addresses);
    return new Certificates(deps, authority, names, await authority.issueServer({ commonName: serverUser, names }));
  }

  get server(): KeyPair {
    return this.#server;
  }

  /** The client certificate of the server `id` for calls to other servers; renewed in time. */
  async peer(id: string): Promise<KeyPair> {
    if (this.#peer && !shouldRenew(validityOf(this.#peer.certificate), this.#deps.clock.now())) return this.#peer;
    const subject = { user: `coracle:server:${id}`, groups: [groups.servers] };
    this.#peer = await this.authority.issueClient(subject, peerLifetimeMs);
    return this.#peer;
  }

  /** Writes `admin.kubeconfig` into the data directory: access for all who may read the file. */
  async writeAdminKubeconfig(rest: string, grpc: string): Promise<string> {
    const { dataDir, random } = this.#deps;
    const user = 'kubernetes-admin';
    const credentials = await this.authority.issueClient({ user, groups: [groups.masters] });
    const text = writeKubeconfig({ cluster: 'coracle', user, rest, grpc, ca: this.authority.certificate, credentials });
    const path = join(dataDir, 'admin.kubeconfig');
    await writeFileAtomic(path, text, random);
    return path;
  }

  /** Renews the server's certificate and the administrator's access in time, until aborted. `renewed` puts them to use. */
  async keepFresh(renewed: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#deps;
    while (!signal.aborted) {
      const dueIn = renewalTime(validityOf(this.#server.certificate)) - clock.now();
      await clock.sleep(Math.min(Math.max(dueIn, retryMs), lookMs), signal).catch(() => undefined);
      if (signal.aborted || clock.now() < renewalTime(validityOf(this.#server.certificate))) continue;
      try {
        this.#server = await this.authority.issueServer({ commonName: serverUser, names: this.#names });
        await renewed();
        log.info({ component: 'certificates' }, 'server certificate renewed');
      } catch (error) {
        log.error({ component: 'certificates', err: messageOf(error) }, 'server certificate not renewed');
      }
    }
  }
}

function serverNames(addresses: readonly string[]): string[] {
  const own = Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address));
  const services = [
    'kubernetes',
    'kubernetes.default',
    'kubernetes.default.svc',
    `kubernetes.default.svc.${clusterDomain}`,
    'localhost',
    '127.0.0.1',
    '::1',
  ];
  const usable = [...addresses, ...own].filter((address) => !address.includes('%') && !address.startsWith('fe80'));
  return [...new Set([...services, hostname(), ...usable])];
}
