import {
  castGrpcError,
  EtcdInvalidAuthTokenError,
  EtcdLeaseInvalidError,
  EtcdPermissionDeniedError,
  GRPCCancelledError,
  GRPCDeadlineExceededError,
  GRPCUnauthenticatedError,
  GRPCUnavailableError,
} from 'etcd3';
import { ApiError, messageOf, type Reason } from '../../../shared/errors.ts';

/** Messages of etcd (its `rpctypes`) and their reasons. The first that occurs in an error's message decides. */
const sayings: readonly (readonly [string, Reason])[] = [
  ['required revision has been compacted', 'Expired'],
  ['required revision is a future revision', 'Timeout'],
  ['request is too large', 'RequestEntityTooLarge'],
  ['received message larger than max', 'RequestEntityTooLarge'],
  ['Received message larger than max', 'RequestEntityTooLarge'],
  ['too many operations in txn request', 'BadRequest'],
  ['duplicate key given in txn request', 'BadRequest'],
  ['key is not provided', 'BadRequest'],
  ['too many requests', 'TooManyRequests'],
  ['requested lease not found', 'NotFound'],
  ['database space exceeded', 'InsufficientStorage'],
  ['request timed out', 'Timeout'],
];

/** Messages of grpc-js for a call that never left this process: even a write may be retried. */
const neverSentSayings = ['No connection established', 'Channel closed before call started', 'Name resolution failed'];

/** etcd refuses this server: not the caller's fault. */
const refusals = [EtcdPermissionDeniedError, EtcdInvalidAuthTokenError, GRPCUnauthenticatedError];

/** Any failure of a call to etcd as an ApiError. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  const message = messageOf(error);
  return new ApiError(reasonOf(error, message), `etcd: ${plain(message)}`, {}, { cause: error });
}

/** Whether the requested revision is in the future. */
export function isFutureRevision(error: ApiError): boolean {
  return error.message.includes('required revision is a future revision');
}

function reasonOf(error: unknown, message: string): Reason {
  for (const [saying, reason] of sayings) if (message.includes(saying)) return reason;
  const cast = error instanceof Error ? castGrpcError(error) : undefined;
  if (cast instanceof EtcdLeaseInvalidError) return 'NotFound';
  if (cast instanceof GRPCDeadlineExceededError) return 'Timeout';
  if (cast instanceof GRPCUnavailableError || cast instanceof GRPCCancelledError) return 'ServiceUnavailable';
  if (refusals.some((refusal) => cast instanceof refusal)) return 'ServiceUnavailable';
  return 'InternalError';
}

/** Whether a failed call may be retried: a read always, a write only if it was never sent. */
export function mayRetry(error: unknown, call: 'read' | 'write'): boolean {
  if (!(error instanceof Error)) return false;
  const message = error.message;
  if (neverSentSayings.some((saying) => message.includes(saying))) return true;
  if (call === 'write') return false;
  if (error instanceof ApiError) return error.reason === 'ServiceUnavailable';
  const cast = castGrpcError(error);
  return cast instanceof GRPCUnavailableError || cast instanceof GRPCCancelledError;
}

/** The message without the class and the code that the layers below prepend. */
function plain(message: string): string {
  return message.replace(/^(\w+Error: )?(\d+ [A-Z_]+: )?(etcdserver: )?/, '');
}
