import type { Clock } from '../../../shared/clock.ts';
import { ApiError } from '../../../shared/errors.ts';
import type { PeerServer } from '../../../shared/peers.ts';
import type { PeerInput, PeerOutput } from '../../../shared/rpc/messages.ts';
import type { RpcSchema } from '../../../shared/rpc/schema.ts';
import { frameFromWire, streamRequestFromWire } from '../../../shared/rpc/session-messages.ts';
import { usageToWire } from '../../../shared/rpc/usage.ts';
import type { PodStream } from '../api.ts';
import { type ClientCertificate, isGood } from '../auth/authentication.ts';
import type { ShownCredentials } from '../auth/authenticator.ts';
import { groups } from '../auth/identity.ts';
import type { Requester } from '../auth/requester.ts';
import { duplexStream, type Registered, serverStream } from './calls.ts';
import type { CallDeps } from './request.ts';

/**
 * Methods for the other servers of the cluster. Only the holder of a server's certificate may call them, without impersonation. They
 * take no seat: the client's request has one at the calling server.
 */
export function peerMethods(deps: CallDeps & { schema: RpcSchema }, peers: PeerServer): Registered[] {
  const authenticator = { authenticate: ({ certificate }: ShownCredentials) => serverOf(certificate, deps.clock) };
  const own: CallDeps = { ...deps, chain: deps.chain.with({ authenticator, gate: undefined }) };
  const { Stream, Usage } = deps.schema.peers;
  return [
    duplexStream(own, Stream, ({ signal }, messages) => relay(peers, messages, signal)),
    serverStream(own, Usage, async function* (_context, { nodes = [] }) {
      for (const { node, report } of peers.usage(nodes)) yield { node, report: usageToWire(report) };
    }),
  ];
}

function serverOf(certificate: ClientCertificate | undefined, clock: Clock): Requester {
  const identity = certificate && isGood(certificate, clock.now()) ? certificate.identity : undefined;
  if (identity?.groups.includes(groups.servers)) return { identity };
  throw new ApiError('Forbidden', 'only the servers of the cluster may ask each other');
}

/** Carries frames between the calling server and the node, each way as fast as the other end reads. */
async function* relay(
  peers: PeerServer,
  messages: AsyncIterable<PeerInput>,
  signal: AbortSignal,
): AsyncGenerator<PeerOutput> {
  const incoming = messages[Symbol.asyncIterator]();
  const first = await incoming.next();
  const wire = first.done ? undefined : first.value.request;
  const request = wire && streamRequestFromWire(wire);
  if (!request) throw new ApiError('BadRequest', 'the first message must hold a request for a stream');
  const tunnel = await peers.open(wire.server ?? '', wire.node ?? '', request, signal);
  if (!tunnel) return yield { open: false };
  try {
    yield { open: true };
    const input = carryIn(incoming, tunnel);
    // An error of this direction also shows in the call, or in what is read from the node.
    input.catch(() => undefined);
    for await (const frame of tunnel.incoming) yield { frame };
  } finally {
    tunnel.close();
  }
}

async function carryIn(incoming: AsyncIterator<PeerInput>, tunnel: PodStream): Promise<void> {
  for (let next = await incoming.next(); !next.done; next = await incoming.next()) {
    if (next.value.frame) await tunnel.send(frameFromWire(next.value.frame));
  }
}
