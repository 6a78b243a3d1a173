import type { Clock } from '../../../shared/clock.ts';
import { messageOf } from '../../../shared/errors.ts';
import type { Log } from '../../../shared/log.ts';
import type { Authenticator } from '../auth/authenticator.ts';
import type { LiveCredentials } from '../auth/live-credentials.ts';
import type { Auditor } from './audit/auditor.ts';
import { beginAudit, endAudit } from './audit/stage.ts';
import { authenticate } from './authenticate.ts';
import { startDeadline, untilAborted } from './deadline.ts';
import type { FairGate } from './fairness/gate.ts';
import { admit } from './fairness/stage.ts';
import type { WireRequest } from './request.ts';

export interface ChainDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly authenticator: Pick<Authenticator, 'authenticate'>;
  /** Gives requests their audit ids, and writes the audit log. Absent: neither. */
  readonly auditor?: Auditor;
  /** Priority and fairness. Absent: every request is admitted at once. */
  readonly gate?: FairGate;
  /** Ends long-running requests with the credential of their sender. Absent: they go on. */
  readonly live?: Pick<LiveCredentials, 'follow'>;
}

/**
 * The stages that every request of both wires passes before its handler, in the order of Kubernetes' handler chain (apiserver,
 * `server/config.go`, DefaultBuildHandlerChain). Authorization follows in the Api.
 */
export class Chain {
  readonly #deps: ChainDeps;

  constructor(deps: ChainDeps) {
    this.#deps = deps;
  }

  /** The same chain with other parts. */
  with(parts: Partial<ChainDeps>): Chain {
    return new Chain({ ...this.#deps, ...parts });
  }

  get auditor(): Auditor | undefined {
    return this.#deps.auditor;
  }

  /** Serves one request until it has been answered. `handle` answers it once all stages have passed. */
  async serve(request: WireRequest, handle: () => Promise<void>): Promise<void> {
    const { clock } = this.#deps;
    const arrived = clock.monotonic();
    const deadline = startDeadline(clock, request);
    let failure: { readonly error: unknown } | undefined;
    try {
      const admitted = this.#admitted(request, handle);
      await (request.cutOff ? untilAborted(admitted, request.cutOff) : admitted);
    } catch (error) {
      failure = { error };
      request.refuse(error);
    }
    deadline?.cancel();
    request.measured(clock.monotonic() - arrived);
    await this.#endAudit(request, failure);
    // What the request began before it failed ends with it.
    if (failure) request.abort(failure.error);
  }

  /** The stages that may refuse, then the handler. The seat is given back when the handler has ended, not when the request was answered. */
  async #admitted(request: WireRequest, handle: () => Promise<void>): Promise<void> {
    const { authenticator, auditor, gate, live } = this.#deps;
    const found = authenticate(authenticator, request);
    const { credential } = found instanceof Promise ? await found : found;
    if (auditor?.on && !request.auditedByApi) await beginAudit(auditor, request);
    const entered = gate && admit(gate, request);
    const admission = entered instanceof Promise ? await entered : entered;
    const unfollow = request.longRunning && live?.follow(credential, (error) => request.abort(error));
    try {
      await handle();
    } finally {
      if (unfollow) unfollow();
      const delivered = admission && request.delivered();
      if (delivered) void delivered.finally(() => admission.end());
      else admission?.end();
    }
  }

  async #endAudit(request: WireRequest, failure: { readonly error: unknown } | undefined): Promise<void> {
    const { auditor, log } = this.#deps;
    if (!auditor?.on) return;
    try {
      await endAudit(auditor, request, failure);
    } catch (error) {
      log.error({ err: messageOf(error) }, 'a refused request could not be audited');
    }
  }
}
