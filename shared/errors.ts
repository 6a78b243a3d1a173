import type { Status, StatusCause } from './generated/types.ts';

/**
 * The one table of what can go wrong with a request: Kubernetes' reason, its HTTP code (API conventions,
 * "Response Status Kind"), and the corresponding gRPC code.
 */
export const reasons = {
  BadRequest: { http: 400, grpc: 3 },
  Unauthorized: { http: 401, grpc: 16 },
  Forbidden: { http: 403, grpc: 7 },
  NotFound: { http: 404, grpc: 5 },
  MethodNotAllowed: { http: 405, grpc: 12 },
  NotAcceptable: { http: 406, grpc: 3 },
  AlreadyExists: { http: 409, grpc: 6 },
  Conflict: { http: 409, grpc: 10 },
  Expired: { http: 410, grpc: 11 },
  RequestEntityTooLarge: { http: 413, grpc: 8 },
  UnsupportedMediaType: { http: 415, grpc: 3 },
  Invalid: { http: 422, grpc: 3 },
  TooManyRequests: { http: 429, grpc: 8 },
  InternalError: { http: 500, grpc: 13 },
  ServiceUnavailable: { http: 503, grpc: 14 },
  Timeout: { http: 504, grpc: 4 },
  /** Kubernetes has no reason for a full database: its server answers an internal error. */
  InsufficientStorage: { http: 507, grpc: 8 },
  /** Errors to which Kubernetes' server gives no reason. */
  Unknown: { http: 500, grpc: 2 },
} as const;

export type Reason = keyof typeof reasons;

export interface ErrorDetails {
  /** The resource's plural, group and name, as Kubernetes' StatusDetails has them. */
  readonly kind?: string;
  readonly group?: string;
  readonly name?: string;
  readonly uid?: string;
  readonly causes?: readonly StatusCause[];
  readonly retryAfterSeconds?: number;
  /** Of an expired list: a token that continues it at the present revision. */
  readonly continue?: string;
}

/** Every error of a request: thrown by the store and the API, encoded by gRPC and REST, caught by clients. */
export class ApiError extends Error {
  readonly reason: Reason;
  readonly details: ErrorDetails;

  constructor(reason: Reason, message: string, details: ErrorDetails = {}, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ApiError';
    this.reason = reason;
    this.details = details;
  }

  /** As Kubernetes' `Status` object. */
  toStatus(): Status & { apiVersion: 'v1'; kind: 'Status' } {
    const { causes, continue: token, ...details } = this.details;
    // As in Kubernetes, the Status of an unknown path has empty details.
    const some = Object.keys(this.details).length > (token === undefined ? 0 : 1) || aboutPaths.has(this.reason);
    return {
      apiVersion: 'v1',
      kind: 'Status',
      metadata: token === undefined ? {} : { continue: token },
      status: 'Failure',
      message: this.message,
      ...(this.reason === 'Unknown' ? {} : { reason: this.reason }),
      ...(some ? { details: { ...details, ...(causes ? { causes: [...causes] } : {}) } } : {}),
      code: reasons[this.reason].http,
    };
  }

  /** From a `Status` that a server sent. */
  static fromStatus(status: Status): ApiError {
    const reason = (status.reason ?? 'Unknown') as Reason;
    return new ApiError(Object.hasOwn(reasons, reason) ? reason : 'InternalError', status.message ?? 'no message', {
      ...(status.details as ErrorDetails | undefined),
    });
  }
}

const aboutPaths: ReadonlySet<Reason> = new Set(['NotFound', 'MethodNotAllowed']);

/** Whether `error` is an ApiError of one of `wanted` (of any reason, when none is named). */
export function isApiError(error: unknown, ...wanted: Reason[]): error is ApiError {
  return error instanceof ApiError && (wanted.length === 0 || wanted.includes(error.reason));
}

/** Whether one of its causes has this reason: `NamespaceTerminating`. */
export function hasCause(error: unknown, reason: string): boolean {
  return isApiError(error) && error.details.causes?.some((one) => one.reason === reason) === true;
}

/** For `.catch`: swallows errors of these reasons, throws all others. */
export function ignoring(...reasons: Reason[]): (error: unknown) => undefined {
  return (error) => {
    if (!isApiError(error, ...reasons)) throw error;
    return undefined;
  };
}

/** The message of anything that was thrown, for people. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
