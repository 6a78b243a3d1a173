import type { Pod } from '../../shared/generated/types.ts';
import type { PodRef } from '../runtime/runtime.ts';

export function podRef(pod: Pod): PodRef {
  return { namespace: pod.metadata.namespace ?? '', name: pod.metadata.name, uid: pod.metadata.uid };
}
