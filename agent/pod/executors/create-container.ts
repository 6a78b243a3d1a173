import { messageOf } from '../../../shared/errors.ts';
import { type ContainerSpec, RuntimeError } from '../../runtime/runtime.ts';
import { ConfigError } from '../inputs.ts';
import type { PodContainer } from '../model.ts';
import { confinementOf } from '../spec/confinement.ts';
import { containerSpec } from '../spec/container-spec.ts';
import { resolveRunAs } from '../spec/image-user.ts';
import { type Executor, type ExecutorDeps, environmentOf, type PodContext, progressOf, specOf } from './context.ts';
import { nextFailure } from './failure.ts';

const backOff = { firstMs: 2_000, capMs: 20_000 };

export const createContainer: Executor<'createContainer'> = async (deps, context, args, signal) => {
  const { container: name, attempt, sandboxId } = args;
  const { pod } = context;
  const before = progressOf(context, name, attempt)?.failure;
  const inputs = context.inputs;
  const container = specOf(pod, name);
  try {
    const spec = await specFor(deps, context, container, args, signal);
    const id = await deps.runtime.createContainer(sandboxId, spec, signal);
    const { image, labels } = spec;
    const createdAt = deps.clock.now();
    const state = 'created';
    context.putContainer({ id, sandboxId, pod: spec.pod, name, attempt, state, image, imageId: '', createdAt, labels });
    context.setContainerProgress(name, { attempt, failure: undefined });
    deps.event(pod, 'Normal', 'Created', `Created container: ${name}`, name);
  } catch (error) {
    if (signal.aborted) return;
    const reason = error instanceof ConfigError ? 'CreateContainerConfigError' : 'CreateContainerError';
    const message = messageOf(error);
    deps.event(pod, 'Warning', 'Failed', `Error: ${message}`, name);
    const imageGone = error instanceof RuntimeError && error.code === 'ImageNotFound';
    const failure = nextFailure(before, { reason, message, inputs }, deps.clock.now(), backOff);
    context.setContainerProgress(name, { attempt, failure, ...(imageGone ? { image: undefined } : {}) });
    if (error instanceof RuntimeError) context.resync();
  }
};

async function specFor(
  deps: ExecutorDeps,
  context: PodContext,
  container: PodContainer['spec'],
  { attempt, sandboxId }: { readonly attempt: number; readonly sandboxId: string },
  signal: AbortSignal,
): Promise<ContainerSpec> {
  const environment = environmentOf(deps, context);
  const { pod, inputs, facts } = environment;
  const { memoryCapacity } = facts;
  const mounts = await deps.volumes.mounts(pod, container, attempt, inputs, facts);
  const target = targetOf(context, container, sandboxId);
  const { runAs, ...image } = await resolveRunAs(deps.runtime, pod, container, signal);
  const confinement = await confinementOf(pod, container, deps.confiners);
  return {
    ...containerSpec(environment, container, { attempt, mounts, runAs, memoryCapacity }),
    ...target,
    ...image,
    confinement,
  };
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
