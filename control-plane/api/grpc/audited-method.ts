import { type AuditedContext, auditedCall } from '../chain/audit/audited-call.ts';
import type { Chain } from '../chain/chain.ts';

/** The annotation that names the node that a method is about. */
const nodeAnnotation = 'coracle.io/node';
const maxNodeName = 253;

/** Runs a method that calls no Api within a trail of its own. `node`: all that is written of what the client sent. */
export function auditedMethod<Context extends AuditedContext, T>(
  { auditor }: Pick<Chain, 'auditor'>,
  context: Context,
  { path, node }: { readonly path: string; readonly node?: string },
  run: (context: Context) => Promise<T>,
): Promise<T> {
  if (!auditor) return run(context);
  return auditedCall(auditor, context, { verb: 'post', path }, 200, (audited) => {
    if (node !== undefined) audited.audit?.note(nodeAnnotation, node.slice(0, maxNodeName));
    return run(audited);
  });
}
