import type { MethodDefinition } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { bracketed, splitAddress } from '../address.ts';
import { ApiError } from '../errors.ts';
import { descriptor } from '../generated/liveness.ts';
import type { Connection, Heartbeat, HeartbeatAck, HeartbeatTarget } from '../session.ts';
import type { RpcChannel } from './channel.ts';
import { define, messageCodec } from './codec.ts';
import { connectionOver } from './connection.ts';

export interface WireHeartbeat {
  sequence?: number;
  session_id?: string;
}

export interface WireHeartbeatAck {
  sequence?: number;
}

const service = 'coracle.liveness.v1.Heartbeats';
let method: MethodDefinition<WireHeartbeat, WireHeartbeatAck> | undefined;

/** The method of the Heartbeats service. It has a small descriptor of its own: a thread that serves only this loads nothing of the API. */
export function heartbeatMethod(): MethodDefinition<WireHeartbeat, WireHeartbeatAck> {
  if (method) return method;
  const root = protobuf.Root.fromJSON(descriptor).resolveAll();
  const found = root.lookupService(service).methods.Beat;
  if (!found?.resolvedRequestType || !found.resolvedResponseType) throw new Error(`no method ${service}.Beat`);
  const [request, response] = [found.resolvedRequestType, found.resolvedResponseType];
  method = define(service, found, messageCodec<WireHeartbeat>(request), messageCodec<WireHeartbeatAck>(response));
  return method;
}

/**
 * Dials a connection for the heartbeats of a session, to the session's server. `peer`: the remote address of the session's
 * connection. The channel ends with the connection or the signal.
 */
export function dialHeartbeats(
  session: RpcChannel,
  peer: string,
  { host, port }: HeartbeatTarget,
  signal: AbortSignal,
): Connection<HeartbeatAck, Heartbeat> {
  if (port === 0) throw new ApiError('NotFound', 'the server has no port for heartbeats');
  const channel = session.sibling(`${bracketed(host ?? hostOf(peer))}:${port}`, host);
  const stream = channel.duplex(heartbeatMethod(), signal);
  stream.once('status', () => channel.close());
  return connectionOver(stream, { encode: heartbeatToWire, decode: ackFromWire, toApiError: channel.toApiError });
}

function heartbeatToWire({ sequence, sessionId }: Heartbeat): WireHeartbeat {
  return { sequence, ...(sessionId === undefined ? {} : { session_id: sessionId }) };
}

export function heartbeatFromWire({ sequence = 0, session_id: sessionId }: WireHeartbeat): Heartbeat {
  return { sequence, ...(sessionId === undefined ? {} : { sessionId }) };
}

function ackFromWire({ sequence = 0 }: WireHeartbeatAck): HeartbeatAck {
  return { sequence };
}

function hostOf(peer: string): string {
  try {
    return splitAddress(peer).host;
  } catch (cause) {
    throw new ApiError('ServiceUnavailable', `the session is not connected: ${peer}`, {}, { cause });
  }
}
