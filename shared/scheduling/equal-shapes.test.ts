import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { onNode, pendingPod, readyNode } from '../../test/support/scheduling.ts';
import type { Pod } from '../generated/types.ts';
import { explain } from './explain.ts';
import { NodeIndex } from './node-index.ts';
import { defaultPlugins } from './plugins/index.ts';
import { shapeKey, shapeOf } from './pod-shape.ts';

type Spec = Partial<Pod['spec']>;

/** A value of a field, or no such field. */
const maybe = <T>(...values: T[]) => fc.constantFrom(undefined, ...values);
const selects = { labelSelector: { matchLabels: { app: 'a' } }, topologyKey: 'zone' };
const near = { requiredDuringSchedulingIgnoredDuringExecution: [selects] };
const zoneA = { matchExpressions: [{ key: 'zone', operator: 'In', values: ['a'] }] };
const inZoneA = { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [zoneA] } };
const ratherA = { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, preference: zoneA }] };
const spread = { ...selects, maxSkew: 1, whenUnsatisfiable: 'DoNotSchedule' };

/** Fields that scheduling reads. */
const read = fc.record({
  namespace: fc.constantFrom('default', 'other'),
  labels: fc.constantFrom<Record<string, string>>({}, { app: 'a' }, { app: 'b' }),
  owner: maybe('rs'),
  nodeSelector: maybe({ disk: 'ssd' }),
  affinity: maybe(
    { podAffinity: near },
    { podAntiAffinity: near },
    { nodeAffinity: inZoneA },
    { nodeAffinity: ratherA },
  ),
  tolerations: maybe([{ key: 'dedicated', operator: 'Exists' }]),
  topologySpreadConstraints: maybe([spread]),
  requests: maybe({ cpu: '3' }, { cpu: '3000m' }, { cpu: '5' }),
  image: fc.constantFrom('app:1', 'app:2'),
  hostPort: maybe(80, 81),
  hostNetwork: maybe(true),
  volumes: maybe([{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }]),
});

/** Fields that it does not read. */
const unread = fc.record({
  name: fc.constantFrom('p', 'q'),
  annotations: maybe({ note: 'x' }),
  containerName: fc.constantFrom('main', 'other'),
  command: maybe(['sleep', '1']),
  env: maybe([{ name: 'A', value: '1' }]),
  limits: maybe({ cpu: '7' }),
  serviceAccountName: maybe('builder'),
  terminationGracePeriodSeconds: maybe(5),
  phase: maybe('Pending'),
});

type Of<T> = T extends fc.Arbitrary<infer V> ? V : never;

function podOf(one: Of<typeof read>, rest: Of<typeof unread>): Pod {
  const { name, annotations, containerName, phase, serviceAccountName, terminationGracePeriodSeconds } = rest;
  const { labels, namespace, owner, requests, image, hostPort, ...spec } = one;
  const container = {
    name: containerName,
    image,
    command: rest.command,
    env: rest.env,
    resources: { requests, limits: rest.limits },
    ports: [{ containerPort: 80, hostPort }],
  };
  const pod = pendingPod(name, undefined, {
    labels,
    namespace,
    ...(owner ? { owner } : {}),
    spec: { ...spec, serviceAccountName, terminationGracePeriodSeconds, containers: [container] } as Spec,
  });
  return { ...pod, metadata: { ...pod.metadata, annotations }, status: { phase } } as Pod;
}

/** The explanation of the pod in a cluster where every rule may reject it. Each call starts from nothing. */
function verdict(pod: Pod) {
  const index = new NodeIndex();
  const taints = [{ key: 'dedicated', value: 'db', effect: 'NoSchedule' as const }];
  index.setNode(readyNode('a', { cpu: '4' }, { labels: { zone: 'a', disk: 'ssd' }, images: [['app:2', 2 ** 29]] }));
  index.setNode(readyNode('b', { cpu: '4' }, { labels: { zone: 'b', disk: 'ssd' }, spec: { taints } }));
  index.setNode(readyNode('c', { cpu: '8' }, { labels: { zone: 'b' } }));
  const port = [{ containerPort: 80, hostPort: 80 }];
  index.setPod(onNode(pendingPod('x', { cpu: '2' }, { labels: { app: 'a' }, ports: port }), 'a'));
  index.setPod(onNode(pendingPod('y', { cpu: '1' }, { labels: { app: 'b' }, owner: 'rs' }), 'c'));
  return explain(pod, index, defaultPlugins);
}

const field = fc.constantFrom<keyof Of<typeof read>>(
  'namespace',
  'labels',
  'owner',
  'nodeSelector',
  'affinity',
  'tolerations',
  'topologySpreadConstraints',
  'requests',
  'image',
  'hostPort',
  'hostNetwork',
  'volumes',
);

describe('pods of equal key', () => {
  it('get equal verdicts', () => {
    fc.assert(
      fc.property(read, read, field, unread, unread, (one, other, changed, rest, otherRest) => {
        const a = podOf(one, rest);
        const b = podOf({ ...one, [changed]: other[changed] }, otherRest);
        if (shapeKey(a) === shapeKey(b)) expect(verdict(a)).toEqual(verdict(b));
      }),
      { numRuns: 300 },
    );
  });

  it('are those that are equal in all fields that scheduling reads, and have equal shapes', () => {
    fc.assert(
      fc.property(read, unread, unread, (one, rest, otherRest) => {
        const [a, b] = [podOf(one, rest), podOf(one, otherRest)];
        expect(shapeKey(a)).toBe(shapeKey(b));
        expect(shapeOf(a)).toEqual(shapeOf(b));
      }),
    );
  });
});
