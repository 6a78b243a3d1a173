import type { AdmissionRequest, AdmissionVerb } from '../admission/plugin.ts';
import type { WriteRequest } from './request.ts';

/** The request as admission plugins see it. `now`: milliseconds since the epoch. */
export function admissionOf(request: WriteRequest, verb: AdmissionVerb, now: number): AdmissionRequest {
  const { context, def, subresource, namespace, name, options } = request;
  return {
    identity: context.identity,
    verb,
    entry: def.stored,
    subresource,
    namespace,
    name,
    dryRun: options.dryRun ?? false,
    warnings: context.warnings,
    audit: context.audit,
    now,
    signal: context.signal,
  };
}
