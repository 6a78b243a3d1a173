import type { ClientDuplexStream } from '@grpc/grpc-js';
import { ApiError } from '../errors.ts';
import type { Connection, TunnelFrame } from '../session.ts';
import type { RpcChannel } from './channel.ts';
import type { PortForwardInput, PortForwardOutput, ProcessInput, ProcessOutput } from './messages.ts';
import type { KindMethods } from './schema.ts';
import { incomingOf, writeMessage } from './streams.ts';

/** A stream of a pod, as in the API's ConnectQuery. */
export type PodStreamRequest =
  | {
      readonly type: 'exec' | 'attach';
      readonly container?: string;
      readonly command?: readonly string[];
      readonly stdin?: boolean;
      readonly stdout?: boolean;
      readonly stderr?: boolean;
      readonly tty?: boolean;
    }
  | { readonly type: 'portforward'; readonly port: number };

/**
 * Exec, attach or one connection of a port-forward over gRPC, in the frames of a node's tunnel: 0 input, 1 and 2 output, 4 resize, and
 * last, on 3, the Status of a process. `incoming` throws errors. Aborting the signal ends what runs in the pod.
 */
export function openPodStream(
  channel: RpcChannel,
  methods: Pick<KindMethods, 'Exec' | 'Attach' | 'PortForward'>,
  pod: { readonly namespace: string; readonly name: string },
  request: PodStreamRequest,
  signal: AbortSignal,
): Connection<TunnelFrame, TunnelFrame> {
  if (request.type === 'portforward') {
    const stream = channel.duplex(served(methods.PortForward), signal);
    stream.write({ request: { ...pod, port: request.port } } satisfies PortForwardInput);
    return connection<PortForwardInput, PortForwardOutput>(channel, stream, portForwardInput, portForwardFrame, signal);
  }
  const { type, ...rest } = request;
  const stream = channel.duplex(served(type === 'exec' ? methods.Exec : methods.Attach), signal);
  stream.write({ request: { ...pod, ...rest } } satisfies ProcessInput);
  return connection<ProcessInput, ProcessOutput>(channel, stream, processInput, processFrame, signal);
}

function served<T>(method: T | undefined): T {
  if (!method) throw new ApiError('MethodNotAllowed', 'the server does not support this stream');
  return method;
}

function connection<In, Out>(
  { toApiError }: RpcChannel,
  stream: ClientDuplexStream<In, Out>,
  input: (frame: TunnelFrame) => In,
  frame: (message: Out) => TunnelFrame,
  signal: AbortSignal,
): Connection<TunnelFrame, TunnelFrame> {
  const messages = incomingOf<Out>(stream);
  async function* frames(): AsyncGenerator<TunnelFrame> {
    try {
      for await (const message of messages) yield frame(message);
    } catch (error) {
      if (!signal.aborted) throw toApiError(error);
    }
  }
  return {
    async send(one) {
      try {
        await writeMessage(stream, input(one));
      } catch (error) {
        throw toApiError(error);
      }
    },
    incoming: frames(),
    close: () => void stream.cancel(),
  };
}

function processInput({ channel, data, end }: TunnelFrame): ProcessInput {
  if (channel === 4) {
    const { Width: width, Height: height } = JSON.parse(Buffer.from(data).toString());
    return { resize: { width, height } };
  }
  return end ? { stdin_end: true, ...(data.length > 0 ? { stdin: data } : {}) } : { stdin: data };
}

function processFrame({ stdout, stderr, status }: ProcessOutput): TunnelFrame {
  if (status) return { data: Buffer.from(JSON.stringify(status)), channel: 3, end: true };
  return stderr ? { data: stderr, channel: 2, end: false } : { data: stdout ?? nothing, channel: 1, end: false };
}

function portForwardInput({ data, end }: TunnelFrame): PortForwardInput {
  return { ...(data.length > 0 ? { data } : {}), ...(end ? { end } : {}) };
}

function portForwardFrame({ data = nothing, end = false }: PortForwardOutput): TunnelFrame {
  return { data, channel: 1, end };
}

const nothing = new Uint8Array();
