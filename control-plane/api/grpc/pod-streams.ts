import { ApiError } from '../../../shared/errors.ts';
import type { Status } from '../../../shared/generated/types.ts';
import type * as wire from '../../../shared/rpc/messages.ts';
import type { KindService } from '../../../shared/rpc/schema.ts';
import type { TunnelFrame } from '../../../shared/session.ts';
import type { Api, ConnectQuery, PodStream, RequestContext } from '../api.ts';
import { channels, endFrame, frame } from '../rest/streams/channels.ts';
import { duplexStream, type Registered } from './calls.ts';
import type { CallDeps } from './request.ts';
import { targetOf } from './targets.ts';

const nothing = new Uint8Array();

/** Exec, attach and port-forward, for the kind that has them. */
export function podStreamMethods(deps: CallDeps & { api: Api }, { entry, methods }: KindService): Registered[] {
  const { api } = deps;
  const registered: Registered[] = [];
  const open = (
    context: RequestContext,
    { namespace, name }: { namespace?: string; name?: string },
    query: ConnectQuery,
  ): Promise<PodStream> => api.connect(context, targetOf(entry, { namespace, name }, query.type), query, 'create');

  for (const type of ['exec', 'attach'] as const) {
    const method = type === 'exec' ? methods.Exec : methods.Attach;
    if (!method) continue;
    registered.push(
      duplexStream(deps, method, (context, messages) =>
        carry(messages, {
          open: ({ request }) => request && open(context, request, processQuery(type, request)),
          frameOf: processFrame,
          message: processOutput,
        }),
      ),
    );
  }
  if (methods.PortForward) {
    registered.push(
      duplexStream(deps, methods.PortForward, (context, messages) =>
        carry(messages, {
          open: ({ request }) => request && open(context, request, { type: 'portforward', port: request.port ?? 0 }),
          frameOf: ({ data, end }) => frame(channels.stdin, data ?? nothing, end),
          message: portForwardOutput,
        }),
      ),
    );
  }
  return registered;
}

interface Conversion<In, Out> {
  /** Undefined when the message contains no request. */
  open(first: In): Promise<PodStream> | undefined;
  frameOf(message: In): TunnelFrame | undefined;
  /** Undefined for a frame that the client does not get. Throws the error that ends the call. */
  message(frame: TunnelFrame): Out | undefined;
}

/** The stream of the first message's request, until its last frame. */
async function* carry<In, Out>(messages: AsyncIterable<In>, { open, frameOf, message }: Conversion<In, Out>) {
  const incoming = messages[Symbol.asyncIterator]();
  const first = await incoming.next();
  const opening = first.done ? undefined : open(first.value);
  if (!opening) throw new ApiError('BadRequest', 'the first message must hold the request');
  const stream = await opening;
  const input = (async () => {
    for (let next = await incoming.next(); !next.done; next = await incoming.next()) {
      const one = frameOf(next.value);
      if (one) await stream.send(one);
    }
    await stream.send(endFrame(channels.stdin));
  })();
  // An error of this direction also shows in the call, or in what is read from the node.
  input.catch(() => undefined);
  try {
    for await (const one of stream.incoming) {
      const out = message(one);
      if (out) yield out;
      if (one.channel === channels.status) return;
    }
    throw new ApiError('ServiceUnavailable', 'the node has closed the stream');
  } finally {
    stream.close();
  }
}

function processQuery(type: 'exec' | 'attach', request: wire.ProcessRequest): ConnectQuery {
  const { container, command = [], stdin, stdout, stderr, tty } = request;
  return {
    type,
    stdin,
    stdout,
    stderr,
    tty,
    ...(container ? { container } : {}),
    ...(type === 'exec' ? { command } : {}),
  };
}

function processFrame({ stdin, stdin_end: end, resize }: wire.ProcessInput): TunnelFrame | undefined {
  if (resize) {
    const size = JSON.stringify({ Width: resize.width ?? 0, Height: resize.height ?? 0 });
    return frame(channels.resize, Buffer.from(size));
  }
  return stdin || end ? frame(channels.stdin, stdin ?? nothing, end) : undefined;
}

function processOutput({ channel, data }: TunnelFrame): wire.ProcessOutput | undefined {
  if (channel === channels.status) return { status: plainStatus(data) };
  if (data.length === 0) return undefined;
  return channel === channels.stderr ? { stderr: data } : { stdout: data };
}

function portForwardOutput({ channel, data, end }: TunnelFrame): wire.PortForwardOutput | undefined {
  if (channel !== channels.status) return { ...(data.length > 0 ? { data } : {}), ...(end ? { end } : {}) };
  const status = plainStatus(data);
  if (status.status !== 'Success') throw ApiError.fromStatus(status);
  return undefined;
}

function plainStatus(data: Uint8Array): Status {
  const { kind: _kind, apiVersion: _version, ...status } = JSON.parse(Buffer.from(data).toString());
  return status as Status;
}
