import type { Pod } from '../../../shared/generated/types.ts';
import { isPodReady, podCondition } from '../../../shared/pod.ts';

/** Milliseconds until the pod has been ready for `minReadySeconds`; 0 or less when it has, Infinity when it is not ready. */
export function availableInMs(pod: Pod, minReadySeconds: number, now: number): number {
  if (!isPodReady(pod)) return Number.POSITIVE_INFINITY;
  if (minReadySeconds === 0) return 0;
  const since = podCondition(pod, 'Ready')?.lastTransitionTime;
  return since ? Date.parse(since) + minReadySeconds * 1000 - now : Number.POSITIVE_INFINITY;
}
