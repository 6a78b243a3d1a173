import type { Clock } from '../../shared/clock.ts';
import { messageOf } from '../../shared/errors.ts';
import type { LifecycleHandler, Pod } from '../../shared/generated/types.ts';
import type { Dialers } from '../probes/dialers.ts';
import { httpTarget } from '../probes/target.ts';
import type { Runtime } from '../runtime/runtime.ts';

/** A lifecycle hook has failed. */
export class HookError extends Error {}

export interface Hooks {
  /** Runs a postStart or preStop handler to its end. Throws HookError. `address`: the pod's. */
  run(
    pod: Pod,
    container: { readonly id: string; readonly name: string },
    handler: LifecycleHandler,
    address: string | undefined,
    signal: AbortSignal,
  ): Promise<void>;
}

/** An upper bound: the grace period of the container ends a hook earlier. */
const longestMs = 3_600_000;
const maxOutput = 10_240;

export function createHooks(deps: { runtime: Runtime; dialers: Dialers; clock: Clock; hostIP(): string }): Hooks {
  return {
    async run(pod, container, handler, address, signal) {
      try {
        if (handler.exec) {
          const command = handler.exec.command ?? [];
          const run = deps.runtime.exec(container.id, command, { timeoutMs: longestMs, maxBytes: maxOutput });
          const { exitCode, output } = await abortable(run, signal);
          if (exitCode !== 0) throw new Error(`command ${JSON.stringify(command)} exited with ${exitCode}: ${output}`);
        } else if (handler.httpGet) {
          const host = pod.spec.hostNetwork ? deps.hostIP() : (address ?? '');
          const target = httpTarget(pod, container.name, handler.httpGet, host);
          // Any response is a success, as in the kubelet.
          await deps.dialers.http(target, longestMs, signal);
        } else if (handler.sleep) {
          await deps.clock.sleep(handler.sleep.seconds * 1000, signal);
        }
      } catch (error) {
        throw new HookError(messageOf(error), { cause: error });
      }
    },
  };
}

function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
