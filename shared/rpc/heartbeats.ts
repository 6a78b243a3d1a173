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
let beat: MethodDefinition<WireHeartbeat, WireHeartbeatAck> | undefined;

/** The method of the Heartbeats service, from its own small descriptor: a process that serves only this loads nothing of the API. */
export function beatMethod(): MethodDefinition<WireHeartbeat, WireHeartbeatAck> {
  if (beat) return beat;
  const root = protobuf.Root.fromJSON(descriptor).resolveAll();
  const method = root.lookupService(service).methods.Beat;
  if (!method?.resolvedRequestType || !method.resolvedResponseType) throw new Error(`no method ${service}.Beat`);
  const [request, response] = [method.resolvedRequestType, method.resolvedResponseType];
  beat = define(service, method, messageCodec<WireHeartbeat>(request), messageCodec<WireHeartbeatAck>(response));
  return beat;
}

/**
 * The heartbeats of a session on a connection of their own, to the server that the session is with. `peer`: the address that
 * the session's connection has reached. The channel ends with the connection or the signal.
 */
export function dialHeartbeats(
  session: RpcChannel,
  peer: string,
  { host, port }: HeartbeatTarget,
  signal: AbortSignal,
): Connection<HeartbeatAck, Heartbeat> {
  if (port === 0) throw new ApiError('NotFound', 'the server has told no port for heartbeats');
  const channel = session.sibling(`${bracketed(host ?? hostOf(peer))}:${port}`, host);
  const stream = channel.duplex(beatMethod(), signal);
  stream.once('status', () => channel.close());
  return connectionOver(stream, heartbeatToWire, ackFromWire, channel.toApiError);
}

export function heartbeatToWire({ sequence, sessionId }: Heartbeat): WireHeartbeat {
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
