import type { handleBidiStreamingCall, MethodDefinition, ServerDuplexStream } from '@grpc/grpc-js';
import { ApiError } from '../../../shared/errors.ts';
import type { WireFromNode, WireToNode, WireTunnelFrame } from '../../../shared/rpc/messages.ts';
import type { RpcSchema } from '../../../shared/rpc/schema.ts';
import { serverSession, serverTunnel } from '../../../shared/rpc/session-server.ts';
import type { SessionServer } from '../../../shared/session.ts';
import { nodeNameOf } from '../auth/authentication.ts';
import type { Enrollment } from '../auth/enrollment.ts';
import type { Identity } from '../auth/identity.ts';
import { auditedMethod } from './audited-method.ts';
import { type Registered, unary } from './calls.ts';
import { type CallDeps, StreamRequest } from './request.ts';

/** The most bytes of one message of a node's session. */
const maxSessionBytes = 1024 * 1024;
/** How long a tunnel may take to send its id, in milliseconds. */
const tunnelIdMs = 10_000;

export interface NodeMethodDeps extends CallDeps {
  readonly schema: RpcSchema;
  readonly enrollment: Enrollment;
  readonly sessions: SessionServer;
}

/** Joining, and the renewal of a node's certificate. */
export function enrollmentMethods(deps: NodeMethodDeps): Registered[] {
  const { chain, enrollment } = deps;
  const { Enroll, Renew } = deps.schema.enrollment;
  return [
    unary(deps, Enroll, async (context, { token = '', node_name: node = '', csr = '' }) => {
      const identity = await enrollment.holderOf(token);
      return auditedMethod(chain, { ...context, identity }, { path: Enroll.path, node }, () =>
        enrollment.enroll({ token, nodeName: node, csr }),
      );
    }),
    unary(deps, Renew, (context, { node_name: node = '', csr = '' }) =>
      auditedMethod(chain, context, { path: Renew.path, node }, async () => {
        requireOwnCertificate(context);
        return enrollment.renew(context.identity, { nodeName: node, csr });
      }),
    ),
  ];
}

/** A node's session, and the tunnels that it opens for streams into its pods. */
export function sessionMethods(deps: NodeMethodDeps): Registered[] {
  const { Connect, Tunnel } = deps.schema.sessions;
  const connect = nodeStream<WireFromNode, WireToNode>(deps, Connect.path, (stream, identity, signal) =>
    deps.sessions.serve(serverSession(stream, deps.clock, signal), { ...identity, peer: stream.getPeer() }),
  );
  const tunnel = nodeStream<WireTunnelFrame, WireTunnelFrame>(deps, Tunnel.path, async (stream, identity, signal) => {
    const { id, connection } = await new Promise<Awaited<ReturnType<typeof serverTunnel>>>((resolve, reject) => {
      const refuse = (): void => reject(new ApiError('Timeout', 'the tunnel did not send its id in time'));
      const timer = deps.clock.timer(tunnelIdMs, refuse);
      serverTunnel(stream, signal)
        .finally(() => timer.cancel())
        .then(resolve, reject);
    });
    await deps.sessions.tunnel(id, connection, identity);
  });
  return [
    { definition: bounded(Connect, maxSessionBytes), handler: connect },
    { definition: Tunnel, handler: tunnel },
  ];
}

/** The same method, with messages of at most so many bytes: those of a larger one are not decoded. */
function bounded<In, Out>(definition: MethodDefinition<In, Out>, maxBytes: number): MethodDefinition<In, Out> {
  return {
    ...definition,
    requestDeserialize(bytes) {
      if (bytes.length > maxBytes) throw new Error(`a message of ${bytes.length} bytes: at most ${maxBytes} are taken`);
      return definition.requestDeserialize(bytes);
    },
  };
}

/** A stream that only a node may open. It ends when the session server is done with it, or with the node's certificate. */
function nodeStream<In, Out>(
  deps: NodeMethodDeps,
  path: string,
  serve: (stream: ServerDuplexStream<In, Out>, identity: Identity, signal: AbortSignal) => Promise<void>,
): handleBidiStreamingCall<In, Out> {
  // A session lasts as long as its node: it takes no part in priority and fairness.
  const chain = deps.chain.with({ gate: undefined });
  return (stream) => {
    const request = new StreamRequest({ ...deps, chain }, stream, { outlivesClient: true });
    const { context } = request;
    void chain.serve(request, async () => {
      const { identity, signal } = context;
      requireOwnCertificate(context);
      const node = nodeNameOf(identity);
      if (node === undefined) {
        throw new ApiError('Forbidden', `User "${identity.user}" is not a node: only nodes may open sessions`);
      }
      await auditedMethod(chain, context, { path, node }, async ({ audit }) => {
        audit?.started(200);
        await serve(stream, identity, signal);
      });
      if (!stream.destroyed) stream.end();
    });
  };
}

/** Only a node's own certificate makes it one: an impersonator has a node's rights, but neither its session nor its certificate. */
function requireOwnCertificate({ impersonator, identity }: { impersonator?: Identity; identity: Identity }): void {
  if (!impersonator) return;
  throw new ApiError(
    'Forbidden',
    `User "${impersonator.user}" is not "${identity.user}": only the node itself may do this`,
  );
}
