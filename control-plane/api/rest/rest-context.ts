import type { KubeObject } from '../../../shared/object.ts';
import type { RequestContext } from '../api.ts';
import { anonymous } from '../auth/authentication.ts';
import type { Identity } from '../auth/identity.ts';
import type { AuditTrail } from '../chain/audit/trail.ts';

/**
 * One request as the pipeline sees it. Its AbortSignal is made when somebody first asks for it: most requests are over
 * before anything waits, and a signal costs more than all the rest of a small request's bookkeeping.
 */
export class RestContext implements RequestContext {
  identity: Identity = anonymous;
  impersonator: Identity | undefined;
  userAgent: string | undefined;
  readonly warnings: string[] = [];
  answer?: { readonly object: KubeObject; readonly text: string };
  created?: boolean;
  audit: AuditTrail | undefined;
  #controller: AbortController | undefined;
  #reason: Error | undefined;

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#reason) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  abort(reason: Error): void {
    if (this.#reason) return;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}
