import type { Container, Pod } from '../../../shared/generated/types.ts';
import { type Runtime, RuntimeError } from '../../runtime/runtime.ts';
import { checkNonRoot, imageDependency, type RunAs, runAs } from './run-as.ts';

/** The user that the container runs as, and the image where that depends on it. Throws ConfigError, RuntimeError. */
export async function resolveRunAs(
  runtime: Runtime,
  pod: Pod,
  container: Container,
  signal: AbortSignal,
): Promise<{ runAs: RunAs; imageId?: string }> {
  const dependency = imageDependency(pod, container);
  if (dependency === 'nothing') {
    checkNonRoot(pod, container, '');
    return { runAs: runAs(pod, container, '', undefined) };
  }
  const { image = '' } = container;
  const found = await runtime.imageStatus(image, signal);
  if (!found) throw new RuntimeError('ImageNotFound', `no such image: ${image}`);
  const { user = '', id } = found;
  checkNonRoot(pod, container, user);
  const accounts = dependency === 'accounts' ? await runtime.imageAccounts(id, signal) : undefined;
  return { runAs: runAs(pod, container, user, accounts), imageId: id };
}
