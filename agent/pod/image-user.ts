import type { Container, Pod } from '../../shared/generated/types.ts';
import { type Runtime, RuntimeError } from '../runtime/runtime.ts';
import { checkNonRoot, neededOfImage, type RunAs, runAs } from './run-as.ts';

/** Who the container runs as, and the very image that says so where it has a say in it. Throws ConfigError, RuntimeError. */
export async function lookAtImage(
  runtime: Runtime,
  pod: Pod,
  container: Container,
  signal: AbortSignal,
): Promise<{ who: RunAs; imageId?: string }> {
  const needed = neededOfImage(pod, container);
  if (needed === 'nothing') {
    checkNonRoot(pod, container, '');
    return { who: runAs(pod, container, '', undefined) };
  }
  const { image = '' } = container;
  const found = await runtime.imageStatus(image, signal);
  if (!found) throw new RuntimeError('ImageNotFound', `no such image: ${image}`);
  const { user = '', id } = found;
  checkNonRoot(pod, container, user);
  const accounts = needed === 'accounts' ? await runtime.imageAccounts(id, signal) : undefined;
  return { who: runAs(pod, container, user, accounts), imageId: id };
}
