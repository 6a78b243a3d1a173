import { messageOf } from '../../../shared/errors.ts';
import type { Pod } from '../../../shared/generated/types.ts';
import type { ContainerState, Runtime } from '../../runtime/runtime.ts';
import { containerNamed } from '../containers.ts';
import type { ExecutorDeps } from './context.ts';

/** Of a log that stands for a termination message, as in the kubelet. */
const tailLines = 80;
const tailBytes = 2_048;

/** The state of a container that has exited with its termination message: its message file or, by its policy, the end of its log. */
export async function withTerminationMessage(
  { volumes, runtime, log }: Pick<ExecutorDeps, 'volumes' | 'runtime' | 'log'>,
  pod: Pod,
  state: ContainerState,
): Promise<ContainerState> {
  if (state.state !== 'exited' || state.message) return state;
  const spec = containerNamed(pod, state.name);
  try {
    let message = await volumes.terminationMessage(pod.metadata.uid, state.name, state.attempt);
    const fallBack = spec?.terminationMessagePolicy === 'FallbackToLogsOnError' && state.exitCode !== 0;
    if (!message && fallBack) message = await logTail(runtime, state.id);
    return message ? { ...state, message } : state;
  } catch (error) {
    log.warn({ container: state.name, err: messageOf(error) }, 'no termination message');
    return state;
  }
}

async function logTail(runtime: Runtime, id: string): Promise<string | undefined> {
  let end: Buffer = Buffer.alloc(0);
  const options = { follow: false, timestamps: false, tail: tailLines };
  // No more than the end is held: lines may be of any length.
  for await (const chunk of runtime.logs(id, options, new AbortController().signal)) {
    end = Buffer.concat([end, chunk.subarray(-tailBytes)]).subarray(-tailBytes);
  }
  return end.toString('utf8') || undefined;
}
