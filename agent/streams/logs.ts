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

/** Sends a container's log on channel 1, each frame after the one before was taken, and its end as the end of channel 1. */
export function serveLogs(deps: LogDeps, parameters: LogStreamParameters): Serve {
  return async (tunnel) => {
    await sendLog(deps, parameters, (data) => tunnel.send(channels.stdout, data), tunnel.signal);
    await tunnel.end(channels.stdout);
    return success;
  };
}

async function sendLog(
  { runtime, hasPod, statusOf }: LogDeps,
  parameters: LogStreamParameters,
  send: (data: Uint8Array) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { uid, pod, container, previous, follow, timestamps, since, tail, limitBytes } = parameters;
  if (!hasPod(uid)) throw new ApiError('NotFound', `pod "${pod}" not found`);
  const source = logSource(statusOf(uid), pod, container, previous);
  if ('refusal' in source) throw new ApiError('BadRequest', source.refusal);
  const state = await runtime.inspectContainer(source.id, signal);
  if (!state) throw lost(source.id);
  const options = {
    // What has ended says nothing more.
    follow: follow && state.state === 'running',
    timestamps,
    ...(since === undefined ? {} : { since }),
    ...(tail === undefined ? {} : { tail }),
  };
  let left = limitBytes ?? Number.POSITIVE_INFINITY;
  try {
    for await (const chunk of runtime.logs(state.id, options, signal)) {
      const data = chunk.length > left ? chunk.subarray(0, left) : chunk;
      await send(data);
      left -= data.length;
      if (left <= 0 || signal.aborted) return;
    }
  } catch (error) {
    throw error instanceof RuntimeError && error.code === 'NotFound' ? lost(source.id) : error;
  }
}

/** The kubelet's sentence for a log that was removed with its container. */
function lost(id: string): ApiError {
  return new ApiError('BadRequest', `unable to retrieve container logs for ${id}`);
}
