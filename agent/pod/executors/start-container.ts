import { type ContainerState, RuntimeError } from '../../runtime/runtime.ts';
import { HookError } from '../hooks.ts';
import { type Executor, type ExecutorDeps, type PodContext, specOf } from './context.ts';
import { stopWithin } from './stop-container.ts';
import { withTerminationMessage } from './termination-message.ts';

/** The exit code and reason of a container that the engine could not start, as CRI runtimes have them. */
const startFailureCode = 128;
export const startFailureReason = 'StartError';

export const startContainer: Executor<'startContainer'> = async (deps, context, { container: name, id }, signal) => {
  const state = context.container(id);
  if (!state) return;
  const { pod } = context;
  const { attempt } = state;
  const { postStart } = specOf(pod, name).lifecycle ?? {};
  try {
    if (postStart) context.setContainerProgress(name, { attempt, hookPending: true });
    await deps.runtime.startContainer(id);
  } catch (error) {
    return recordFailedStart(deps, context, state, error);
  }
  const now = deps.clock.now();
  // The engine's event may have arrived before its answer.
  if (context.container(id)?.state === 'created') {
    const seen = await deps.runtime.inspectContainer(id).catch(() => undefined);
    const started = seen ?? { ...state, state: 'running' as const, startedAt: now };
    context.putContainer(await withTerminationMessage(deps, pod, started));
  }
  deps.event(pod, 'Normal', 'Started', `Started container ${name}`, name);
  if (!postStart) return;
  try {
    await deps.hooks.run(pod, { id, name }, postStart, context.memory.address, signal);
    context.setContainerProgress(name, { attempt, hookPending: false });
  } catch (error) {
    if (!(error instanceof HookError) || signal.aborted) throw error;
    deps.event(pod, 'Warning', 'FailedPostStartHook', 'PostStartHook failed', name);
    deps.event(pod, 'Normal', 'Killing', 'FailedPostStartHook', name);
    await stopWithin(deps, context, id, deps.clock.now());
  }
};

/** Records a start that the engine refused as an exit. Throws other errors, such as that the engine does not answer. */
function recordFailedStart(deps: ExecutorDeps, context: PodContext, state: ContainerState, error: unknown): void {
  if (!(error instanceof RuntimeError) || error.code === 'Unavailable' || error.code === 'NotFound') {
    context.resync();
    throw error;
  }
  const { message } = error;
  deps.event(context.pod, 'Warning', 'Failed', `Error: ${message}`, state.name);
  const now = deps.clock.now();
  const times = { startedAt: now, finishedAt: now };
  context.putContainer({
    ...state,
    ...times,
    state: 'exited',
    exitCode: startFailureCode,
    reason: startFailureReason,
    message,
  });
}
