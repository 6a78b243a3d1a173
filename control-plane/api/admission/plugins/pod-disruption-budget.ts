import { formatTime } from '../../../../shared/clock.ts';
import { disruptionAllowed } from '../../../../shared/disruption.ts';
import { ApiError } from '../../../../shared/errors.ts';
import type { Pod, PodDisruptionBudget } from '../../../../shared/generated/types.ts';
import { isPodReady, isPodTerminal } from '../../../../shared/pod.ts';
import { matchesLabels, selectorOf } from '../../../../shared/selector.ts';
import { encodeObject } from '../../requests/codec.ts';
import { forbidden } from '../../requests/refusals.ts';
import type { AdmissionPlugin } from '../plugin.ts';

/** Evictions that were granted and that the disruption controller has not observed yet. */
const maxDisruptedPods = 2000;

/**
 * Counts an eviction against the pod's disruption budget, in the transaction that deletes the pod, so that no two evictions, on any
 * servers, both take the last disruption allowed (Kubernetes, "Disruptions"). The disruption controller raises the count again.
 */
export const podDisruptionBudget: AdmissionPlugin = {
  name: 'PodDisruptionBudget',
  rules: [{ verbs: ['create'], kinds: ['Pod'], subresources: ['eviction'] }],
  queue({ namespace }, reader) {
    return namespace && reader.count('PodDisruptionBudget', namespace) > 0 ? namespace : undefined;
  },
  contribute({ namespace, now }, _object, old, states) {
    const pod = old as Pod;
    // A pod that does not run counts for no budget.
    if (isPodTerminal(pod) || pod.status?.phase === 'Pending' || pod.metadata.deletionTimestamp) return undefined;
    const [state, another] = states
      .list('PodDisruptionBudget', namespace)
      .filter(({ object }) =>
        matchesLabels(selectorOf((object as PodDisruptionBudget).spec.selector), pod.metadata.labels),
      );
    if (!state) return undefined;
    if (another) {
      const why = 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.';
      throw new ApiError('InternalError', why);
    }
    const budget = state.object as PodDisruptionBudget;
    const guards = [
      { key: states.key('PodDisruptionBudget', budget.metadata.name, namespace), revision: state.revision },
    ];
    if (isFree(budget, pod)) return { guards, writes: [] };
    const next = withDisruption(budget, pod, now);
    return { guards, writes: guards.map(({ key }) => ({ type: 'put', key, value: encodeObject(next) })) };
  },
};

/** Whether the eviction needs no disruption: the pod runs, but is not healthy. */
function isFree({ spec, status }: PodDisruptionBudget, pod: Pod): boolean {
  if (isPodReady(pod)) return false;
  if (spec.unhealthyPodEvictionPolicy === 'AlwaysAllow') return true;
  const { currentHealthy = 0, desiredHealthy = 0 } = status ?? {};
  return currentHealthy >= desiredHealthy && desiredHealthy > 0;
}

/** The budget with the eviction counted. Throws TooManyRequests. */
function withDisruption(budget: PodDisruptionBudget, pod: Pod, now: number): PodDisruptionBudget {
  const { metadata, status } = budget;
  const { name, generation = 0 } = metadata;
  if (!status || (status.observedGeneration ?? 0) < generation) {
    throw tooMany(`The disruption budget ${name} is still being processed by the server.`, 10);
  }
  const { disruptionsAllowed = 0, currentHealthy = 0, desiredHealthy = 0, conditions = [] } = status;
  const resource = { plural: 'poddisruptionbudget', group: 'policy' };
  if (disruptionsAllowed < 0) throw forbidden(resource, name, 'pdb disruptions allowed is negative');
  if (Object.keys(status.disruptedPods ?? {}).length > maxDisruptedPods) {
    const why = 'DisruptedPods map too big - too many evictions not confirmed by PDB controller';
    throw forbidden(resource, name, why);
  }
  if (disruptionsAllowed === 0) {
    const failed = conditions.find(({ type, reason }) => type === 'DisruptionAllowed' && reason === 'SyncFailed');
    const why = failed
      ? `does not allow evicting pods currently because it failed sync: ${failed.message ?? ''}`
      : currentHealthy <= desiredHealthy
        ? `needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`
        : 'does not allow evicting pods currently';
    throw tooMany(`The disruption budget ${name} ${why}`, 0);
  }
  const left = disruptionsAllowed - 1;
  const disruptedPods = { ...status.disruptedPods, [pod.metadata.name]: formatTime(now) };
  const next = left > 0 ? conditions : disruptionAllowed(conditions, 0, generation, now);
  return { ...budget, status: { ...status, disruptionsAllowed: left, disruptedPods, conditions: next } };
}

function tooMany(message: string, retryAfterSeconds: number): ApiError {
  return new ApiError('TooManyRequests', "Cannot evict pod as it would violate the pod's disruption budget.", {
    causes: [{ reason: 'DisruptionBudget', message }],
    ...(retryAfterSeconds > 0 ? { retryAfterSeconds } : {}),
  });
}
