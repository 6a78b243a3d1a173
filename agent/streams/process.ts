import { ApiError, messageOf } from '../../shared/errors.ts';
import type { Status } from '../../shared/generated/types.ts';
import type { Log } from '../../shared/log.ts';
import type { AttachStreamParameters, ExecStreamParameters, TunnelFrame } from '../../shared/session.ts';
import type { ContainerState, ProcessStream, Runtime } from '../runtime/runtime.ts';
import { channels, type Serve, success, type TunnelEnd } from './tunnel.ts';

export interface ProcessDeps {
  readonly runtime: Runtime;
  readonly log: Log;
  /** The running container that the request is for. */
  find(parameters: AttachStreamParameters): ContainerState | undefined;
  hasPod(uid: string): boolean;
}

/** Runs a command in a container; it is killed when the other side of the tunnel disconnects before its end. */
export function serveExec(deps: ProcessDeps, parameters: ExecStreamParameters): Serve {
  const { command } = parameters;
  return async (tunnel) => {
    const { id } = running(deps, parameters);
    const opening = deps.runtime.openExec(id, command, parameters, tunnel.signal);
    const code = await pump(deps, tunnel, opening, 'error executing command in container');
    return code === 0 ? success : nonZero(command, code ?? 0);
  };
}

/** Attaches to a container's process, until it ends or the other side of the tunnel disconnects. */
export function serveAttach(deps: ProcessDeps, parameters: AttachStreamParameters): Serve {
  return async (tunnel) => {
    const { id } = running(deps, parameters);
    await pump(deps, tunnel, deps.runtime.attach(id, parameters, tunnel.signal), 'error attaching to container');
    return success;
  };
}

/** Carries frames between the tunnel and a process until the process has ended; returns its exit code. */
async function pump(
  { log }: ProcessDeps,
  tunnel: TunnelEnd,
  opening: Promise<ProcessStream>,
  fault: string,
): Promise<number | undefined> {
  // Frames that arrive while it opens wait for it.
  tunnel.take(async (frame) => give(await opening, frame));
  const process = await opening.catch((error: unknown) => {
    throw internal(fault, error);
  });
  const close = (): void => {
    process.close().catch((error: unknown) => log.warn({ err: messageOf(error) }, 'a process may be left behind'));
  };
  tunnel.signal.addEventListener('abort', close, { once: true });
  if (tunnel.signal.aborted) close();
  let ended = false;
  try {
    for await (const { source, data } of process.output) await tunnel.send(channels[source], data);
    const code = await process.exitCode(tunnel.signal);
    ended = true;
    return code;
  } catch (error) {
    throw internal(fault, error);
  } finally {
    tunnel.signal.removeEventListener('abort', close);
    if (!ended || !tunnel.signal.aborted) await process.close().catch(() => undefined);
  }
}

async function give(process: ProcessStream, { channel, data, end }: TunnelFrame): Promise<void> {
  if (channel === channels.stdin) {
    if (data.length > 0) await process.write(data);
    if (end) process.endInput();
  } else if (channel === channels.resize) {
    const size = sizeOf(data);
    // A process that has ended has no size.
    if (size) await process.resize(size).catch(() => undefined);
  }
}

/** `{"Width":80,"Height":24}`; undefined of anything else. */
function sizeOf(data: Uint8Array): { width: number; height: number } | undefined {
  let size: { Width?: unknown; Height?: unknown } | null;
  try {
    size = JSON.parse(Buffer.from(data).toString()) as typeof size;
  } catch {
    return undefined;
  }
  const width = Number(size?.Width);
  const height = Number(size?.Height);
  const valid = (value: number) => Number.isInteger(value) && value > 0 && value < 65_536;
  return valid(width) && valid(height) ? { width, height } : undefined;
}

/** Throws NotFound, in the kubelet's words. */
function running(deps: ProcessDeps, parameters: AttachStreamParameters): ContainerState {
  if (!deps.hasPod(parameters.uid)) throw new ApiError('NotFound', 'pod does not exist');
  const found = deps.find(parameters);
  if (!found) throw new ApiError('NotFound', `container not found ("${parameters.container}")`);
  return found;
}

/** As the kubelet reports it (cri-streaming, `remotecommand/exec.go`). */
function nonZero(command: readonly string[], code: number): Status {
  const inner = `error executing command [${command.join(' ')}], exit code ${code}`;
  return {
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: ${inner}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(code) }] },
  };
}

/** apimachinery's NewInternalError around the kubelet's message. */
function internal(fault: string, error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  const message = `${fault}: ${messageOf(error)}`;
  return new ApiError('InternalError', `Internal error occurred: ${message}`, { causes: [{ message }] });
}
