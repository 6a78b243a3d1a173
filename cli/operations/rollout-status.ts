import type { Deployment } from '../../shared/generated/types.ts';

export type RolloutStatus = { readonly done: boolean; readonly message: string } | { readonly failed: string };

/** The rollout status of a Deployment, in kubectl's words (`polymorphichelpers/rollout_status.go`). */
export function rolloutStatusOf({ metadata, spec, status = {} }: Deployment): RolloutStatus {
  const { name, generation = 0 } = metadata;
  const waiting = (why: string): RolloutStatus => ({
    done: false,
    message: `Waiting for deployment "${name}" rollout to finish: ${why}...`,
  });
  if ((status.observedGeneration ?? 0) < generation) {
    return { done: false, message: 'Waiting for deployment spec update to be observed...' };
  }
  const progressing = status.conditions?.find(({ type }) => type === 'Progressing');
  if (progressing?.reason === 'ProgressDeadlineExceeded') {
    return { failed: `deployment "${name}" exceeded its progress deadline` };
  }
  const { replicas: wanted = 1 } = spec;
  const { replicas = 0, updatedReplicas: updated = 0, availableReplicas: available = 0 } = status;
  if (updated < wanted) return waiting(`${updated} out of ${wanted} new replicas have been updated`);
  if (replicas > updated) return waiting(`${replicas - updated} old replicas are pending termination`);
  if (available < updated) return waiting(`${available} of ${updated} updated replicas are available`);
  return { done: true, message: `deployment "${name}" successfully rolled out` };
}
