import type { Pod } from '../../shared/generated/types.ts';
import { controllerOf } from '../../shared/object.ts';
import { isPodTerminal } from '../../shared/pod.ts';

export interface DrainChoices {
  readonly force: boolean;
  readonly ignoreDaemonsets: boolean;
  readonly deleteEmptydirData: boolean;
}

export type Fate = { readonly evict: boolean } | { readonly refuse: string };

/** What draining does with a pod (kubectl's `drain/filters.go`): moves it, leaves it, or asks first. */
export function fateOf(pod: Pod, choices: DrainChoices): Fate {
  const { metadata, spec } = pod;
  // A pod that mirrors a file on the node is the node's own.
  if (metadata.annotations?.['kubernetes.io/config.mirror']) return { evict: false };
  const owner = controllerOf(pod);
  if (owner?.kind === 'DaemonSet') {
    return choices.ignoreDaemonsets
      ? { evict: false }
      : { refuse: 'managed by a DaemonSet (use --ignore-daemonsets to leave it)' };
  }
  if (isPodTerminal(pod) || metadata.deletionTimestamp) return { evict: true };
  if (spec.volumes?.some(({ emptyDir }) => emptyDir) && !choices.deleteEmptydirData) {
    return { refuse: 'keeps data on the node (use --delete-emptydir-data to lose it)' };
  }
  if (!owner && !choices.force) return { refuse: 'no controller would make it again (use --force to delete it)' };
  return { evict: true };
}
