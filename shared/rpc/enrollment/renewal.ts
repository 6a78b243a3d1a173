import { backoffMs } from '../../backoff.ts';
import { isApiError, messageOf } from '../../errors.ts';
import { renewalTime, validityOf } from '../../pki/inspect.ts';
import { type EnrollmentDeps, type EnrollmentTarget, requestCertificate } from './certificate-request.ts';
import { type NodeCredentials, writeCredentials } from './credentials.ts';

export interface RenewalOptions extends EnrollmentTarget {
  /** The name in the server's certificate, if it is not the host of `address`. */
  readonly serverName?: string;
  /** Where the credentials are kept. */
  readonly dir: string;
  readonly credentials: NodeCredentials;
  readonly onRenewed: (credentials: NodeCredentials) => void;
}

const backoff = { firstMs: 500, capMs: 15_000 };
/** After a refusal, which stands until an administrator acts. */
const refusedBackoff = { firstMs: 60_000, capMs: 10 * 60_000 };
/** Longer waits are cut short: the clock may be set, and a timer holds no more than 2^31 ms. */
const maxPauseMs = 60 * 60 * 1000;

/**
 * Renews the node's certificate when two thirds of its life are over, and writes it to `dir`. Runs until aborted; retries failures
 * with a backoff.
 */
export async function keepRenewed(options: RenewalOptions, deps: EnrollmentDeps, signal: AbortSignal): Promise<void> {
  const { address, nodeName, serverName, dir, onRenewed } = options;
  const { clock, random, log } = deps;
  let current = options.credentials;
  let retry = backoff;
  for (let attempt = 0; !signal.aborted; ) {
    const wait = renewalTime(validityOf(current.node.certificate)) - clock.now();
    const pause = wait > 0 ? Math.min(wait, maxPauseMs) : attempt > 0 ? backoffMs(attempt, retry, random) : 0;
    try {
      await clock.sleep(pause, signal);
      if (wait > pause) continue;
      const tls = { ca: current.ca, credentials: current.node, ...(serverName ? { serverName } : {}) };
      current = await requestCertificate({ address, nodeName, tls }, deps, signal);
      await writeCredentials(dir, current, random);
      attempt = 0;
      onRenewed(current);
    } catch (error) {
      if (signal.aborted) return;
      attempt++;
      retry = isApiError(error, 'Forbidden', 'Unauthorized') ? refusedBackoff : backoff;
      log.warn({ component: 'enroll', err: error }, `cannot renew the node certificate yet: ${messageOf(error)}`);
    }
  }
}
