import { expect, it } from 'vitest';
import type { Pod } from './generated/types.ts';
import { podReferences } from './pod-references.ts';

function references(spec: object | undefined): { configMaps: string[]; secrets: string[] } {
  const { configMaps, secrets } = podReferences({ spec } as Pod);
  return { configMaps: [...configMaps], secrets: [...secrets] };
}

const none: { configMaps: string[]; secrets: string[] } = { configMaps: [], secrets: [] };
const env = [
  { name: 'PLAIN', value: 'x' },
  { name: 'FIELD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
  { name: 'A', valueFrom: { configMapKeyRef: { name: 'c1', key: 'k', optional: true } } },
  { name: 'B', valueFrom: { secretKeyRef: { name: 's1', key: 'k' } } },
];
const envFrom = [{ configMapRef: { name: 'c2' } }, { prefix: 'P_', secretRef: { name: 's2', optional: true } }];

it.each(['containers', 'initContainers', 'ephemeralContainers'])(
  'a pod names what the environment of its %s is from',
  (field) => {
    expect(references({ [field]: [{ name: 'a' }, { name: 'b', env, envFrom }] })).toEqual({
      configMaps: ['c1', 'c2'],
      secrets: ['s1', 's2'],
    });
  },
);

it.each<[string, object, Partial<typeof none>]>([
  ['a ConfigMap', { configMap: { name: 'c' } }, { configMaps: ['c'] }],
  ['a Secret', { secret: { secretName: 's' } }, { secrets: ['s'] }],
  ['a driver’s secret', { csi: { driver: 'd', nodePublishSecretRef: { name: 's' } } }, { secrets: ['s'] }],
  [
    'a projection of several',
    {
      projected: {
        sources: [
          { serviceAccountToken: { path: 't' } },
          { secret: { name: 's' } },
          { configMap: { name: 'c' } },
          { configMap: { name: 'd' } },
        ],
      },
    },
    { configMaps: ['c', 'd'], secrets: ['s'] },
  ],
  ['nothing', { emptyDir: {} }, {}],
  ['a projection of nothing', { projected: {} }, {}],
  ['a ConfigMap without a name', { configMap: {} }, {}],
])('a pod names what its volumes hold: %s', (_what, volume, expected) => {
  expect(
    references({
      containers: [],
      volumes: [
        { name: 'v', emptyDir: {} },
        { name: 'w', ...volume },
      ],
    }),
  ).toEqual({
    ...none,
    ...expected,
  });
});

it('a pod names its pull secrets, and each name once', () => {
  const pulls = { imagePullSecrets: [{ name: 's1' }, { name: 's9' }, {}], containers: [{ env }, { env }] };
  expect(references(pulls)).toEqual({ configMaps: ['c1'], secrets: ['s1', 's9'] });
  expect(references(undefined)).toEqual(none);
});
