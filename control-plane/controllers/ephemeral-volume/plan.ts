import type { PersistentVolumeClaim, Pod } from '../../../shared/generated/types.ts';
import { controllerOf, type Draft } from '../../../shared/object.ts';
import { isPodTerminal } from '../../../shared/pod.ts';
import { ephemeralClaimOf } from '../../../shared/pod-references.ts';
import { controllerReference } from '../owned-pods/owner-references.ts';

export interface EphemeralPlan {
  readonly create: readonly Draft<PersistentVolumeClaim>[];
  /** The names of claims that exist and are not the pod's. */
  readonly foreign: readonly string[];
}

/** Whether the pod has generic ephemeral volumes. */
export function hasEphemeralVolumes({ spec }: Pod): boolean {
  return spec.volumes?.some(({ ephemeral }) => ephemeral !== undefined) ?? false;
}

/** The claims that the pod's generic ephemeral volumes lack. A pod that ends needs none. */
export function planEphemeralVolumes(
  pod: Pod,
  claimOf: (name: string) => PersistentVolumeClaim | undefined,
): EphemeralPlan {
  if (pod.metadata.deletionTimestamp || isPodTerminal(pod)) return { create: [], foreign: [] };
  const create: Draft<PersistentVolumeClaim>[] = [];
  const foreign: string[] = [];
  for (const { name: volumeName, ephemeral } of pod.spec.volumes ?? []) {
    const template = ephemeral?.volumeClaimTemplate;
    if (!template) continue;
    const name = ephemeralClaimOf(pod, volumeName);
    const present = claimOf(name);
    if (present && controllerOf(present)?.uid !== pod.metadata.uid) foreign.push(name);
    if (present) continue;
    const { labels, annotations } = template.metadata ?? {};
    const { namespace } = pod.metadata;
    const ownerReferences = [controllerReference(pod)];
    create.push({
      metadata: {
        name,
        namespace,
        ownerReferences,
        ...(labels ? { labels } : {}),
        ...(annotations ? { annotations } : {}),
      },
      spec: template.spec,
    });
  }
  return { create, foreign };
}
