import { messageOf } from '../../../shared/errors.ts';
import { containerNamed } from '../containers.ts';
import { markReplacing } from '../memory.ts';
import { type Executor, type ExecutorDeps, type PodContext, progressOf } from './context.ts';
import { withTerminationMessage } from './termination-message.ts';

/** Between its stop signal and SIGKILL a container has at least this long, as in the kubelet. */
const minStopMs = 2_000;

/** Runs the hook within what is left of the grace period, once. A hook that fails is an event, and stops nothing. */
export const preStop: Executor<'preStop'> = async (deps, context, { container: name, id, deadline }, signal) => {
  const handler = containerNamed(context.pod, name)?.lifecycle?.preStop;
  const state = context.container(id);
  const leftMs = deadline - deps.clock.now();
  if (!handler || state?.state !== 'running' || leftMs <= 0) return;
  if (progressOf(context, name, state.attempt)?.preStopped) return;
  try {
    await withDeadline(deps, leftMs, signal, (within) =>
      deps.hooks.run(context.pod, { id, name }, handler, context.memory.address, within),
    );
  } catch (error) {
    if (signal.aborted) return;
    deps.log.debug({ container: name, err: messageOf(error) }, 'preStop hook failed');
    deps.event(context.pod, 'Warning', 'FailedPreStopHook', 'PreStopHook failed', name);
  }
  context.setContainerProgress(name, { attempt: state.attempt, preStopped: true });
};

export const stopContainer: Executor<'stopContainer'> = async (deps, context, args, signal) => {
  const { container: name, id, deadline, why, replaces } = args;
  if (replaces) context.setMemory({ containers: markReplacing(context.memory, name, id).containers });
  deps.event(context.pod, 'Normal', 'Killing', why, name);
  await preStop(deps, context, args, signal);
  if (!signal.aborted) await stopWithin(deps, context, id, deadline, signal);
};

export const removeContainer: Executor<'removeContainer'> = async (deps, context, { id }) => {
  await deps.runtime.removeContainer(id);
  context.dropContainer(id);
};

/** Sends the stop signal, and SIGKILL at the deadline, though not before `minStopMs`. */
export async function stopWithin(
  deps: ExecutorDeps,
  context: PodContext,
  id: string,
  deadline: number,
  signal?: AbortSignal,
): Promise<void> {
  const graceSeconds = Math.ceil(Math.max(minStopMs, deadline - deps.clock.now()) / 1000);
  await deps.runtime.stopContainer(id, graceSeconds, signal);
  if (signal?.aborted) return;
  const state = await deps.runtime.inspectContainer(id);
  if (state) context.putContainer(await withTerminationMessage(deps, context.pod, state));
  else context.dropContainer(id);
}

/** Runs `work` under a signal that is aborted after `ms` milliseconds, or with `signal`. */
async function withDeadline(
  { clock }: ExecutorDeps,
  ms: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const expired = new AbortController();
  const timer = clock.timer(ms, () => expired.abort(new Error('the grace period is over')));
  try {
    await work(AbortSignal.any([signal, expired.signal]));
  } finally {
    timer.cancel();
  }
}
