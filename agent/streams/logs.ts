import { ApiError } from '../../shared/errors.ts';
import type { PodStatus } from '../../shared/generated/types.ts';
import type { LogStreamParameters } from '../../shared/session.ts';
import { type Runtime, RuntimeError } from '../runtime/runtime.ts';
import { logSource } from './log-source.ts';
import { channels, type Serve, success } from './tunnel.ts';

export interface LogDeps {
  readonly runtime: Pick<Runtime, 'logs' | 'inspectContainer'>;
  hasPod(uid: string): boolean;
  statusOf(uid: string): PodStatus | undefined;
}

/** Sends a container's log on channel 1, at the speed of the reader, and ends the channel with it. */
export function serveLogs(deps: LogDeps, parameters: LogStreamParameters): Serve {
  return async (tunnel) => {
    for await (const data of await logChunks(deps, parameters, tunnel.signal)) await tunnel.send(channels.stdout, data);
    await tunnel.end(channels.stdout);
    return success;
  };
}

/** A container's log as it is written. Rejects with NotFound or BadRequest, in the kubelet's words, when there is none. */
export async function logChunks(
  { runtime, hasPod, statusOf }: LogDeps,
  parameters: LogStreamParameters,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  const { uid, pod, container, previous, follow, timestamps, since, tail, limitBytes } = parameters;
  if (!hasPod(uid)) throw new ApiError('NotFound', `pod "${pod}" not found`);
  const source = logSource(statusOf(uid), pod, container, previous);
  if ('refusal' in source) throw new ApiError('BadRequest', source.refusal);
  const state = await runtime.inspectContainer(source.id, signal);
  if (!state) throw lost(source.id);
  const options = {
    // A container that has ended writes no more.
    follow: follow && state.state === 'running',
    timestamps,
    ...(since === undefined ? {} : { since }),
    ...(tail === undefined ? {} : { tail }),
  };
  return cut(runtime.logs(state.id, options, signal), source.id, limitBytes, signal);
}

async function* cut(
  chunks: AsyncIterable<Uint8Array>,
  id: string,
  limitBytes: number | undefined,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let left = limitBytes ?? Number.POSITIVE_INFINITY;
  try {
    for await (const chunk of chunks) {
      const data = chunk.length > left ? chunk.subarray(0, left) : chunk;
      yield data;
      left -= data.length;
      if (left <= 0 || signal.aborted) return;
    }
  } catch (error) {
    throw error instanceof RuntimeError && error.code === 'NotFound' ? lost(id) : error;
  }
}

/** The kubelet's message for a log that was removed with its container. */
function lost(id: string): ApiError {
  return new ApiError('BadRequest', `unable to retrieve container logs for ${id}`);
}
