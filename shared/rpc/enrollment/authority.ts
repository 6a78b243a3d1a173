import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { connect, type DetailedPeerCertificate } from 'node:tls';
import { splitAddress } from '../../address.ts';
import type { Clock } from '../../clock.ts';
import { ApiError } from '../../errors.ts';
import { authorityHash } from '../../pki/inspect.ts';

const dialMs = 10_000;
/** The most certificates that are read of a chain. */
const maxChain = 8;

/**
 * The CA certificate, PEM, whose public key has that hash, from the certificate chain of the server at `address`. Nothing is sent to
 * the server. Throws Unauthorized if the chain has no such CA.
 */
export async function fetchAuthority(
  address: string,
  caHash: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<string> {
  for (const certificate of await certificateChain(address, clock, signal)) {
    if (authorityHash(certificate) === caHash) return new X509Certificate(certificate).toString();
  }
  throw new ApiError('Unauthorized', `the server at ${address} does not belong to the cluster with the CA ${caHash}`);
}

/** The certificate chain of a TLS server, its own certificate first, DER. */
function certificateChain(address: string, clock: Clock, signal: AbortSignal): Promise<Buffer[]> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const { host, port } = splitAddress(address);
    const servername = isIP(host) ? '' : host;
    const socket = connect({ host, port, servername, ALPNProtocols: ['h2'], rejectUnauthorized: false });
    const unreachable = (reason: string) => new ApiError('ServiceUnavailable', `cannot reach ${address}: ${reason}`);
    const timer = clock.timer(dialMs, () => finish(() => reject(unreachable('no answer in time'))));
    const onAbort = (): void => finish(() => reject(signal.reason));
    const finish = (settle: () => void): void => {
      timer.cancel();
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      settle();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('error', (error) => finish(() => reject(unreachable(error.message))));
    socket.once('secureConnect', () => {
      const chain = chainOf(socket.getPeerCertificate(true));
      finish(() => resolve(chain));
    });
  });
}

function chainOf(own: DetailedPeerCertificate): Buffer[] {
  const chain: Buffer[] = [];
  // A root's issuer is itself.
  for (let next: DetailedPeerCertificate | undefined = own; next?.raw && chain.length < maxChain; ) {
    chain.push(next.raw);
    next = next.issuerCertificate === next ? undefined : next.issuerCertificate;
  }
  return chain;
}
