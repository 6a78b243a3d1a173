import { messageOf } from '../../../shared/errors.ts';
import type { VolumeFailure } from '../../volumes/pod-volumes.ts';
import { withTokens } from '../tokens.ts';
import { type Executor, environmentOf } from './context.ts';
import { nextFailure } from './failure.ts';

const backOff = { firstMs: 500, capMs: 30_000 };

export const prepareVolumes: Executor<'prepareVolumes'> = async (deps, context, _args, signal) => {
  // Read before the content, which is then of these inputs or of newer ones.
  const inputs = context.inputs;
  let failures: readonly VolumeFailure[];
  try {
    const readable = await withTokens(deps, context, signal);
    const setUp = context.progress.mounted ? 'refresh' : 'prepare';
    failures = await deps.volumes[setUp](context.pod, readable, environmentOf(deps, context).facts);
  } catch (error) {
    failures = [{ message: messageOf(error), mounted: false }];
  }
  for (const { message } of failures) deps.event(context.pod, 'Warning', 'FailedMount', message);
  const { volumesFailure, mounted } = context.progress;
  const [first] = failures;
  const failure = first && { reason: 'ContainerCreating', message: first.message, inputs };
  context.setProgress({
    mounted: mounted || failures.every((each) => each.mounted),
    volumesFailure: failure && nextFailure(volumesFailure, failure, deps.clock.now(), backOff),
    ...(failure ? {} : { volumes: inputs }),
  });
};

export const releaseVolumes: Executor<'releaseVolumes'> = async (deps, context) => {
  await deps.volumes.remove(context.pod.metadata.uid);
  context.setProgress({ volumesReleased: true });
};
