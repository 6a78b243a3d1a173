import type { Deployment, PodTemplateSpec, ReplicaSet } from '../../shared/generated/types.ts';

/** A template of pods labelled app=web. */
export function webTemplate(image: string): PodTemplateSpec {
  return { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image }] } } as PodTemplateSpec;
}

/** A Deployment named web, whose template is that of the ReplicaSet `new`. `more`: further fields of its spec. */
export function deployment(replicas: number, strategy?: object, more: object = {}): Deployment {
  const template = webTemplate('new');
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'default', uid: 'web-uid', generation: 1 },
    spec: { replicas, selector: { matchLabels: { app: 'web' } }, template, strategy, ...more },
  } as unknown as Deployment;
}

/** A ReplicaSet whose image is its name. `created`: seconds after the start of 2026. */
export function replicaSet(
  name: string,
  replicas: number,
  available = replicas,
  { created = 0, annotations }: { created?: number; annotations?: Record<string, string> } = {},
): ReplicaSet {
  const creationTimestamp = new Date(Date.UTC(2026, 0, 1) + created * 1000).toISOString().replace('.000', '');
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name, namespace: 'default', uid: `${name}-uid`, generation: 1, creationTimestamp, annotations },
    spec: { replicas, selector: { matchLabels: { app: 'web' } }, template: webTemplate(name) },
    status: { replicas, readyReplicas: available, availableReplicas: available, observedGeneration: 1 },
  } as unknown as ReplicaSet;
}
