import { ApiError } from '../../shared/errors.ts';
import type { LogStreamParameters } from '../../shared/session.ts';
import type { ContainerState, Runtime } from '../runtime/runtime.ts';
import { channels, type Serve, success } from './tunnel.ts';

export interface LogDeps {
  readonly runtime: Runtime;
  /** The container that the request means. */
  find(parameters: LogStreamParameters): ContainerState | undefined;
  hasPod(uid: string): boolean;
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
  deps: LogDeps,
  parameters: LogStreamParameters,
  send: (data: Uint8Array) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const state = deps.find(parameters);
  if (!state) throw missing(deps, parameters);
  const { follow, timestamps, since, tail, limitBytes } = parameters;
  const options = {
    // What has ended says nothing more, and a former container never does.
    follow: follow && state.state === 'running',
    timestamps,
    ...(since === undefined ? {} : { since }),
    ...(tail === undefined ? {} : { tail }),
  };
  let left = limitBytes ?? Number.POSITIVE_INFINITY;
  for await (const chunk of deps.runtime.logs(state.id, options, signal)) {
    const data = chunk.length > left ? chunk.subarray(0, left) : chunk;
    await send(data);
    left -= data.length;
    if (left <= 0 || signal.aborted) return;
  }
}

function missing(deps: LogDeps, { namespace, pod, uid, container, previous }: LogStreamParameters): ApiError {
  if (!deps.hasPod(uid)) return new ApiError('NotFound', `pod "${pod}" not found`);
  if (previous) {
    const text = `previous terminated container "${container}" in pod "${pod}" not found`;
    return new ApiError('BadRequest', text);
  }
  return new ApiError(
    'BadRequest',
    `container "${container}" in pod "${pod}" is waiting to start: ContainerCreating (${namespace})`,
  );
}
