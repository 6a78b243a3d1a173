import { ApiError } from '../../shared/errors.ts';
import type { LogStreamParameters } from '../../shared/session.ts';
import type { ContainerState, Runtime } from '../runtime/runtime.ts';
import { channels, drain, maxFrame, type Serve, success } from './tunnel.ts';

export interface LogDeps {
  readonly runtime: Runtime;
  /** The container that the request means. */
  find(parameters: LogStreamParameters): ContainerState | undefined;
  hasPod(uid: string): boolean;
}

/** Sends a container's log on channel 1, each frame after the one before was taken, and its end as the end of channel 1. */
export function serveLogs(deps: LogDeps, parameters: LogStreamParameters): Serve {
  return async (tunnel, signal) => {
    // The reader says nothing: that it says no more is all that can be heard of it.
    const gone = new AbortController();
    const watching = drain(tunnel.incoming)
      .catch(() => undefined)
      .finally(() => gone.abort());
    const send = (data: Uint8Array) => tunnel.send({ data, channel: channels.stdout, end: false });
    const both = AbortSignal.any([signal, gone.signal]);
    await Promise.race([sendLog(deps, parameters, send, both), watching]);
    if (!both.aborted) await tunnel.send({ data: new Uint8Array(), channel: channels.stdout, end: true });
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
    for (let at = 0; at < chunk.length && left > 0; ) {
      const data = chunk.subarray(at, at + Math.min(maxFrame, left));
      await send(data);
      at += data.length;
      left -= data.length;
    }
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
