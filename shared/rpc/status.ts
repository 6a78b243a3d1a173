import { status as codes, Metadata, type ServiceError } from '@grpc/grpc-js';
import { ApiError, messageOf, type Reason, reasons } from '../errors.ts';
import type { RpcSchema } from './schema.ts';

/**
 * ApiError over gRPC, and back without loss: the code from the table of reasons, the message, and Kubernetes' Status as
 * a detail of google.rpc.Status in the trailer `grpc-status-details-bin`, where generic clients look for it.
 */
export interface StatusError {
  readonly code: number;
  readonly details: string;
  readonly metadata: Metadata;
}

type Codecs = Pick<RpcSchema, 'rpcStatus' | 'status'>;

const detailsKey = 'grpc-status-details-bin';
const statusType = 'type.googleapis.com/k8s.io.apimachinery.pkg.apis.meta.v1.Status';

/** Trailers are headers: peers refuse more than 64 KiB of them by default. */
const maxMessage = 2048;
const maxStatus = 24 * 1024;
const maxCauses = 32;

/** What was thrown, as an error for the client. The message of anything but an ApiError is not sent. */
export function toStatusError(error: unknown, codecs: Codecs): StatusError {
  const api = error instanceof ApiError ? error : new ApiError('InternalError', 'an internal error occurred');
  const metadata = new Metadata();
  const { code, message } = { code: reasons[api.reason].grpc, message: truncate(api.message, maxMessage) };
  metadata.set(
    detailsKey,
    codecs.rpcStatus.encode({ code, message, details: [{ type_url: statusType, value: encodeStatus(api, codecs) }] }),
  );
  return { code, details: message, metadata };
}

/** The error that the server threw; for failures of the transport, the reason that fits its code. */
export function fromServiceError(error: unknown, codecs: Codecs): ApiError {
  if (error instanceof ApiError) return error;
  const { code, details, metadata } = error as Partial<ServiceError>;
  const [trailer] = metadata?.get(detailsKey) ?? [];
  if (Buffer.isBuffer(trailer)) {
    const value = codecs.rpcStatus.decode(trailer).details?.find(({ type_url }) => type_url === statusType)?.value;
    if (value) return ApiError.fromStatus(codecs.status.decode(value));
  }
  const reason = (code === undefined ? undefined : transportReasons[code]) ?? 'InternalError';
  return new ApiError(reason, details || messageOf(error), {}, { cause: error });
}

/** The reason of a gRPC code that came without a Status. */
const transportReasons: Readonly<Record<number, Reason>> = {
  [codes.CANCELLED]: 'ServiceUnavailable',
  [codes.INVALID_ARGUMENT]: 'BadRequest',
  [codes.DEADLINE_EXCEEDED]: 'Timeout',
  [codes.NOT_FOUND]: 'NotFound',
  [codes.ALREADY_EXISTS]: 'AlreadyExists',
  [codes.PERMISSION_DENIED]: 'Forbidden',
  [codes.RESOURCE_EXHAUSTED]: 'RequestEntityTooLarge',
  [codes.ABORTED]: 'Conflict',
  [codes.OUT_OF_RANGE]: 'Expired',
  [codes.UNIMPLEMENTED]: 'MethodNotAllowed',
  [codes.UNAVAILABLE]: 'ServiceUnavailable',
  [codes.UNAUTHENTICATED]: 'Unauthorized',
};

function encodeStatus(error: ApiError, codecs: Codecs): Buffer {
  const { apiVersion: _version, kind: _kind, ...status } = error.toStatus();
  const whole = codecs.status.encode(status);
  if (whole.length <= maxStatus) return whole;
  const causes = status.details?.causes?.slice(0, maxCauses).map((cause) => ({
    ...cause,
    message: truncate(cause.message ?? '', 200),
    field: truncate(cause.field ?? '', 200),
  }));
  return codecs.status.encode({
    ...status,
    message: truncate(error.message, maxMessage),
    details: { ...status.details, ...(causes ? { causes } : {}) },
  });
}

function truncate(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}
