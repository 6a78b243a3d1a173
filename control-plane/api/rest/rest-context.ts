import type { RequestContext } from '../api.ts';
import { anonymous } from '../auth/authentication.ts';
import type { Identity } from '../auth/identity.ts';
import type { AuditSource } from '../chain/audit/audited-call.ts';
import type { AuditTrail } from '../chain/audit/trail.ts';
import type { ChainContext } from '../chain/request.ts';

/**
 * A REST request's context. Its AbortSignal is made when it is first read: most requests end before anything waits, and a signal costs
 * more than the rest of a small request's bookkeeping.
 */
export class RestContext implements RequestContext, ChainContext {
  identity: Identity = anonymous;
  impersonator: Identity | undefined;
  audit: AuditTrail | undefined;
  readonly userAgent: string | undefined;
  readonly auditSource?: AuditSource;
  readonly warnings: string[] = [];
  #controller: AbortController | undefined;
  #reason: unknown;

  constructor(userAgent?: string, auditSource?: AuditSource) {
    this.userAgent = userAgent;
    this.auditSource = auditSource;
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  abort(reason: unknown): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}
