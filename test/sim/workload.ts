import type { Kind, KindMap } from '../../shared/generated/types.ts';
import type { Draft } from '../../shared/object.ts';

/** What users keep in a simulated cluster. */

export const deploymentNames = ['web', 'api', 'cache', 'batch'] as const;
export type DeploymentName = (typeof deploymentNames)[number];
export const images = ['main:1', 'main:2', 'main:3'] as const;
export const smallNamespace = 'small';
/** Pods that may be in the small namespace and have not ended. */
export const smallQuota = 4;

const strategies = {
  web: { rollingUpdate: { maxSurge: 2, maxUnavailable: 0 } },
  api: { rollingUpdate: { maxSurge: 0, maxUnavailable: '30%' } },
  cache: { rollingUpdate: { maxSurge: '30%', maxUnavailable: '15%' } },
  batch: { type: 'Recreate' },
} as const;

/** Tight in memory, as a node has 8 Gi: the second resource decides, too. */
const requests = { cpu: '250m', memory: '768Mi' };

function template(labels: Record<string, string>, image: string) {
  const main = { name: 'main', image, resources: { requests } };
  const sidecar = { name: 'sidecar', image: 'sidecar:1', resources: { requests: { cpu: '50m' } } };
  return { metadata: { labels }, spec: { containers: [main, sidecar], terminationGracePeriodSeconds: 2 } };
}

export function deployment(name: DeploymentName, mark: number): Draft<KindMap['Deployment']> {
  const labels = { app: name };
  return {
    metadata: { name, namespace: 'default', annotations: { 'mark-spec': String(mark) } },
    spec: {
      replicas: 6,
      selector: { matchLabels: labels },
      strategy: strategies[name],
      revisionHistoryLimit: 2,
      template: template(labels, images[0]),
    } as never,
  };
}

/** A pod that ends by itself. */
export function endingPod(name: string, namespace: string, words: string): Draft<KindMap['Pod']> {
  const env = [{ name: 'FAKE', value: words }];
  const container = { name: 'main', image: images[0], env, resources: { requests: { cpu: '100m' } } };
  return {
    metadata: { name, namespace, labels: { ends: 'true' } },
    spec: { restartPolicy: 'Never', terminationGracePeriodSeconds: 1, containers: [container] } as never,
  };
}

export const endings = [
  'fake.exit=0 after=2s',
  'fake.exit=1 after=4s',
  'fake.exit=0',
  'fake.oom after=3s',
  'fake.nostart',
] as const;

export function configMap(name: string, owners: ReadonlyArray<{ name: string; uid: string }> = []) {
  const ownerReferences = owners.map((owner) => ({ apiVersion: 'v1', kind: 'ConfigMap', ...owner }));
  return { metadata: { name, namespace: 'default', ownerReferences }, data: {} } satisfies Draft<KindMap['ConfigMap']>;
}

/** What is made before the first fault, in this order. */
export function firstObjects(): Array<{ readonly kind: Kind; readonly object: Draft<KindMap[Kind]> }> {
  const budget = (app: string, spec: object) => ({
    kind: 'PodDisruptionBudget' as const,
    object: { metadata: { name: app, namespace: 'default' }, spec: { selector: { matchLabels: { app } }, ...spec } },
  });
  const replicated = (kind: 'ReplicaSet' | 'ReplicationController', app: string, selector: object) => ({
    kind,
    object: {
      metadata: { name: app, namespace: 'default' },
      spec: { replicas: 3, selector, template: template({ app }, images[0]) },
    },
  });
  return [
    { kind: 'Namespace', object: { metadata: { name: smallNamespace } } },
    {
      kind: 'ResourceQuota',
      object: { metadata: { name: 'pods', namespace: smallNamespace }, spec: { hard: { pods: String(smallQuota) } } },
    },
    budget('web', { minAvailable: 4 }),
    budget('api', { maxUnavailable: '25%' }),
    budget('cache', { minAvailable: '60%' }),
    replicated('ReplicaSet', 'set', { matchLabels: { app: 'set' } }),
    replicated('ReplicationController', 'controller', { app: 'controller' }),
    { kind: 'ConfigMap', object: configMap('shared') },
    { kind: 'ConfigMap', object: configMap('owner-0') },
    { kind: 'ConfigMap', object: configMap('owner-1') },
  ] as Array<{ readonly kind: Kind; readonly object: Draft<KindMap[Kind]> }>;
}
