import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arbitraryObject } from '../../test/support/arbitrary-objects.ts';
import type { KubeObject } from '../object.ts';
import { autoscalingV1 } from './autoscaling/autoscaling-v1.ts';
import { kindNamed, servedKinds } from './index.ts';
import type { KindDef } from './kind.ts';

const secondVersions = servedKinds.flatMap((def) => {
  return def.conversion ? [[def.typeName, def, def.conversion] as const] : [];
});

/** Objects as they may be stored. */
function arbitraryStored(def: KindDef): fc.Arbitrary<KubeObject> {
  if (def.kind !== 'HorizontalPodAutoscaler') return arbitraryObject(def.stored);
  return fc
    .record({
      metrics: fc.array(metric, { minLength: 1, maxLength: 4 }),
      current: fc.array(metricStatus, { maxLength: 3 }),
    })
    .chain(({ metrics, current }) =>
      arbitraryObject(def.stored).map((object) => {
        const { spec, status, ...head } = object as { spec?: object; status?: object } & KubeObject;
        const currentMetrics = current.length > 0 ? { currentMetrics: current } : {};
        const { currentMetrics: _current, ...rest } = { ...status } as Record<string, unknown>;
        return { ...head, spec: { ...spec, metrics }, status: { ...rest, ...currentMetrics } } as KubeObject;
      }),
    );
}

const share = fc.integer({ min: 1, max: 200 });
const amount = fc.integer({ min: 1, max: 900 }).map((units) => `${units}m`);
const name = fc.constantFrom('cpu', 'memory', 'requests');
const resourceTarget = fc.oneof(
  share.map((averageUtilization) => ({ type: 'Utilization', averageUtilization })),
  amount.map((averageValue) => ({ type: 'AverageValue', averageValue })),
);
const valueTarget = fc.oneof(
  amount.map((value) => ({ type: 'Value', value })),
  amount.map((averageValue) => ({ type: 'AverageValue', averageValue })),
);
const identifier = fc.oneof(
  name.map((one) => ({ name: one })),
  name.map((one) => ({ name: one, selector: { matchLabels: { a: 'b' } } })),
);
const reference = fc.constant({ apiVersion: 'v1', kind: 'Service', name: 'web' });

const metric = fc.oneof(
  fc.record({ type: fc.constant('Resource'), resource: fc.record({ name, target: resourceTarget }) }),
  fc.record({
    type: fc.constant('ContainerResource'),
    containerResource: fc.record({ name, container: fc.constant('app'), target: resourceTarget }),
  }),
  fc.record({
    type: fc.constant('Pods'),
    pods: fc.record({
      metric: identifier,
      target: amount.map((averageValue) => ({ type: 'AverageValue', averageValue })),
    }),
  }),
  fc.record({
    type: fc.constant('Object'),
    object: fc.record({ describedObject: reference, metric: identifier, target: valueTarget }),
  }),
  fc.record({ type: fc.constant('External'), external: fc.record({ metric: identifier, target: valueTarget }) }),
);

const metricStatus = fc.oneof(
  fc.record({
    type: fc.constant('Resource'),
    resource: fc.record({ name, current: fc.record({ averageUtilization: share, averageValue: amount }) }),
  }),
  fc.record({
    type: fc.constant('External'),
    external: fc.record({ metric: identifier, current: fc.record({ value: amount }) }),
  }),
);

/** The order of an autoscaler's metrics has no meaning. */
function inOrder(object: KubeObject): KubeObject {
  const { spec, ...rest } = object as KubeObject & { spec?: { metrics?: object[] } };
  if (!spec?.metrics) return object;
  const metrics = spec.metrics.map((one) => JSON.stringify(sortKeys(one))).sort();
  return { ...rest, spec: { ...spec, metrics } } as KubeObject;
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, sortKeys(item)]),
  );
}

describe.each(secondVersions)('%s', (_name, def, conversion) => {
  it('keeps all stored data when it is served and written back', () => {
    fc.assert(
      fc.property(arbitraryStored(def), (object) => {
        const back = conversion.toStored(conversion.fromStored(object));
        expect(inOrder(back)).toMatchObject(inOrder(object));
      }),
      { numRuns: 200 },
    );
  });

  it('serves objects that it would accept itself', () => {
    fc.assert(
      fc.property(arbitraryStored(def), (object) => {
        const served = conversion.fromStored(object);
        expect(def.schema.decode(served, { validation: 'Strict' }).object).toEqual(served);
      }),
    );
  });

  it('does not change its input, whatever it contains', () => {
    fc.assert(
      fc.property(arbitraryObject(def), arbitraryObject(def.stored), (served, stored) => {
        const before = structuredClone([served, stored]);
        conversion.toStored(served);
        conversion.fromStored(stored);
        expect([served, stored]).toEqual(before);
      }),
    );
  });

  it('selects by fields that both versions know', () => {
    for (const field of def.selectableFields) {
      expect(def.stored.selectableFields).toContain(conversion.fields?.[field] ?? field);
    }
  });
});

describe('an autoscaler of version 1', () => {
  const draft = (spec: object, annotations?: Record<string, string>): KubeObject => {
    const object = { apiVersion: 'autoscaling/v1', kind: 'HorizontalPodAutoscaler', metadata: { annotations }, spec };
    const stored = autoscalingV1.toStored(object as never);
    kindNamed('HorizontalPodAutoscaler').schema.applyDefaults(stored);
    return stored;
  };

  it('is stored with its CPU target as a figure', () => {
    expect(draft({ maxReplicas: 3, targetCPUUtilizationPercentage: 50 }).spec).toEqual({
      scaleTargetRef: {},
      minReplicas: 1,
      maxReplicas: 3,
      metrics: [
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } },
      ],
    });
  });

  it('has a target of 80 percent by default', () => {
    expect(draft({ maxReplicas: 3 }).spec).toMatchObject({
      metrics: [{ resource: { target: { averageUtilization: 80 } } }],
    });
  });

  it('keeps other figures in the annotation that Kubernetes keeps them in', () => {
    const figure = { type: 'Pods', pods: { metricName: 'requests', targetAverageValue: '10' } };
    const stored = draft({ maxReplicas: 3 }, { 'autoscaling.alpha.kubernetes.io/metrics': JSON.stringify([figure]) });
    expect(stored).toMatchObject({
      metadata: {},
      spec: {
        metrics: [
          {
            type: 'Pods',
            pods: { metric: { name: 'requests' }, target: { type: 'AverageValue', averageValue: '10' } },
          },
        ],
      },
    });
    expect(stored.metadata.annotations).toBeUndefined();
    expect(autoscalingV1.fromStored(stored as never).metadata.annotations).toEqual({
      'autoscaling.alpha.kubernetes.io/metrics': JSON.stringify([figure]),
    });
  });

  it('ignores annotations that are not JSON', () => {
    expect(draft({ maxReplicas: 3 }, { 'autoscaling.alpha.kubernetes.io/metrics': 'no' }).spec).toMatchObject({
      metrics: [{ type: 'Resource' }],
    });
  });
});
