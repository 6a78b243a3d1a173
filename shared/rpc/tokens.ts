import { ApiError } from '../errors.ts';
import type { RpcChannel } from './channel.ts';

/** A token of a service account that a pod's node asks for. */
export interface PodTokenRequest {
  readonly namespace: string;
  readonly account: string;
  /** The pod that the token lives with. */
  readonly pod: { readonly name: string; readonly uid: string };
  /** Absent: the API server. */
  readonly audience?: string | undefined;
  /** Absent: what the server thinks right. */
  readonly expirationSeconds?: number | undefined;
}

export interface PodToken {
  readonly token: string;
  /** Milliseconds since the epoch. */
  readonly expires: number;
}

/** Longer than this nobody waits for a token: the pod does. */
const timeoutMs = 10_000;

/** Throws ApiError. */
export async function requestToken(channel: RpcChannel, wish: PodTokenRequest, signal: AbortSignal): Promise<PodToken> {
  const method = channel.schema.kinds.find(({ entry }) => entry.kind === 'ServiceAccount')?.methods.CreateToken;
  if (!method) throw new ApiError('MethodNotAllowed', 'there are no tokens of service accounts');
  const { namespace, account: name, pod, audience, expirationSeconds } = wish;
  const request = {
    ...{ namespace, name, bound_kind: 'Pod', bound_name: pod.name, bound_uid: pod.uid },
    ...(audience ? { audiences: [audience] } : {}),
    ...(expirationSeconds ? { expiration_seconds: expirationSeconds } : {}),
  };
  const { token, expiration_timestamp: expires = '' } = await channel.unary(method, request, { timeoutMs, signal });
  if (!token || Number.isNaN(Date.parse(expires))) throw new ApiError('InternalError', 'the server sent no token');
  return { token, expires: Date.parse(expires) };
}
