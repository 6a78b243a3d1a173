import type { Pod } from '../../../../shared/generated/types.ts';
import { badRequest } from '../../requests/refusals.ts';

/** The annotation that names a pod's default container. */
const defaultContainer = 'kubectl.kubernetes.io/default-container';

/**
 * The container of a request: the one that it names, else that of the pod's annotation, else the only one. Throws BadRequest in
 * Kubernetes' words (registry/core/pod, `validateContainer`).
 */
export function containerOf(pod: Pod, wanted: string | undefined): string {
  const { containers, initContainers = [], ephemeralContainers = [] } = pod.spec;
  const { name } = pod.metadata;
  const all = [...initContainers, ...containers, ...ephemeralContainers].map((container) => container.name);
  if (wanted) {
    if (!all.includes(wanted)) throw badRequest(`container ${wanted} is not valid for pod ${name}`);
    return wanted;
  }
  const preferred = pod.metadata.annotations?.[defaultContainer];
  if (preferred && all.includes(preferred)) return preferred;
  const [first] = containers;
  if (containers.length === 1 && first) return first.name;
  throw badRequest(`a container name must be specified for pod ${name}, choose one of: [${all.join(' ')}]`);
}
