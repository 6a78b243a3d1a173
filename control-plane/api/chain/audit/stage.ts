import { ApiError } from '../../../../shared/errors.ts';
import type { WireRequest } from '../request.ts';
import { beginTrail } from './audited-call.ts';
import type { Auditor } from './auditor.ts';

/** Begins the trail of a request. Strict auditing: rejects when its first event cannot be written. */
export async function beginAudit(auditor: Auditor, { context, info }: WireRequest): Promise<void> {
  const { auditSource } = context;
  if (auditSource) context.audit = await beginTrail(auditor, context, auditSource, info);
}

/** Ends the trail of a request, and writes a whole trail for one that was refused before it had one. `failure`: what it threw. */
export async function endAudit(
  auditor: Auditor,
  request: WireRequest,
  failure: { readonly error: unknown } | undefined,
): Promise<void> {
  const { context } = request;
  if (failure && !context.auditSource?.begun) await beginAudit(auditor, request);
  else if (request.auditedByApi) return;
  const { code, error } = request.outcome(failure?.error);
  if (error) context.audit?.failed(error);
  context.audit?.complete(code, failure !== undefined && !(failure.error instanceof ApiError));
}
