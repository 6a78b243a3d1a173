import type { Pod } from '../../shared/generated/types.ts';
import type { NodeIndex } from '../../shared/scheduling/node-index.ts';
import type { PodInfo } from '../../shared/scheduling/node-info.ts';
import { pendingPod } from './scheduling.ts';

/** A term of pod affinity by the label `app`, over the key `zone`. */
export const term = (app: string, more: Record<string, unknown> = {}) => ({
  topologyKey: 'zone',
  labelSelector: { matchLabels: { app } },
  ...more,
});

/** A pod of the app `keeper` that asks for these terms. */
export function wanting(name: string, kind: 'podAffinity' | 'podAntiAffinity', terms: ReturnType<typeof term>[]): Pod {
  const affinity = { [kind]: { requiredDuringSchedulingIgnoredDuringExecution: terms } };
  return pendingPod(name, { cpu: '1m' }, { labels: { app: 'keeper' }, spec: { affinity } });
}

/** What the index keeps of a pod, which must not have ended. */
export function set(index: NodeIndex, pod: Pod): PodInfo {
  const info = index.setPod(pod);
  if (!info) throw new Error('the pod has ended');
  return info;
}
