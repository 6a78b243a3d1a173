import { ApiError, messageOf } from '../../shared/errors.ts';
import type { Status } from '../../shared/generated/types.ts';
import type { PodStreamRequest } from '../../shared/rpc/pod-streams.ts';
import type { Connection, TunnelFrame } from '../../shared/session.ts';
import type { Cluster } from '../cluster.ts';
import type { Console } from '../console.ts';
import { ExitError, UsageError } from '../io.ts';

const nothing = new Uint8Array();
const outputs = { 1: 'stdout', 2: 'stderr' } as const;

export interface ProcessStreamArgs {
  readonly type: 'exec' | 'attach';
  readonly container: string;
  readonly command?: readonly string[];
  readonly stdin: boolean;
  readonly tty: boolean;
}

/** Connects the console with a process in a pod until it ends. Throws ExitError with its exit code, and ApiError of the server or node. */
export async function attachProcess(
  { client, namespace, io }: Cluster,
  name: string,
  { type, container, command, stdin, tty }: ProcessStreamArgs,
): Promise<void> {
  const request: PodStreamRequest = { type, container, command, stdin, stdout: true, stderr: !tty, tty };
  const stream = client.connect({ namespace, name }, request, io.signal);
  const { console } = io;
  const leave = tty ? enterTerminal(console, stream) : () => undefined;
  const input = stdin ? sendInput(console, stream) : undefined;
  // The process may end before it has read all input, which is no error.
  input?.catch(() => undefined);
  try {
    finish(await showOutput(console, stream), io.err);
  } finally {
    leave();
    if (stdin) console.stop();
    stream.close();
  }
}

async function showOutput(console: Console, stream: Connection<TunnelFrame, TunnelFrame>): Promise<Status> {
  for await (const { channel, data } of stream.incoming) {
    if (channel === 3) return JSON.parse(Buffer.from(data).toString()) as Status;
    if (channel === 1 || channel === 2) await console.write(outputs[channel], data);
  }
  throw new ApiError('ServiceUnavailable', 'the stream was closed before the process had ended');
}

async function sendInput(console: Console, stream: Connection<TunnelFrame, TunnelFrame>): Promise<void> {
  for await (const data of console.input()) await stream.send({ channel: 0, data, end: false });
  await stream.send({ channel: 0, data: nothing, end: true });
}

/** Passes every key and the size of the window to the process. Returns how to restore the console. */
function enterTerminal(console: Console, stream: Connection<TunnelFrame, TunnelFrame>): () => void {
  const tell = (): void => {
    const size = console.size();
    if (!size) return;
    const data = Buffer.from(JSON.stringify({ Width: size.width, Height: size.height }));
    stream.send({ channel: 4, data, end: false }).catch(() => undefined);
  };
  tell();
  const forget = console.onResize(tell);
  console.setRaw(true);
  return () => {
    console.setRaw(false);
    forget();
  };
}

function finish(status: Status, err: (text: string) => void): void {
  if (status.status === 'Success') return;
  if (status.reason !== 'NonZeroExitCode') throw ApiError.fromStatus(status);
  const cause = status.details?.causes?.find(({ reason }) => reason === 'ExitCode');
  const code = Number(cause?.message);
  if (!Number.isInteger(code)) throw new UsageError(messageOf(ApiError.fromStatus(status)));
  err(`command terminated with exit code ${code}\n`);
  throw new ExitError(code);
}
