import { messageOf } from '../../../shared/errors.ts';
import type { Pod, Secret } from '../../../shared/generated/types.ts';
import { type Executor, type ExecutorDeps, progressOf, specOf } from './context.ts';
import { nextFailure } from './failure.ts';
import { credentialsFor, isImageName, pullPolicy } from './images.ts';

const backOff = { firstMs: 10_000, capMs: 60_000 };

export const pullImage: Executor<'pullImage'> = async (deps, context, { container: name, attempt }, signal) => {
  const { pod } = context;
  const container = specOf(pod, name);
  const image = container.image ?? '';
  const policy = pullPolicy(container);
  const before = progressOf(context, name, attempt)?.failure;
  const inputs = { objects: context.inputs.objects, image };
  const fail = (reason: string, message: string): void => {
    const [eventReason, text] = pullEvent(reason, image, message);
    deps.event(pod, 'Warning', eventReason, text, name);
    deps.event(pod, 'Warning', 'Failed', `Error: ${reason}`, name);
    const failure = nextFailure(before, { reason, message, inputs }, deps.clock.now(), backOff);
    context.setContainerProgress(name, { attempt, failure });
  };
  if (!isImageName(image)) {
    const why = `couldn't parse image name "${image}": invalid reference format`;
    return fail('InvalidImageName', `Failed to apply default image tag "${image}": ${why}`);
  }
  try {
    const onNode = policy !== 'Always' && (await deps.runtime.imageStatus(image, signal)) !== undefined;
    if (onNode) {
      deps.event(pod, 'Normal', 'Pulled', `Container image "${image}" already present on machine`, name);
    } else if (policy === 'Never') {
      return fail('ErrImageNeverPull', `Container image "${image}" is not present with pull policy of Never`);
    } else {
      deps.event(pod, 'Normal', 'Pulling', `Pulling image "${image}"`, name);
      const start = deps.clock.monotonic();
      const { sizeBytes } = await deps.runtime.pullImage(image, credentialsFor(image, pullSecrets(deps, pod)), signal);
      const took = formatDuration(deps.clock.monotonic() - start);
      const text = `Successfully pulled image "${image}" in ${took} (${took} including waiting). Image size: ${sizeBytes} bytes.`;
      deps.event(pod, 'Normal', 'Pulled', text, name);
    }
    context.setContainerProgress(name, { attempt, image, failure: undefined });
  } catch (error) {
    if (!signal.aborted) fail('ErrImagePull', messageOf(error));
  }
};

/** The kubelet's event for each failure of a pull. */
function pullEvent(reason: string, image: string, message: string): [reason: string, text: string] {
  if (reason === 'ErrImagePull') return ['Failed', `Failed to pull image "${image}": ${message}`];
  return [reason === 'InvalidImageName' ? 'InspectFailed' : reason, message];
}

function pullSecrets({ inputs }: ExecutorDeps, { metadata, spec }: Pod): Secret[] {
  return (spec.imagePullSecrets ?? []).flatMap(({ name }) => {
    const secret = name ? inputs.secret(metadata.namespace ?? '', name) : undefined;
    return secret ?? [];
  });
}

/** As Go prints a duration: 350ms, 1.25s. */
function formatDuration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)}ms` : `${Math.round(ms) / 1000}s`;
}
