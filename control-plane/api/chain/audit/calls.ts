import { ApiError } from '../../../../shared/errors.ts';
import type { KindEntry } from '../../../../shared/kinds/table.ts';
import type { Identity } from '../../auth/identity.ts';
import type { Auditor } from './auditor.ts';
import type { AuditedRequest } from './policy.ts';
import { type AuditTrail, codeOf } from './trail.ts';

/** Where a request comes from that is none of REST's, and so is audited as the call that it is. */
export interface AuditedCall {
  /** What was called. Absent: the path that REST has for what is asked. */
  readonly path?: string;
  /** `ipv4:1.2.3.4:5`, `[::1]:5`, `1.2.3.4:5` */
  readonly peer: string;
  /** The id that it was answered with. Absent: it gets one when it is written. */
  readonly id?: string;
  /** The auditor has been asked about it, whatever it said. */
  begun?: boolean;
}

/** What is known of who called. */
export interface CallContext {
  readonly identity: Identity;
  readonly impersonator?: Identity | undefined;
  readonly userAgent?: string | undefined;
  readonly call?: AuditedCall;
  audit?: AuditTrail | undefined;
}

export type Asked = Omit<AuditedRequest, 'identity'> & { readonly version?: string; readonly uri?: string };

/** Begins the trail of a call, or of a part of one. Strict: rejects when its coming cannot be written. */
export async function beginCall(
  auditor: Auditor,
  { identity, impersonator, userAgent }: CallContext,
  call: AuditedCall,
  { version, uri = '', ...asked }: Asked,
): Promise<AuditTrail | undefined> {
  call.begun = true;
  return auditor.begin({
    request: { identity, ...asked },
    ...(version ? { version } : {}),
    ...{ impersonator, userAgent, uri: call.path ?? uri, sourceIPs: [ipOf(call.peer)] },
    auditID: call.id ?? auditor.idOf(undefined),
  });
}

/** Carries out a call that nobody tells of yet. `code`: that of its success. */
export async function auditedCall<T>(
  auditor: Auditor,
  context: CallContext,
  asked: Asked,
  code: number,
  run: (trail: AuditTrail | undefined) => Promise<T>,
): Promise<T> {
  const { call } = context;
  if (context.audit || !call || !auditor.on) return run(context.audit);
  const trail = await beginCall(auditor, context, call, asked);
  context.audit = trail;
  if (!trail) return run(undefined);
  try {
    const answer = await run(trail);
    trail.complete(code);
    return answer;
  } catch (error) {
    endFailed(trail, error);
    throw error;
  }
}

/** Tells of a call that ended before it came to where it would have been told of: its caller is not known, or it had to go. */
export async function auditRefused(auditor: Auditor, context: CallContext, error: unknown): Promise<void> {
  const { call } = context;
  if (!call || call.begun) return;
  const trail = await beginCall(auditor, context, call, { verb: 'post', path: call.path ?? '' });
  if (trail) endFailed(trail, error);
}

export function endFailed(trail: AuditTrail, error: unknown): void {
  const known = error instanceof ApiError ? error : new ApiError('InternalError', 'Internal error occurred');
  trail.failed(known);
  trail.complete(codeOf(known), !(error instanceof ApiError));
}

interface Names {
  readonly entry: Pick<KindEntry, 'group' | 'version' | 'plural'>;
  readonly namespace?: string;
  readonly name?: string;
  readonly subresource?: string;
}

/** What is asked of a kind. `object`: one that is to be made, which may name itself. */
export function askedOf(verb: string, names: Names, object?: unknown): Asked {
  const { entry, namespace, name, subresource } = names;
  const given = (object as { metadata?: { name?: unknown } } | undefined)?.metadata?.name;
  const named = name ?? (typeof given === 'string' ? given : undefined);
  return {
    ...{ verb, group: entry.group, version: entry.version, resource: entry.plural, uri: pathOf(names) },
    ...(subresource ? { subresource } : {}),
    ...(namespace ? { namespace } : {}),
    ...(named ? { name: named } : {}),
  };
}

function pathOf({ entry: { group, version, plural }, namespace, name, subresource }: Names): string {
  const root = group ? `/apis/${group}/${version}` : `/api/${version}`;
  const parts = [namespace && `namespaces/${namespace}`, plural, name, subresource];
  return [root, ...parts.filter(Boolean)].join('/');
}

function ipOf(peer: string): string {
  return peer
    .replace(/^ipv[46]:/, '')
    .replace(/:\d+$/, '')
    .replace(/^\[|\]$/g, '');
}
