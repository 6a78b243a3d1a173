import type { ContainerInspectInfo } from 'dockerode';
import type { ContainerState } from '../runtime.ts';
import { cleanStartError } from './engine.ts';
import type { ContainerIdentity } from './labels.ts';

/** The exit code of a container whose start failed, where the engine names none. */
const startFailed = 128;

/** The engine's view of a container in our words. */
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
    // The engine keeps a container that it could not start as created, with its reason.
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

/** A time as the engine writes it; its zero is the year 1. */
export function milliseconds(time: string): number | undefined {
  const ms = Date.parse(time);
  return ms > 0 ? ms : undefined;
}
