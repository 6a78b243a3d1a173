import type { Pod } from '../../shared/generated/types.ts';
import { controllerOf } from '../../shared/object.ts';
import { isPodTerminal } from '../../shared/pod.ts';

export interface DrainOptions {
  readonly force: boolean;
  readonly ignoreDaemonsets: boolean;
  readonly deleteEmptydirData: boolean;
}

export type DrainDecision = { readonly evict: boolean } | { readonly refuse: string };

/** Whether draining evicts a pod, leaves it, or is refused (kubectl's `drain/filters.go`). */
export function drainDecision(pod: Pod, options: DrainOptions): DrainDecision {
  const { metadata, spec } = pod;
  // A mirror pod cannot be evicted.
  if (metadata.annotations?.['kubernetes.io/config.mirror']) return { evict: false };
  const owner = controllerOf(pod);
  if (owner?.kind === 'DaemonSet') {
    return options.ignoreDaemonsets
      ? { evict: false }
      : { refuse: 'managed by a DaemonSet (use --ignore-daemonsets to leave it)' };
  }
  if (isPodTerminal(pod) || metadata.deletionTimestamp) return { evict: true };
  if (spec.volumes?.some(({ emptyDir }) => emptyDir) && !options.deleteEmptydirData) {
    return { refuse: 'keeps data on the node (use --delete-emptydir-data to lose it)' };
  }
  if (!owner && !options.force) return { refuse: 'no controller would make it again (use --force to delete it)' };
  return { evict: true };
}
