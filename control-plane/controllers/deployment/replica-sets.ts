import type { Deployment, ObjectMeta } from '../../../shared/generated/types.ts';
import { controllerReference } from '../owned-pods/owner-references.ts';
import { annotations, bounds, hashLabel, wanted } from './plan.ts';

/** The ReplicaSet of the present template, to be created with `replicas` pods. */
export function newReplicaSet(deployment: Deployment, hash: string, replicas: number, revision: bigint) {
  const { template, selector, minReadySeconds } = deployment.spec;
  const labels = { ...template.metadata?.labels, [hashLabel]: hash };
  return {
    metadata: {
      name: `${deployment.metadata.name}-${hash}`,
      namespace: deployment.metadata.namespace,
      labels,
      annotations: {
        ...inheritedAnnotations(deployment),
        ...sizeAnnotations(deployment),
        [annotations.revision]: `${revision}`,
      },
      ownerReferences: [controllerReference(deployment)],
    },
    spec: {
      replicas,
      minReadySeconds,
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [hashLabel]: hash } },
      template: structuredClone({ ...template, metadata: { ...template.metadata, labels } as ObjectMeta }),
    },
  };
}

/** The annotations that a Deployment passes on to its new ReplicaSet: all but those about the object itself. */
export function inheritedAnnotations({ metadata }: Deployment): Record<string, string> {
  return Object.fromEntries(Object.entries(metadata.annotations ?? {}).filter(([name]) => !notInherited.has(name)));
}

const notInherited: ReadonlySet<string> = new Set([
  ...Object.values(annotations),
  'kubectl.kubernetes.io/last-applied-configuration',
]);

/** From these a later scaling computes each ReplicaSet's proportion. */
export function sizeAnnotations(deployment: Deployment): Record<string, string> {
  const max = wanted(deployment) + bounds(deployment).maxSurge;
  return { [annotations.desired]: `${wanted(deployment)}`, [annotations.max]: `${max}` };
}
