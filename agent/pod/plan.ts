import type { ContainerState, SandboxState } from '../runtime/runtime.ts';
import {
  containerHash,
  containersOf,
  countedFrom,
  currentSandbox,
  gracePeriodSeconds,
  hashLabel,
  hasStarted,
  incompleteInit,
  isInitialized,
  lastExit,
  newestContainer,
  restarts,
} from './containers.ts';
import type { Failure, PodContainer, PodMemory, PodView } from './model.ts';
import { appliedResources, isResizing, resourcesText, restartsToResize } from './resources.ts';
import type { Action, Step } from './steps.ts';
import { planEnd, planTermination, stop } from './termination.ts';
import { tokenRenewal } from './tokens.ts';

/**
 * The lifecycle of a pod as one pure function: what should be running now.
 *
 *     volumes ─▶ sandbox ─▶ init containers, one after another ─▶ app containers, side by side
 *                (the first ones are created, not started, while it is made)
 *                   ▲          (sidecars stay and let the next one start)      │ all final
 *        sandbox died: stop, remove,                                           ▼
 *        next attempt, all over again              finish (Succeeded, Failed) ─▶ sidecars stop ─▶ volumes go
 *
 *     deletion: app and init containers stop ─▶ sidecars, last first ─▶ sandbox goes ─▶ cleanup (termination.ts)
 *
 * Ephemeral containers are started once, in the sandbox that there is when they are added.
 *
 * A plan has at most one step for each container. The worker starts the steps that do not run yet, and plans again after every change.
 * Steps are data; `executors/` runs them.
 */
export function planPod(view: PodView, now: number): Step[] {
  const { memory } = view;
  if (memory.deletion) return planTermination(view, memory.deletion, now);
  if (memory.terminal) return planEnd(view, memory.terminal, now);
  const deadline = activeDeadline(view);
  if (deadline !== undefined && now >= deadline) return [{ action: 'finish', phase: 'Failed', ...deadlineExceeded }];
  const steps = planRunning(view, now);
  return deadline === undefined ? steps : [...steps, { action: 'wait', until: deadline }];
}

/** The first restart is immediate, the next wait 10 s, 20 s, 40 s, 60 s: Kubernetes' back-off with a lower cap. */
const crashFirstMs = 10_000;
const crashCapMs = 60_000;

const deadlineExceeded = {
  reason: 'DeadlineExceeded',
  message: 'Pod was active on the node longer than the specified deadline',
};

/** The back-off before a restart after this many consecutive crashes, milliseconds. */
export function crashDelayMs(crashes: number): number {
  return crashes <= 1 ? 0 : Math.min(crashCapMs, crashFirstMs * 2 ** Math.min(crashes - 2, 16));
}

/** When a container that has ended may be started again. */
export function restartAt(memory: PodMemory, container: PodContainer): number {
  const known = memory.containers[container.spec.name];
  const exit = known?.exits[0];
  if (!known || !exit) return 0;
  if (exit.hash !== undefined && exit.hash !== containerHash(container.spec)) return 0;
  return countedFrom(exit) + crashDelayMs(known.crashes);
}

/** When a failure is retried: at once when it is in the future, because the clock was set back since. */
function retryAt(failure: Pick<Failure, 'at' | 'retryAt'> | undefined, now: number): number {
  return failure && failure.at <= now ? failure.retryAt : 0;
}

function planRunning(view: PodView, now: number): Step[] {
  const sandbox = currentSandbox(view.observed);
  const stale = planStaleSandboxes(view, sandbox, now);
  const phase = finalPhase(view, sandbox);
  if (phase) return [...stale, { action: 'finish', phase }];
  if (!view.mayStart) return stale;
  if (!sandbox) {
    if (view.unsupported) return [...stale, { action: 'finish', phase: 'Failed', ...view.unsupported, refused: true }];
    // The rest of the dead sandbox still holds its address, ports and names.
    return stale.length > 0 ? stale : planSandbox(view, now);
  }
  const volumes = planVolumes(view, now);
  if (awaitsVolumes(view)) return [...stale, ...volumes, ...planRestarts(view, sandbox, now)];
  return [...stale, ...volumes, ...planContainers(view, sandbox, now), ...planGarbage(view, sandbox, now)];
}

/**
 * Volumes are written when the inputs have changed, and before their tokens expire. After a restart of the agent they are written again,
 * which changes nothing when they are there.
 */
function planVolumes(view: PodView, now: number): Step[] {
  const { pod, memory, progress } = view;
  const failure = currentFailure(progress.volumesFailure, view);
  const fresh = showsNewest(view);
  // After a failed request there may be no token at all, and so no time of its renewal.
  const tokens = progress.tokensFailure ? retryAt(progress.tokensFailure, now) : tokenRenewal(pod, memory);
  const renewal = fresh ? tokens : now;
  if (renewal === undefined) return [];
  const at = Math.max(renewal, retryAt(failure, now));
  return at > now ? [{ action: 'wait', until: at }] : [{ action: 'prepareVolumes' }];
}

/** Whether containers have to wait for the volumes. A failed refresh does not hold them up: the older content stays mounted. */
function awaitsVolumes(view: PodView): boolean {
  const { mounted, volumesFailure } = view.progress;
  return !mounted || !(showsNewest(view) || currentFailure(volumesFailure, view));
}

function showsNewest({ progress: { volumes }, inputs }: PodView): boolean {
  return volumes?.objects === inputs.objects && volumes.pod === inputs.pod;
}

/** The failure, if it was with the inputs that there are now. */
function currentFailure(failure: Failure | undefined, { inputs }: PodView, image?: string): Failure | undefined {
  const now = { ...inputs, image };
  const same = (['objects', 'pod', 'image'] as const).every((key) => (failure?.inputs[key] ?? now[key]) === now[key]);
  return same ? failure : undefined;
}

function planSandbox(view: PodView, now: number): Step[] {
  const volumes = planVolumes(view, now);
  if (awaitsVolumes(view)) return volumes;
  const retry = retryAt(view.progress.sandboxFailure, now);
  if (retry > now) return [...volumes, { action: 'wait', until: retry }];
  const attempt = view.memory.nextSandbox;
  return [{ action: 'createSandbox', attempt }, ...planBesideSandbox(view, attempt, now), ...volumes];
}

/**
 * The steps beside the creation of the sandbox: the images of the first containers are pulled and, once the engine has the sandbox, these
 * containers created. They are started when the sandbox is ready.
 */
function planBesideSandbox(view: PodView, attempt: number, now: number): Step[] {
  const { making } = view.progress;
  const id = making?.attempt === attempt ? making.id : undefined;
  const allowed: ReadonlyArray<Action> = [
    'wait',
    'pullImage',
    ...(id === undefined ? [] : ['createContainer' as const]),
  ];
  // An empty id matches the sandbox of no container.
  return planContainers(view, { id: id ?? '' }, now).filter(({ action }) => allowed.includes(action));
}

/** Stops and removes sandboxes that have died or been replaced. */
function planStaleSandboxes(view: PodView, sandbox: SandboxState | undefined, now: number): Step[] {
  const deadline = now + gracePeriodSeconds(view.pod) * 1000;
  const steps: Step[] = [];
  for (const old of view.observed.sandboxes) {
    if (old === sandbox) continue;
    const running = view.observed.containers.filter(
      ({ sandboxId, state }) => sandboxId === old.id && state === 'running',
    );
    const why = 'Pod sandbox changed, it will be killed and re-created.';
    if (running.length === 0) steps.push({ action: 'removeSandbox', id: old.id });
    else steps.push(...running.map((state) => stop(state, deadline, why)));
  }
  return steps;
}

/** The phase of a pod that has ended by its restart policy: an init container has failed for good, or all app containers have ended. */
function finalPhase(view: PodView, sandbox: SandboxState | undefined): 'Succeeded' | 'Failed' | undefined {
  const policy = view.pod.spec.restartPolicy ?? 'Always';
  const containers = containersOf(view.pod).filter(({ role }) => role !== 'ephemeral');
  const done = containers.map((container) => finalExitCode(view, sandbox, container, policy));
  const failedInit = containers.some(({ role }, i) => role === 'init' && (done[i] ?? 0) !== 0);
  if (failedInit) return 'Failed';
  const apps = done.filter((_, i) => containers[i]?.role === 'app');
  const lost = policy === 'Never' && !sandbox && done.some((code) => code !== undefined);
  if (lost) return apps.every((code) => code === 0) ? 'Succeeded' : 'Failed';
  if (apps.some((code) => code === undefined)) return undefined;
  return apps.every((code) => code === 0) ? 'Succeeded' : 'Failed';
}

/** The exit code of a container that has ended and is not restarted. */
function finalExitCode(
  view: PodView,
  sandbox: SandboxState | undefined,
  container: PodContainer,
  policy: string,
): number | undefined {
  const exit = lastExit(view, container.spec.name);
  if (!exit || restarts(container, policy, exit)) return undefined;
  const newest = sandbox && newestContainer(view.observed, sandbox.id, container.spec.name);
  return newest && newest.attempt > exit.attempt ? undefined : exit.exitCode;
}

function planContainers(view: PodView, sandbox: Pick<SandboxState, 'id'>, now: number): Step[] {
  const initialized = isInitialized(view, sandbox);
  const incomplete = new Set(incompleteInit(view, sandbox).map(({ spec }) => spec.name));
  const containers = containersOf(view.pod);
  const ephemeral = containers.filter(({ role }) => role === 'ephemeral');
  // They inspect the pod in any phase, also during its initialization: no container waits for another here.
  const steps = ephemeral.flatMap((container) => planContainer(view, container, sandbox, now));
  for (const container of containers) {
    const { role, spec } = container;
    if (role === 'ephemeral' || (role === 'init' && !incomplete.has(spec.name))) continue;
    steps.push(...planContainer(view, container, sandbox, now));
    if (role === 'app' || initialized) continue;
    const ready =
      role === 'sidecar' && hasStarted(view, container, newestContainer(view.observed, sandbox.id, spec.name));
    if (!ready) return steps;
  }
  return steps;
}

/** The restarts and resizes of containers that run. */
function planRestarts(view: PodView, sandbox: SandboxState, now: number): Step[] {
  return containersOf(view.pod).flatMap((container) => {
    const state = newestContainer(view.observed, sandbox.id, container.spec.name);
    return state?.state === 'running' ? planRestart(view, container, state, now) : [];
  });
}

function planContainer(view: PodView, container: PodContainer, sandbox: Pick<SandboxState, 'id'>, now: number): Step[] {
  const { name } = container.spec;
  const state = newestContainer(view.observed, sandbox.id, name);
  if (state?.state === 'running') return planRestart(view, container, state, now);
  const known = view.memory.containers[name];
  const exit = known?.exits[0];
  const attempt = known?.nextAttempt ?? 0;
  const progress = view.progress.containers.get(name);
  const unstarted = state?.state === 'created' && state.attempt > (exit?.attempt ?? -1) ? state : undefined;
  const current = progress?.attempt === (unstarted?.attempt ?? attempt) ? progress : undefined;
  const retry = retryAt(currentFailure(current?.failure, view, container.spec.image), now);
  if (retry > now) return [{ action: 'wait', until: retry }];
  if (unstarted && isOutdated(container.spec, unstarted)) {
    return [{ action: 'removeContainer', container: name, id: unstarted.id }];
  }
  if (unstarted) return [{ action: 'startContainer', container: name, id: unstarted.id }];
  // A planned init container has not succeeded in this sandbox: it runs again, even if it has in an older one.
  const again = container.role === 'init';
  if (exit && !again && !restarts(container, view.pod.spec.restartPolicy, exit)) return [];
  const at = again && exit?.exitCode === 0 ? 0 : restartAt(view.memory, container);
  if (at > now) return [{ action: 'wait', until: at }];
  return progress?.attempt === attempt && progress.image === container.spec.image
    ? [{ action: 'createContainer', container: name, attempt, sandboxId: sandbox.id }]
    : [{ action: 'pullImage', container: name, attempt }];
}

/** Stops a running container that is unhealthy or outdated, or resizes it. */
function planRestart(view: PodView, container: PodContainer, state: ContainerState, now: number): Step[] {
  const { spec } = container;
  const unhealthy = view.probes.get(state.id)?.unhealthy;
  const graceSeconds = unhealthy?.graceSeconds ?? gracePeriodSeconds(view.pod);
  const deadline = now + graceSeconds * 1000;
  if (unhealthy) {
    const again = restarts(container, view.pod.spec.restartPolicy, { exitCode: 137 }) ? ', will be restarted' : '';
    return [stop(state, deadline, `Container ${spec.name} failed ${unhealthy.probe} probe${again}`)];
  }
  if (!isOutdated(spec, state)) return planResize(view, spec, state, deadline);
  const why = `Container ${spec.name} definition changed, will be restarted`;
  return [{ ...stop(state, deadline, why), replaces: true }];
}

/** Whether the spec has changed in a way that needs a new container. */
function isOutdated(spec: PodContainer['spec'], { labels }: ContainerState): boolean {
  const hash = labels[hashLabel];
  return hash !== undefined && hash !== containerHash(spec);
}

/** Resizes the container in place, unless its resizePolicy asks for a restart. */
function planResize(view: PodView, spec: PodContainer['spec'], state: ContainerState, deadline: number): Step[] {
  const applied = appliedResources(view, state);
  if (applied === undefined || !isResizing(view, spec, state)) return [];
  if (restartsToResize(spec, applied) && view.pod.spec.restartPolicy !== 'Never') {
    return [stop(state, deadline, `Container ${spec.name} resize requires restart`)];
  }
  return [
    { action: 'updateContainer', container: spec.name, id: state.id, from: applied, resources: resourcesText(spec) },
  ];
}

/**
 * Container garbage collection: of each name the current container stays, and the newest that has ended, for its logs. A second running
 * container of a name is stopped.
 */
function planGarbage({ observed, pod }: PodView, sandbox: SandboxState, now: number): Step[] {
  const present = observed.containers.filter(({ sandboxId }) => sandboxId === sandbox.id);
  const steps: Step[] = [];
  for (const container of new Set(present.map(({ name }) => name))) {
    const current = newestContainer(observed, sandbox.id, container);
    const others = present.filter((state) => state.name === container && state !== current);
    const ended = others.filter(({ state }) => state === 'exited');
    const lastEnded = ended.sort((a, b) => b.attempt - a.attempt)[0];
    for (const state of others) {
      if (state.state === 'running')
        steps.push(stop(state, now + gracePeriodSeconds(pod) * 1000, 'Stopping container'));
      else if (state !== lastEnded) steps.push({ action: 'removeContainer', container, id: state.id });
    }
  }
  return steps;
}

function activeDeadline({ pod, memory }: PodView): number | undefined {
  const seconds = pod.spec.activeDeadlineSeconds;
  return seconds === undefined ? undefined : memory.startTime + seconds * 1000;
}
