import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../shared/clock.ts';
import { messageOf } from '../../shared/errors.ts';
import type { Pod, Secret } from '../../shared/generated/types.ts';
import type { Log } from '../../shared/log.ts';
import type { Random } from '../../shared/random.ts';
import type { PodDns } from '../dns.ts';
import { type ContainerState, type Runtime, RuntimeError, type SandboxState } from '../runtime/runtime.ts';
import type { PodVolumes, VolumeFailure } from '../volumes/pod-volumes.ts';
import { type Confiners, confinementOf } from './confinement.ts';
import { cgroupResources, containerSpec, podRef, sandboxSpec } from './container-spec.ts';
import { containersOf } from './containers.ts';
import { HookError, type Hooks } from './hooks.ts';
import { lookAtImage } from './image-user.ts';
import { credentialsFor, isImageName, pullPolicy } from './images.ts';
import { ConfigError, type PodFacts, type PodInputs } from './inputs.ts';
import { markReplacing } from './memory.ts';
import type {
  ContainerMemory,
  ContainerProgress,
  Failure,
  InputVersions,
  PodContainer,
  PodMemory,
  PodProgress,
} from './model.ts';
import { resourcesText } from './resources.ts';
import type { Action, StepArgs } from './steps.ts';
import { type TokenSource, withTokens } from './tokens.ts';

/** What the executors of all pods share. */
export interface ExecutorDeps {
  readonly runtime: Runtime;
  readonly volumes: PodVolumes;
  readonly inputs: PodInputs;
  readonly hooks: Hooks;
  /** Absent: hollow pods, whose tokens nobody reads. */
  readonly tokens?: TokenSource | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** What pods may know of the node. */
  node(): Omit<PodFacts, 'podIP'> & { readonly memoryCapacity: number };
  dnsOf(pod: Pod): PodDns;
  readonly confiners: Confiners;
  /** Resolves when all that is remembered has been written. */
  saved(): Promise<void>;
  /** An address for the pod, the same when asked again. Throws when there is none. */
  allocateAddress(uid: string, wanted: string | undefined): string;
  releaseAddress(uid: string): void;
  event(pod: Pod, type: 'Normal' | 'Warning', reason: string, message: string, container?: string): void;
}

/** The one pod that a step is for, and where its results go. */
export interface PodContext {
  readonly pod: Pod;
  readonly memory: PodMemory;
  readonly progress: PodProgress;
  /** Of what is wanted now. A step that records its failure says with which it was tried. */
  readonly inputs: InputVersions;
  container(id: string): ContainerState | undefined;
  /** The one of this name that runs in the sandbox. */
  runningContainer(sandboxId: string, name: string): ContainerState | undefined;
  setMemory(change: Partial<PodMemory>): void;
  setProgress(change: Partial<PodProgress>): void;
  setContainerProgress(name: string, change: Partial<ContainerProgress> & { attempt: number }): void;
  putSandbox(state: SandboxState): void;
  dropSandbox(id: string): void;
  putContainer(state: ContainerState): void;
  dropContainer(id: string): void;
  /** Everything is gone: the worker's last act. */
  finished(): void;
  /** Asks for a fresh look at what the runtime has of the pod. */
  resync(): void;
}

type Executors = {
  readonly [A in Action]: (
    deps: ExecutorDeps,
    context: PodContext,
    args: StepArgs[A],
    signal: AbortSignal,
  ) => Promise<void>;
};

/** Milliseconds: the first wait after a failure and the longest. */
const retry = {
  volumes: { firstMs: 500, capMs: 30_000 },
  sandbox: { firstMs: 1_000, capMs: 30_000 },
  image: { firstMs: 10_000, capMs: 60_000 },
  config: { firstMs: 2_000, capMs: 20_000 },
};

/** Between its stop signal and SIGKILL a container has at least this long, as in the kubelet. */
const minStopMs = 2_000;
const messageTailLines = 80;
const messageTailBytes = 2_048;

/** The exit code and reason of a container that the engine could not start, as CRI runtimes have them. */
const startFailureCode = 128;
export const startFailureReason = 'StartError';

/** One executor a step: it does what the step says, records what came of it, and decides nothing. */
export const executors: Executors = {
  async prepareVolumes(deps, context, _args, signal) {
    // Read before the content is: what the volumes show then is as new as this, or newer.
    const inputs = context.inputs;
    let failures: readonly VolumeFailure[];
    try {
      const readable = await withTokens(deps, context, signal);
      const setUp = context.progress.mounted ? 'refresh' : 'prepare';
      failures = await deps.volumes[setUp](context.pod, readable, factsOf(deps, context));
    } catch (error) {
      failures = [{ message: messageOf(error), mounted: false }];
    }
    for (const { message } of failures) deps.event(context.pod, 'Warning', 'FailedMount', message);
    const { volumesFailure, mounted } = context.progress;
    const [first] = failures;
    context.setProgress({
      mounted: mounted || failures.every((failure) => failure.mounted),
      ...(first
        ? {
            volumesFailure: failed(
              deps,
              volumesFailure,
              { reason: 'ContainerCreating', message: first.message, inputs },
              retry.volumes,
            ),
          }
        : { volumes: inputs, volumesFailure: undefined }),
    });
  },

  async createSandbox(deps, context, { attempt }, signal) {
    const { pod } = context;
    if (attempt > 0 && !context.progress.sandboxFailure) {
      deps.event(pod, 'Normal', 'SandboxChanged', 'Pod sandbox changed, it will be killed and re-created.');
    }
    try {
      const address = pod.spec.hostNetwork ? undefined : deps.allocateAddress(pod.metadata.uid, context.memory.address);
      if (address !== context.memory.address) context.setMemory({ address });
      const { warnings, ...dns } = deps.dnsOf(pod);
      for (const warning of warnings) deps.event(pod, 'Warning', 'DNSConfigForming', warning);
      const spec = sandboxSpec(pod, attempt, address, dns);
      const made = (id: string): void => context.setProgress({ making: { id, attempt } });
      context.putSandbox(await deps.runtime.createSandbox(spec, signal, made));
      context.setProgress({ sandboxFailure: undefined, making: undefined });
    } catch (error) {
      if (signal.aborted) return;
      const message = messageOf(error);
      deps.event(pod, 'Warning', 'FailedCreatePodSandBox', `Failed to create pod sandbox: ${message}`);
      const { sandboxFailure } = context.progress;
      context.setProgress({
        making: undefined,
        sandboxFailure: failed(
          deps,
          sandboxFailure,
          { reason: 'ContainerCreating', message, inputs: {} },
          retry.sandbox,
        ),
      });
      context.resync();
    }
  },

  async removeSandbox(deps, context, { id }) {
    await deps.runtime.removeSandbox(id);
    context.dropSandbox(id);
  },

  async pullImage(deps, context, { container: name, attempt }, signal) {
    const container = specOf(context.pod, name);
    const image = container.image ?? '';
    const policy = pullPolicy(container);
    const before = progressOf(context, name, attempt)?.failure;
    const inputs = { objects: context.inputs.objects, image };
    const fail = (reason: string, message: string): void => {
      const [said, text] = pullFailure(reason, image, message);
      deps.event(context.pod, 'Warning', said, text, name);
      deps.event(context.pod, 'Warning', 'Failed', `Error: ${reason}`, name);
      const failure = failed(deps, before, { reason, message, inputs }, retry.image);
      context.setContainerProgress(name, { attempt, failure });
    };
    if (!isImageName(image)) {
      fail(
        'InvalidImageName',
        `Failed to apply default image tag "${image}": couldn't parse image name "${image}": invalid reference format`,
      );
      return;
    }
    try {
      const present = policy === 'Always' ? undefined : await deps.runtime.imageStatus(image, signal);
      if (present) {
        deps.event(context.pod, 'Normal', 'Pulled', `Container image "${image}" already present on machine`, name);
      } else if (policy === 'Never') {
        fail('ErrImageNeverPull', `Container image "${image}" is not present with pull policy of Never`);
        return;
      } else {
        deps.event(context.pod, 'Normal', 'Pulling', `Pulling image "${image}"`, name);
        const start = deps.clock.monotonic();
        const pulled = await deps.runtime.pullImage(
          image,
          credentialsFor(image, pullSecrets(deps, context.pod)),
          signal,
        );
        const took = formatDuration(deps.clock.monotonic() - start);
        const text = `Successfully pulled image "${image}" in ${took} (${took} including waiting). Image size: ${pulled.sizeBytes} bytes.`;
        deps.event(context.pod, 'Normal', 'Pulled', text, name);
      }
      context.setContainerProgress(name, { attempt, image, failure: undefined });
    } catch (error) {
      if (!signal.aborted) fail('ErrImagePull', messageOf(error));
    }
  },

  async createContainer(deps, context, { container: name, attempt, sandboxId }, signal) {
    const container = specOf(context.pod, name);
    const before = progressOf(context, name, attempt)?.failure;
    const inputs = context.inputs;
    try {
      const facts = factsOf(deps, context);
      const mounts = await deps.volumes.mounts(context.pod, container, attempt, deps.inputs, facts);
      const target = targetOf(context, container, sandboxId);
      const { who, ...image } = await lookAtImage(deps.runtime, context.pod, container, signal);
      const confinement = await confinementOf(context.pod, container, deps.confiners);
      const made = containerSpec(context.pod, container, attempt, mounts, deps.inputs, facts, who);
      const spec = { ...made, ...target, ...image, confinement };
      const id = await deps.runtime.createContainer(sandboxId, spec, signal);
      const now = deps.clock.now();
      context.putContainer({
        id,
        sandboxId,
        pod: podRef(context.pod),
        name,
        attempt,
        state: 'created',
        image: spec.image,
        imageId: '',
        createdAt: now,
        labels: spec.labels,
      });
      context.setContainerProgress(name, { attempt, failure: undefined });
      deps.event(context.pod, 'Normal', 'Created', `Created container: ${name}`, name);
    } catch (error) {
      if (signal.aborted) return;
      const reason = error instanceof ConfigError ? 'CreateContainerConfigError' : 'CreateContainerError';
      const message = messageOf(error);
      deps.event(context.pod, 'Warning', 'Failed', `Error: ${message}`, name);
      const gone = error instanceof RuntimeError && error.code === 'ImageNotFound';
      const failure = failed(deps, before, { reason, message, inputs }, retry.config);
      context.setContainerProgress(name, { attempt, failure, ...(gone ? { image: undefined } : {}) });
      if (error instanceof RuntimeError) context.resync();
    }
  },

  async startContainer(deps, context, { container: name, id }, signal) {
    const state = context.container(id);
    if (!state) return;
    const { postStart } = specOf(context.pod, name).lifecycle ?? {};
    try {
      if (postStart) context.setContainerProgress(name, { attempt: state.attempt, hookPending: true });
      await deps.runtime.startContainer(id);
    } catch (error) {
      await startFailed(deps, context, state, error);
      return;
    }
    const now = deps.clock.now();
    // The engine's event may have been faster than its answer.
    if (context.container(id)?.state === 'created') {
      const seen = await deps.runtime.inspectContainer(id).catch(() => undefined);
      const started = seen ?? { ...state, state: 'running' as const, startedAt: now };
      context.putContainer(await withMessage(deps, context.pod, started));
    }
    deps.event(context.pod, 'Normal', 'Started', `Started container ${name}`, name);
    if (!postStart) return;
    try {
      await deps.hooks.run(context.pod, { id, name }, postStart, context.memory.address, signal);
      context.setContainerProgress(name, { attempt: state.attempt, hookPending: false });
    } catch (error) {
      if (!(error instanceof HookError) || signal.aborted) throw error;
      deps.event(context.pod, 'Warning', 'FailedPostStartHook', 'PostStartHook failed', name);
      deps.event(context.pod, 'Normal', 'Killing', 'FailedPostStartHook', name);
      await stop(deps, context, id, deps.clock.now());
    }
  },

  async preStop(deps, context, { container: name, id, deadline }, signal) {
    await preStop(deps, context, name, id, deadline, signal);
  },

  async stopContainer(deps, context, { container: name, id, deadline, why, replaces }, signal) {
    if (replaces) context.setMemory({ containers: markReplacing(context.memory, name, id).containers });
    deps.event(context.pod, 'Normal', 'Killing', why, name);
    await preStop(deps, context, name, id, deadline, signal);
    if (!signal.aborted) await stop(deps, context, id, deadline, signal);
  },

  async updateContainer(deps, context, { container: name, id, from, resources }) {
    const container = specOf(context.pod, name);
    // The spec may have moved on since the plan; the next plan sees it.
    if (resourcesText(container) !== resources) return;
    const remember = (resized: ContainerMemory['resized']): void => {
      const known = context.memory.containers[name];
      if (known) context.setMemory({ containers: { ...context.memory.containers, [name]: { ...known, resized } } });
    };
    // The engine does not tell what a container was given: an agent that dies in between must know that it has to ask again.
    remember({ id, resources: from, changing: true });
    await deps.saved();
    await deps.runtime.updateContainer(id, cgroupResources(context.pod, container, deps.node().memoryCapacity));
    remember({ id, resources });
  },

  async removeContainer(deps, context, { id }) {
    await deps.runtime.removeContainer(id);
    context.dropContainer(id);
  },

  async finish(deps, context, terminal) {
    const { phase, reason, message, refused } = terminal;
    if (reason) deps.event(context.pod, phase === 'Failed' ? 'Warning' : 'Normal', reason, message ?? '');
    const since = deps.clock.now();
    const text = refused && message ? `Pod was rejected: ${message}` : message;
    const words = { ...(reason ? { reason } : {}), ...(text ? { message: text } : {}) };
    context.setMemory({ terminal: { phase, since, ...words, ...(refused ? { refused } : {}) } });
  },

  async releaseVolumes(deps, context) {
    await deps.volumes.remove(context.pod.metadata.uid);
    context.setProgress({ volumesReleased: true });
  },

  async cleanup(deps, context) {
    await deps.volumes.remove(context.pod.metadata.uid);
    deps.releaseAddress(context.pod.metadata.uid);
    context.finished();
  },

  async wait() {
    throw new Error('waiting is the worker’s own');
  },
};

/** The state with what the container said at its end: its message file or, when asked for, the end of its log. */
export async function withMessage(
  deps: Pick<ExecutorDeps, 'volumes' | 'runtime' | 'log'>,
  pod: Pod,
  state: ContainerState,
): Promise<ContainerState> {
  if (state.state !== 'exited' || state.message) return state;
  const spec = containersOf(pod).find((container) => container.spec.name === state.name)?.spec;
  try {
    let message = await deps.volumes.terminationMessage(pod.metadata.uid, state.name, state.attempt);
    const fallBack = spec?.terminationMessagePolicy === 'FallbackToLogsOnError' && state.exitCode !== 0;
    if (!message && fallBack) message = await logTail(deps.runtime, state.id);
    return message ? { ...state, message } : state;
  } catch (error) {
    deps.log.warn({ container: state.name, err: messageOf(error) }, 'no termination message');
    return state;
  }
}

/** Runs the hook within what is left of the grace, once. A hook that fails is an event, and stops nothing. */
async function preStop(
  deps: ExecutorDeps,
  context: PodContext,
  name: string,
  id: string,
  deadline: number,
  signal: AbortSignal,
): Promise<void> {
  const handler = containersOf(context.pod).find(({ spec }) => spec.name === name)?.spec.lifecycle?.preStop;
  const state = context.container(id);
  const left = deadline - deps.clock.now();
  if (!handler || state?.state !== 'running' || left <= 0) return;
  if (progressOf(context, name, state.attempt)?.preStopped) return;
  try {
    await withDeadline(deps, left, signal, (within) =>
      deps.hooks.run(context.pod, { id, name }, handler, context.memory.address, within),
    );
  } catch (error) {
    if (signal.aborted) return;
    deps.log.debug({ container: name, err: messageOf(error) }, 'preStop hook did not end well');
    deps.event(context.pod, 'Warning', 'FailedPreStopHook', 'PreStopHook failed', name);
  }
  context.setContainerProgress(name, { attempt: state.attempt, preStopped: true });
}

/** The stop signal, and SIGKILL at the deadline, though not before `minStopMs`. */
async function stop(
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
  if (state) context.putContainer(await withMessage(deps, context.pod, state));
  else context.dropContainer(id);
}

/** How the kubelet tells of each failure of a pull. */
function pullFailure(reason: string, image: string, message: string): [reason: string, text: string] {
  if (reason === 'ErrImagePull') return ['Failed', `Failed to pull image "${image}": ${message}`];
  return [reason === 'InvalidImageName' ? 'InspectFailed' : reason, message];
}

async function startFailed(
  deps: ExecutorDeps,
  context: PodContext,
  state: ContainerState,
  error: unknown,
): Promise<void> {
  if (!(error instanceof RuntimeError) || error.code === 'Unavailable' || error.code === 'NotFound') {
    context.resync();
    throw error;
  }
  deps.event(context.pod, 'Warning', 'Failed', `Error: ${error.message}`, state.name);
  const now = deps.clock.now();
  context.putContainer({
    ...state,
    state: 'exited',
    startedAt: now,
    finishedAt: now,
    exitCode: startFailureCode,
    reason: startFailureReason,
    message: error.message,
  });
}

/** Runs `work` under a signal that is aborted after `ms` milliseconds, or with `signal`. */
async function withDeadline(
  deps: ExecutorDeps,
  ms: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const own = new AbortController();
  const timer = deps.clock.timer(ms, () => own.abort(new Error('the grace period is over')));
  try {
    await work(AbortSignal.any([signal, own.signal]));
  } finally {
    timer.cancel();
  }
}

/** The failure with its place in the row of those that had the same inputs. */
function failed(
  deps: ExecutorDeps,
  before: Failure | undefined,
  what: Pick<Failure, 'reason' | 'message' | 'inputs'>,
  { firstMs, capMs }: { firstMs: number; capMs: number },
): Failure {
  const at = deps.clock.now();
  const count = isDeepStrictEqual(before?.inputs, what.inputs) ? (before?.count ?? 0) + 1 : 1;
  return { ...what, at, count, retryAt: at + Math.min(capMs, firstMs * 2 ** Math.min(count - 1, 16)) };
}

function factsOf(deps: ExecutorDeps, { pod, memory }: PodContext): PodFacts & { memoryCapacity: number } {
  const node = deps.node();
  return { ...node, podIP: pod.spec.hostNetwork ? node.hostIP : (memory.address ?? '') };
}

function progressOf(context: PodContext, name: string, attempt: number): ContainerProgress | undefined {
  const progress = context.progress.containers.get(name);
  return progress?.attempt === attempt ? progress : undefined;
}

/** Whose processes an ephemeral container sees. */
function targetOf(
  context: PodContext,
  { targetContainerName: name }: PodContainer['spec'],
  sandboxId: string,
): { processesOf?: string } {
  if (!name) return {};
  const target = context.runningContainer(sandboxId, name);
  if (!target) throw new ConfigError(`unable to find target container "${name}"`);
  return { processesOf: target.id };
}

function specOf(pod: Pod, name: string): PodContainer['spec'] {
  const found = containersOf(pod).find(({ spec }) => spec.name === name);
  if (!found) throw new Error(`the pod has no container ${name}`);
  return found.spec;
}

function pullSecrets(deps: ExecutorDeps, pod: Pod): Secret[] {
  return (pod.spec.imagePullSecrets ?? []).flatMap(({ name }) => {
    const secret = name ? deps.inputs.secret(pod.metadata.namespace ?? '', name) : undefined;
    return secret ? [secret] : [];
  });
}

async function logTail(runtime: Runtime, id: string): Promise<string | undefined> {
  let end: Buffer = Buffer.alloc(0);
  const options = { follow: false, timestamps: false, tail: messageTailLines };
  // No more than the end is held: lines may be of any length.
  for await (const chunk of runtime.logs(id, options, new AbortController().signal)) {
    end = Buffer.concat([end, chunk.subarray(-messageTailBytes)]).subarray(-messageTailBytes);
  }
  return end.toString('utf8') || undefined;
}

/** As Go prints a duration: 350ms, 1.25s. */
function formatDuration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)}ms` : `${Math.round(ms) / 1000}s`;
}
