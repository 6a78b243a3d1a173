import { ApiError } from '../../../../shared/errors.ts';
import type { Identity } from '../../auth/identity.ts';
import { type RequestInfo, restPath } from '../request-info.ts';
import type { Auditor } from './auditor.ts';
import { type AuditTrail, codeOf } from './trail.ts';

/** Where a request comes from, for the audit log. Absent from the context of a request that is not audited. */
export interface AuditSource {
  /** Its URL or gRPC method. Absent: its REST path. */
  readonly uri?: string;
  /** The address of its sender, without a port. */
  readonly ip?: string;
  /** The id that is sent back to the client. Absent: its trail makes one. */
  readonly auditID?: string;
  /** Set when the policy has been asked for a trail, even if it wants none. */
  begun?: boolean;
}

/** The part of a request's context that auditing reads. */
export interface AuditedContext {
  readonly identity: Identity;
  readonly impersonator?: Identity | undefined;
  readonly userAgent?: string | undefined;
  readonly auditSource?: AuditSource;
  readonly audit?: AuditTrail | undefined;
}

/** Begins the trail of a request, or of one part of it. Strict auditing: rejects when its first event cannot be written. */
export function beginTrail(
  auditor: Auditor,
  { identity, impersonator, userAgent }: AuditedContext,
  source: AuditSource,
  info: RequestInfo,
): AuditTrail | undefined | Promise<AuditTrail> {
  source.begun = true;
  return auditor.begin({
    request: { identity, ...info },
    impersonator,
    userAgent,
    uri: source.uri ?? restPath(info),
    sourceIPs: source.ip ? [source.ip] : [],
    auditID: source.auditID ?? auditor.idOf(undefined),
  });
}

/** The source of a request whose trail is still to begin; undefined for any other. */
export function unauditedSource(auditor: Auditor, { audit, auditSource }: AuditedContext): AuditSource | undefined {
  return audit || !auditor.on || auditSource?.begun ? undefined : auditSource;
}

/** Runs a call within a trail of its own, unless its request has one. `code`: the HTTP code of its success. */
export async function auditedCall<Context extends AuditedContext, T>(
  auditor: Auditor,
  context: Context,
  info: RequestInfo,
  code: number,
  run: (context: Context) => Promise<T>,
): Promise<T> {
  const source = unauditedSource(auditor, context);
  const trail = source && (await beginTrail(auditor, context, source, info));
  if (!trail) return run(context);
  try {
    const answer = await run({ ...context, audit: trail });
    trail.complete(code);
    return answer;
  } catch (error) {
    endFailed(trail, error);
    throw error;
  }
}

/** Ends the trail of a call that threw. */
export function endFailed(trail: AuditTrail, error: unknown): void {
  const known = toAudited(error);
  trail.failed(known);
  trail.complete(codeOf(known), known !== error);
}

/** The error in the audit log: the text of an unexpected one is left out. */
export function toAudited(error: unknown): ApiError {
  return error instanceof ApiError ? error : new ApiError('InternalError', 'Internal error occurred');
}

/** The address in gRPC's name of a peer: `ipv4:1.2.3.4:5`, `[::1]:5`, `1.2.3.4:5`. */
export function ipOfPeer(peer: string): string {
  return peer
    .replace(/^ipv[46]:/, '')
    .replace(/:\d+$/, '')
    .replace(/^\[|\]$/g, '');
}
