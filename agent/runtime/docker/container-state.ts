import type { ContainerInspectInfo } from 'dockerode';
import type { ContainerState } from '../runtime.ts';
import { cleanStartError } from './engine.ts';
import type { ContainerIdentity } from './labels.ts';

/** The exit code of a container whose start failed, when the engine has none. */
const startFailed = 128;

/** The state of a container from the engine's answer. */
export function containerState(info: ContainerInspectInfo, identity: ContainerIdentity): ContainerState {
  const { State } = info;
  const createdAt = milliseconds(info.Created) ?? 0;
  const startedAt = milliseconds(State.StartedAt);
  const base = {
    id: info.Id,
    sandboxId: identity.sandboxId,
    pod: identity.pod,
    name: identity.name,
    attempt: identity.attempt,
    image: identity.image,
    imageId: info.Image,
    createdAt,
    labels: identity.labels,
  };
  if (State.Running) return { ...base, state: 'running', startedAt };
  if (startedAt === undefined) {
    // The engine keeps a container that it could not start in the state created, with an error.
    if (!State.Error) return { ...base, state: 'created' };
    return {
      ...base,
      state: 'exited',
      finishedAt: createdAt,
      exitCode: State.ExitCode || startFailed,
      reason: 'StartError',
      message: cleanStartError(State.Error),
    };
  }
  return {
    ...base,
    state: 'exited',
    startedAt,
    finishedAt: milliseconds(State.FinishedAt) ?? startedAt,
    exitCode: State.ExitCode,
    reason: State.ExitCode === 0 ? 'Completed' : State.OOMKilled ? 'OOMKilled' : 'Error',
  };
}

/** Parses the engine's time; its zero is the year 1. */
export function milliseconds(time: string): number | undefined {
  const ms = Date.parse(time);
  return ms > 0 ? ms : undefined;
}
