import { parseTime } from '../../../shared/clock.ts';
import type { Job, JobSpec, Pod } from '../../../shared/generated/types.ts';
import { isSidecar, podCondition } from '../../../shared/pod.ts';

/** The finalizer that keeps a pod until the Job has counted it. */
export const trackingFinalizer = 'batch.kubernetes.io/job-tracking';
/** The annotation and the label with the completion index of a pod. */
export const indexKey = 'batch.kubernetes.io/job-completion-index';
/** How many pods of its index failed before this one: those that count, and those that the failure policy ignores. */
export const failureCountKey = 'batch.kubernetes.io/job-index-failure-count';
export const ignoredFailureCountKey = 'batch.kubernetes.io/job-index-ignored-failure-count';

/** `terminating`: it is being deleted and has not ended. */
export type PodState = 'active' | 'terminating' | 'succeeded' | 'failed';

/** A pod as its Job sees it. */
export interface JobPod {
  readonly pod: Pod;
  readonly uid: string;
  readonly state: PodState;
  /**
   * It counts as a failure: it has failed, or is being deleted and the Job replaces such pods at once. Not one that is deleted without the
   * tracking finalizer: the Job itself has withdrawn it, or has counted it before.
   */
  readonly failed: boolean;
  /** It has the tracking finalizer: it is not in the counters of the status yet. */
  readonly tracked: boolean;
  /** Its completion index; undefined for a Job without indexes, and for an index that the Job does not have. */
  readonly index?: number;
}

export function isIndexed({ completionMode }: JobSpec): boolean {
  return completionMode === 'Indexed';
}

/** Whether a pod that is being deleted is replaced only once it has ended. */
export function replacesOnlyEnded({ podReplacementPolicy, podFailurePolicy }: JobSpec): boolean {
  return podReplacementPolicy === undefined ? podFailurePolicy !== undefined : podReplacementPolicy === 'Failed';
}

export function isTracked({ metadata }: Pod): boolean {
  return metadata.finalizers?.includes(trackingFinalizer) === true;
}

/** `deleting`: pods whose deletion the informers do not show yet. */
export function jobPod({ spec }: Job, pod: Pod, deleting: (uid: string) => boolean): JobPod {
  const { uid } = pod.metadata;
  const state = stateOf(pod, deleting(uid));
  const tracked = isTracked(pod);
  const terminates = state === 'terminating' && tracked && !replacesOnlyEnded(spec);
  const failed = terminates || (state === 'failed' && (tracked || pod.metadata.deletionTimestamp === undefined));
  const index = completionIndex(pod);
  const valid = isIndexed(spec) && index !== undefined && index < (spec.completions ?? 0);
  return { pod, uid, state, failed, tracked, ...(valid ? { index } : {}) };
}

function stateOf(pod: Pod, deleting: boolean): PodState {
  const { metadata, spec, status } = pod;
  if (status?.phase === 'Succeeded') return 'succeeded';
  if (status?.phase === 'Failed') return 'failed';
  const ended = endBeforeSidecars(pod);
  if (ended) return ended;
  if (metadata.deletionTimestamp === undefined) return deleting ? 'terminating' : 'active';
  // No agent reports the end of a pod without a node, or of one that is deleted by force.
  return !spec.nodeName || metadata.deletionGracePeriodSeconds === 0 ? 'failed' : 'terminating';
}

/** What a pod comes to whose containers have ended for good while its sidecars are still being stopped: its phase says so only after that. */
function endBeforeSidecars({ spec, status }: Pod): PodState | undefined {
  if (!spec.initContainers?.some(isSidecar)) return undefined;
  const codes = spec.containers.map(
    ({ name }) => status?.containerStatuses?.find((one) => one.name === name)?.state?.terminated?.exitCode,
  );
  if (codes.some((code) => code === undefined)) return undefined;
  if (codes.every((code) => code === 0)) return 'succeeded';
  return spec.restartPolicy === 'Never' ? 'failed' : undefined;
}

function completionIndex({ metadata }: Pod): number | undefined {
  const text = metadata.annotations?.[indexKey];
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

/** How many pods of its index failed before this one, by what they count for. */
export function indexFailures({ metadata }: Pod): { readonly counted: number; readonly ignored: number } {
  const read = (key: string): number => {
    const text = metadata.annotations?.[key] ?? '';
    return /^\d{1,9}$/.test(text) ? Number(text) : 0;
  };
  return { counted: read(failureCountKey), ignored: read(ignoredFailureCountKey) };
}

/**
 * When a pod ended, in milliseconds since the epoch (Kubernetes' getFinishedTime): the end of its last container, else since when it is
 * not ready, else when its deletion was requested, else its creation.
 */
export function finishedAt(pod: Pod): number {
  const { metadata, status } = pod;
  const statuses = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
  const ends = statuses.map(({ state }) => parseTime(state?.terminated?.finishedAt));
  const last = ends.length > 0 && ends.every((end) => end !== undefined) ? Math.max(...(ends as number[])) : undefined;
  const ready = podCondition(pod, 'Ready');
  const deleted = parseTime(metadata.deletionTimestamp);
  return (
    last ??
    (ready?.status === 'False' ? parseTime(ready.lastTransitionTime) : undefined) ??
    (deleted === undefined ? undefined : deleted - (metadata.deletionGracePeriodSeconds ?? 0) * 1000) ??
    parseTime(metadata.creationTimestamp) ??
    0
  );
}
