import type { ApiError } from '../../../shared/errors.ts';
import type { ShownCredentials } from '../auth/authenticator.ts';
import type { Identity } from '../auth/identity.ts';
import type { AuditSource } from './audit/audited-call.ts';
import type { AuditTrail } from './audit/trail.ts';
import type { FairGate } from './fairness/gate.ts';
import type { RequestInfo } from './request-info.ts';

/** A request's context, as the stages fill it in. What handles the request reads it as an Api's `RequestContext`. */
export interface ChainContext {
  /** Anonymous until the request has been authenticated. */
  identity: Identity;
  impersonator?: Identity | undefined;
  audit?: AuditTrail | undefined;
  readonly auditSource?: AuditSource;
  readonly userAgent?: string | undefined;
  readonly signal: AbortSignal;
  readonly warnings: string[];
}

/** What a request was answered, for the audit log. */
export interface Outcome {
  /** The HTTP code. */
  readonly code: number;
  readonly error?: ApiError | undefined;
}

/** One request, as the adapter of its wire describes it to the chain. */
export interface WireRequest {
  readonly context: ChainContext;
  readonly info: RequestInfo;
  /** The Api begins its audit trail, as only the message says what it asks for; `info` is then for requests refused before that. */
  readonly auditedByApi?: boolean;
  /** Its answer is a stream: it holds no seat while it lasts, and ends with the credential of its sender. */
  readonly longRunning: boolean;
  /** From its arrival, in milliseconds; Infinity: it has no deadline. */
  readonly timeoutMs: number;
  /** When it aborts, the request is refused at once, even if its handler does not end. Absent: the handler ends the request. */
  readonly cutOff?: AbortSignal;

  /** What it shows of its sender. */
  credentials(): ShownCredentials;
  /** How many seats it takes; 0: it is exempt from priority and fairness. */
  seats(gate: FairGate): number;
  /** Aborts the context's signal. */
  abort(reason: unknown): void;
  /** Answers a failure, in the form of the wire. */
  refuse(error: unknown): void;
  /** Called when the handler has ended. A promise resolves when the client has taken the answer; undefined: it has. */
  delivered(): Promise<void> | undefined;
  outcome(failure: unknown): Outcome;
  /** Called when it has been answered. `ms`: since its arrival. */
  measured(ms: number): void;
}
