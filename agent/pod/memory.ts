import type { Pod } from '../../shared/generated/types.ts';
import type { ContainerState } from '../runtime/runtime.ts';
import { countedFrom, gracePeriodSeconds, hashLabel } from './containers.ts';
import type { ContainerExit, ContainerMemory, ObservedPod, PodMemory } from './model.ts';

/** A container that has run this long starts its crash count anew, as in the kubelet. */
export const crashResetMs = 600_000;

/** Grace period of a pod whose object was removed without a graceful deletion. */
const removedGraceSeconds = 1;

const fresh: ContainerMemory = { nextAttempt: 0, crashes: 0, exits: [] };

/**
 * The memory after a look at the runtime: counts attempts, records each exit once, and records an unknown exit for a running container
 * that is gone. Returns the same object when nothing changed.
 */
export function recordObserved(before: PodMemory, observed: ObservedPod, now: number): PodMemory {
  const memory = withoutFuture(before, now);
  const containers: Record<string, ContainerMemory> = { ...memory.containers };
  let changed = false;
  const keep = (name: string, next: ContainerMemory): void => {
    containers[name] = next;
    changed = true;
  };
  for (const state of [...observed.containers].sort((a, b) => a.attempt - b.attempt)) {
    const known = containers[state.name] ?? fresh;
    const after = recordContainer(known, state, now);
    if (after !== known) keep(state.name, after);
  }
  for (const [name, known] of Object.entries(containers)) {
    const live = known.live;
    if (!live || observed.containers.some((state) => state.id === live.id)) continue;
    keep(name, recordExit(known, lostExit(live, now)));
  }
  let nextSandbox = memory.nextSandbox;
  for (const sandbox of observed.sandboxes) nextSandbox = Math.max(nextSandbox, sandbox.attempt + 1);
  const address = observed.sandboxes.find((sandbox) => sandbox.running)?.address ?? memory.address;
  if (!changed && nextSandbox === memory.nextSandbox && address === memory.address) return memory;
  return { ...memory, ...(address ? { address } : {}), nextSandbox, containers };
}

/**
 * The memory after a newer object of the pod; `pod` undefined: it was removed from the cluster. The grace period counts from when the
 * node first saw the deletion, because machines' clocks differ; a later, shorter one replaces it.
 */
export function recordDeletion(memory: PodMemory, pod: Pod | undefined, now: number): PodMemory {
  const graceSeconds = pod
    ? pod.metadata.deletionTimestamp === undefined
      ? undefined
      : (pod.metadata.deletionGracePeriodSeconds ?? gracePeriodSeconds(pod))
    : removedGraceSeconds;
  if (graceSeconds === undefined) return memory;
  const { deletion } = memory;
  if (!deletion) return { ...memory, deletion: { since: now, graceSeconds } };
  if (!pod) {
    const until = Math.min(deletion.since + deletion.graceSeconds * 1000, now + graceSeconds * 1000);
    return { ...memory, deletion: { since: deletion.since, graceSeconds: Math.max(0, until - deletion.since) / 1000 } };
  }
  return graceSeconds < deletion.graceSeconds ? { ...memory, deletion: { ...deletion, graceSeconds } } : memory;
}

/** The memory without crash counts: a ConfigMap or Secret has changed, so containers are started again at once. */
export function resetCrashBackOff(memory: PodMemory): PodMemory {
  if (Object.values(memory.containers).every((container) => container.crashes === 0)) return memory;
  const containers = Object.fromEntries(
    Object.entries(memory.containers).map(([name, container]) => [name, { ...container, crashes: 0 }]),
  );
  return { ...memory, containers };
}

/** Marks a container that is stopped because its definition changed: its exit does not count for the restart policy. */
export function markReplacing(memory: PodMemory, name: string, id: string): PodMemory {
  const known = memory.containers[name];
  if (!known || known.replacing === id) return memory;
  return { ...memory, containers: { ...memory.containers, [name]: { ...known, replacing: id } } };
}

/**
 * Times in the future were recorded before the clock was set back. They are moved to now, so that grace periods and back-offs do not
 * wait for the clock to catch up. The reported end of a container stays.
 */
function withoutFuture(memory: PodMemory, now: number): PodMemory {
  const { deletion, terminal, containers } = memory;
  const ends = Object.values(containers).map(({ exits: [last] }) => last && countedFrom(last));
  if ([deletion?.since, terminal?.since, ...ends].every((at = now) => at <= now)) return memory;
  const bounded = Object.entries(containers).map(([name, known]) => {
    const exits = known.exits.map((exit) => (countedFrom(exit) > now ? { ...exit, countedFrom: now } : exit));
    return [name, { ...known, exits }];
  });
  return {
    ...memory,
    ...(deletion ? { deletion: { ...deletion, since: Math.min(deletion.since, now) } } : {}),
    ...(terminal?.since === undefined ? {} : { terminal: { ...terminal, since: Math.min(terminal.since, now) } }),
    containers: Object.fromEntries(bounded),
  };
}

function recordContainer(before: ContainerMemory, state: ContainerState, now: number): ContainerMemory {
  let after = before;
  if (state.attempt >= after.nextAttempt) after = { ...after, nextAttempt: state.attempt + 1 };
  const { live: known } = after;
  const isKnown = known?.id === state.id && known.sandboxId !== '';
  if (state.state === 'running' && !isKnown && state.attempt >= (known?.attempt ?? 0)) {
    const live = {
      id: state.id,
      attempt: state.attempt,
      sandboxId: state.sandboxId,
      startedAt: state.startedAt ?? now,
      image: state.image,
      imageId: state.imageId,
      ...(state.labels[hashLabel] ? { hash: state.labels[hashLabel] } : {}),
    };
    after = { ...after, live };
  }
  const [last] = after.exits;
  const newer = state.attempt > (last?.attempt ?? -1);
  if (state.state === 'exited' && newer) after = recordExit(after, exitOf(state, now));
  if (last?.id === state.id && last.sandboxId === '')
    after = { ...after, exits: [withOrigin(last, state), ...after.exits.slice(1)] };
  return after;
}

/** Adds what a status does not hold and the runtime still has: without its sandbox an init container would run again. */
function withOrigin(exit: ContainerExit, { sandboxId, labels }: ContainerState): ContainerExit {
  const hash = labels[hashLabel];
  return { ...exit, sandboxId, ...(hash ? { hash } : {}) };
}

function recordExit(memory: ContainerMemory, exit: ContainerExit): ContainerMemory {
  const previous = memory.exits[0];
  const ranMs = exit.startedAt === undefined ? 0 : exit.finishedAt - exit.startedAt;
  const counted = ranMs < crashResetMs && previous?.hash === exit.hash;
  const { live, resized: _resized, replacing, ...rest } = memory;
  const ended: ContainerExit = replacing === exit.id ? { ...exit, replaced: true } : exit;
  return {
    ...rest,
    ...(live && live.attempt > exit.attempt ? { live } : {}),
    crashes: counted ? memory.crashes + 1 : 1,
    exits: [ended, ...memory.exits].slice(0, 2),
  };
}

function exitOf(state: ContainerState, now: number): ContainerExit {
  const exitCode = state.exitCode ?? 255;
  const hash = state.labels[hashLabel];
  const { finishedAt = 0 } = state;
  return {
    id: state.id,
    sandboxId: state.sandboxId,
    attempt: state.attempt,
    ...(hash ? { hash } : {}),
    image: state.image,
    imageId: state.imageId,
    exitCode,
    ...(state.signal ? { signal: state.signal } : {}),
    reason: state.reason ?? (exitCode === 0 ? 'Completed' : 'Error'),
    ...(state.message ? { message: state.message } : {}),
    ...(state.startedAt ? { startedAt: state.startedAt } : {}),
    // After a power loss the engine has no time of the exit.
    finishedAt: finishedAt > 0 ? Math.min(finishedAt, now) : now,
  };
}

/** The exit that the kubelet reports for a container that it cannot find any more. */
function lostExit(live: NonNullable<ContainerMemory['live']>, now: number): ContainerExit {
  return {
    id: live.id,
    sandboxId: live.sandboxId,
    attempt: live.attempt,
    ...(live.hash ? { hash: live.hash } : {}),
    image: live.image,
    imageId: live.imageId,
    exitCode: 137,
    reason: 'ContainerStatusUnknown',
    message: 'The container could not be located when the pod was terminated',
    startedAt: live.startedAt,
    finishedAt: now,
  };
}
