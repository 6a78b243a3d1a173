import type { Client } from '../../../shared/client.ts';
import { isApiError, messageOf } from '../../../shared/errors.ts';
import type { Pod, PodStatus } from '../../../shared/generated/types.ts';
import type { Informers } from '../../../shared/informer.ts';
import type { Log } from '../../../shared/log.ts';
import type { PodStatusUpdate } from '../../../shared/session.ts';
import { isRefused } from './refusal.ts';

/** Attempts to write one status while the pod changes at the same time. */
const maxAttempts = 5;

export interface PodStatusDeps {
  /** The API under the node's identity. */
  readonly client: Client;
  readonly informers: Informers;
  readonly log: Log;
  /** Aborted when the session that received the report has ended. */
  readonly ended: AbortSignal;
}

/**
 * Writes what `node` reports of a pod, and removes a pod that is being deleted and has terminated. Ignores a pod that is not on the node
 * or has another uid, as the report is out of date then. Throws ApiError.
 */
export async function writePodStatus(deps: PodStatusDeps, node: string, update: PodStatusUpdate): Promise<void> {
  const { informers, log } = deps;
  const { namespace, name, uid, status, terminated } = update;
  const isReported = (pod: Pod): boolean => pod.metadata.uid === uid && pod.spec.nodeName === node;
  const cached = informers.of('Pod').get(`${namespace}/${name}`);
  if (!cached || !isReported(cached)) return;
  try {
    const pod = status ? await updateStatus(deps, cached, status, isReported) : cached;
    if (terminated && pod?.metadata.deletionTimestamp) {
      await deps.client.delete('Pod', name, { namespace, gracePeriodSeconds: 0, preconditions: { uid } });
    }
  } catch (error) {
    // The pod has been removed or replaced.
    if (isApiError(error, 'NotFound', 'Conflict')) return;
    if (!isRefused(error)) throw error;
    log.warn({ component: 'nodes', key: node, pod: `${namespace}/${name}`, err: messageOf(error) }, 'status refused');
  }
}

/** Writes onto the state that others' conditions were taken from, so that none is lost. Undefined if the pod is no longer the reported one. */
async function updateStatus(
  { client, ended }: PodStatusDeps,
  cached: Pod,
  status: PodStatus,
  isReported: (pod: Pod) => boolean,
): Promise<Pod | undefined> {
  let pod = cached;
  for (let attempt = 1; isReported(pod); attempt++) {
    const { name, namespace, uid, resourceVersion } = pod.metadata;
    const report = { metadata: { name, namespace, uid, resourceVersion }, status: mergedPodStatus(pod, status) };
    try {
      return await client.updateStatus('Pod', report as Pod);
    } catch (error) {
      if (!isApiError(error, 'Conflict') || attempt >= maxAttempts) throw error;
    }
    pod = await client.get('Pod', name, namespace);
    // A newer session may have reported a newer status, which this one must not replace.
    ended.throwIfAborted();
  }
  return undefined;
}

/** The conditions that only a node writes (kubernetes/pkg/kubelet/types, `PodConditionByKubelet`); its state of others may be old. */
const nodeConditions: ReadonlySet<string> = new Set([
  'PodReadyToStartContainers',
  'Initialized',
  'Ready',
  'ContainersReady',
  'PodResizePending',
  'PodResizeInProgress',
]);

/** The fields of a pod's status that a node writes: one that it leaves out is removed. */
const nodeFields: ReadonlySet<string> = new Set([
  'phase',
  'conditions',
  'message',
  'reason',
  'hostIP',
  'hostIPs',
  'podIP',
  'podIPs',
  'startTime',
  'qosClass',
  'initContainerStatuses',
  'containerStatuses',
  'ephemeralContainerStatuses',
  'resize',
  'observedGeneration',
]);

/** A reported status with what others have written: conditions of the scheduler and of controllers, readiness gates. */
function mergedPodStatus(pod: Pod, status: PodStatus): PodStatus {
  const kept = Object.entries(pod.status ?? {}).filter(([name]) => !nodeFields.has(name));
  const others = pod.status?.conditions?.filter(({ type }) => !nodeConditions.has(type)) ?? [];
  const written = new Set(others.map(({ type }) => type));
  const reported = status.conditions?.filter(({ type }) => !written.has(type)) ?? [];
  return { ...Object.fromEntries(kept), ...status, conditions: [...others, ...reported] };
}
