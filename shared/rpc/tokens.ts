import { ApiError } from '../errors.ts';
import type { RpcChannel } from './channel.ts';

/** A request of a node for a service account's token, for one of its pods. */
export interface PodTokenRequest {
  readonly namespace: string;
  readonly account: string;
  /** The pod that the token is bound to. */
  readonly pod: { readonly name: string; readonly uid: string };
  /** Absent: the API server. */
  readonly audience?: string | undefined;
  /** Absent: the server's default. */
  readonly expirationSeconds?: number | undefined;
}

export interface PodToken {
  readonly token: string;
  /** Milliseconds since the epoch. */
  readonly expires: number;
}

const timeoutMs = 10_000;

/** Throws ApiError. */
export async function requestToken(
  channel: RpcChannel,
  podToken: PodTokenRequest,
  signal: AbortSignal,
): Promise<PodToken> {
  const method = channel.schema.kinds.find(({ entry }) => entry.kind === 'ServiceAccount')?.methods.CreateToken;
  if (!method) throw new ApiError('MethodNotAllowed', 'the server issues no tokens of service accounts');
  const { namespace, account: name, pod, audience, expirationSeconds } = podToken;
  const request = {
    namespace,
    name,
    bound_kind: 'Pod',
    bound_name: pod.name,
    bound_uid: pod.uid,
    ...(audience ? { audiences: [audience] } : {}),
    ...(expirationSeconds ? { expiration_seconds: expirationSeconds } : {}),
  };
  const { token, expiration_timestamp: expires = '' } = await channel.unary(method, request, { timeoutMs, signal });
  if (!token || Number.isNaN(Date.parse(expires))) throw new ApiError('InternalError', 'the server sent no token');
  return { token, expires: Date.parse(expires) };
}
