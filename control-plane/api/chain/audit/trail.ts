import { formatMicroTime } from '../../../../shared/clock.ts';
import { type ApiError, reasons } from '../../../../shared/errors.ts';
import type { KubeObject } from '../../../../shared/object.ts';
import { fits } from '../../../store/cache/packed.ts';
import { type Decision, type Identity, userInfoOf } from '../../auth/identity.ts';
import type { AuditDecision, AuditedRequest, AuditStage } from './policy.ts';

/** A body with more items than this is not written: encoding it would block other requests. */
const maxItems = 500;
/** The longest event, in characters; a longer one is written without bodies. */
const maxLength = 1024 * 1024;
const maxUserAgent = 1024;

/** A request as it was received. */
export interface Received {
  readonly request: AuditedRequest;
  readonly impersonator?: Identity | undefined;
  readonly uri: string;
  readonly userAgent?: string | undefined;
  readonly sourceIPs: readonly string[];
  readonly auditID: string;
}

export interface TrailDeps {
  readonly now: () => number;
  /** Takes one line of the audit log; the request does not wait for it. */
  readonly emit: (line: string) => void;
}

/** The audit events of one request, whose details are collected while it is carried out. */
export class AuditTrail {
  readonly #deps: TrailDeps;
  readonly #received: Received;
  readonly #decision: AuditDecision;
  readonly #at: string;
  readonly #annotations: Record<string, string> = {};
  #requestObject: unknown;
  #responseObject: unknown;
  #code: number | undefined;
  #failure: ApiError | undefined;

  constructor(deps: TrailDeps, received: Received, decision: AuditDecision) {
    this.#deps = deps;
    this.#received = received;
    this.#decision = decision;
    this.#at = formatMicroTime(deps.now());
  }

  /** The event RequestReceived; undefined where the policy omits it. */
  received(): string | undefined {
    return this.#line('RequestReceived');
  }

  /** The body: an object, options, or a patch. */
  request(object: unknown): void {
    const { level } = this.#decision;
    if (level === 'Request' || level === 'RequestResponse') this.#requestObject = object;
  }

  response(object: unknown): void {
    if (this.#decision.level === 'RequestResponse') this.#responseObject = asServed(object);
  }

  decided(decision: Decision): void {
    this.#annotations['authorization.k8s.io/decision'] = decision.allowed ? 'allow' : 'forbid';
    this.#annotations['authorization.k8s.io/reason'] = decision.reason ?? '';
  }

  /** An annotation by an admission plugin. */
  note(key: string, text: string): void {
    this.#annotations[key] = text;
  }

  failed(error: ApiError): void {
    this.#failure = error;
    if (error.reason === 'Forbidden') this.#annotations['authorization.k8s.io/decision'] ??= 'forbid';
  }

  /** A streamed answer has begun. */
  started(code: number): void {
    this.#code = code;
    this.#send('ResponseStarted');
  }

  /** The request has ended. `fault`: by an unexpected error. */
  complete(code: number, fault = false): void {
    this.#code = code;
    this.#annotations['authorization.k8s.io/decision'] ??= code === 403 ? 'forbid' : 'allow';
    this.#annotations['authorization.k8s.io/reason'] ??= '';
    this.#send(fault ? 'Panic' : 'ResponseComplete');
  }

  #send(stage: AuditStage): void {
    const line = this.#line(stage);
    if (line !== undefined) this.#deps.emit(line);
  }

  #line(stage: AuditStage): string | undefined {
    const { level, omitStages } = this.#decision;
    if (level === 'None' || omitStages.includes(stage)) return undefined;
    const event = this.#event(stage);
    const bodies = this.#bodies(stage);
    const whole = bodies && JSON.stringify({ ...event, ...bodies });
    if (whole && whole.length <= maxLength) return whole;
    if (!bodies && this.#requestObject === undefined && this.#responseObject === undefined)
      return JSON.stringify(event);
    return JSON.stringify({ ...event, annotations: { ...this.#annotations, 'audit.k8s.io/truncated': 'true' } });
  }

  /** Undefined when there are none, or they are too large to be encoded. */
  #bodies(stage: AuditStage): { requestObject?: unknown; responseObject?: unknown } | undefined {
    const late = stage === 'ResponseComplete' || stage === 'Panic';
    if (itemsOf(this.#responseObject) > maxItems || !fits([this.#requestObject, this.#responseObject], maxLength)) {
      return undefined;
    }
    const shown = (object: unknown) => (this.#decision.omitManagedFields ? withoutManagedFields(object) : object);
    if (this.#requestObject === undefined && this.#responseObject === undefined) return undefined;
    return {
      ...(this.#requestObject === undefined ? {} : { requestObject: shown(this.#requestObject) }),
      ...(late && this.#responseObject !== undefined ? { responseObject: shown(this.#responseObject) } : {}),
    };
  }

  #event(stage: AuditStage): object {
    const { request, impersonator, uri, userAgent, sourceIPs, auditID } = this.#received;
    const { identity, verb, group, version, resource, subresource, namespace, name } = request;
    const asUser = impersonator ? { impersonatedUser: userInfoOf(identity) } : {};
    return {
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level: this.#decision.level,
      auditID,
      stage,
      requestURI: uri,
      verb,
      user: userInfoOf(impersonator ?? identity),
      ...asUser,
      sourceIPs,
      ...(userAgent ? { userAgent: userAgent.slice(0, maxUserAgent) } : {}),
      ...(resource === undefined
        ? {}
        : {
            objectRef: {
              resource,
              ...(namespace ? { namespace } : {}),
              ...(name ? { name } : {}),
              ...(group ? { apiGroup: group } : {}),
              ...(version ? { apiVersion: version } : {}),
              ...(subresource ? { subresource } : {}),
            },
          }),
      ...(this.#code === undefined ? {} : { responseStatus: this.#status(this.#code) }),
      requestReceivedTimestamp: this.#at,
      stageTimestamp: formatMicroTime(this.#deps.now()),
      ...(Object.keys(this.#annotations).length > 0 ? { annotations: this.#annotations } : {}),
    };
  }

  #status(code: number): object {
    if (!this.#failure) return { metadata: {}, code };
    const { status, message, reason, details } = this.#failure.toStatus();
    return { metadata: {}, status, message, reason, ...(details ? { details } : {}), code };
  }
}

/** The HTTP code of an error. */
export function codeOf(error: ApiError): number {
  return reasons[error.reason].http;
}

/** The part of a ListPage that is read. */
interface Page {
  readonly items: readonly KubeObject[];
  readonly served: (object: KubeObject) => KubeObject;
}

/** A page in the version that is served, unless it is too large to be written. */
function asServed(object: unknown): unknown {
  const { items, served, ...rest } = (object ?? {}) as Partial<Page>;
  if (!items || !served) return object;
  return { ...rest, items: items.length <= maxItems && fits(items, maxLength) ? items.map(served) : items };
}

function itemsOf(object: unknown): number {
  const { items } = (object ?? {}) as { items?: unknown };
  return Array.isArray(items) ? items.length : 0;
}

function withoutManagedFields(object: unknown): unknown {
  if (typeof object !== 'object' || object === null || Array.isArray(object)) return object;
  const { metadata, items } = object as { metadata?: object; items?: unknown };
  return {
    ...object,
    ...(metadata && 'managedFields' in metadata ? { metadata: { ...metadata, managedFields: undefined } } : {}),
    ...(Array.isArray(items) ? { items: items.map(withoutManagedFields) } : {}),
  };
}
