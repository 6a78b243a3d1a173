import { describe, expect, it } from 'vitest';
import { admitted, faults } from '../../../test/support/kind-rules.ts';
import type { HorizontalPodAutoscaler } from '../../generated/types.ts';
import { kindNamed } from '../index.ts';

const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };
const of = (more: object = {}) => ({ spec: { scaleTargetRef, maxReplicas: 5, ...more } });
const cpu = (target: object) => ({ type: 'Resource', resource: { name: 'cpu', target } });

describe('an autoscaler', () => {
  it('has a target of 80 percent CPU by default, and Kubernetes’ scaling policies when any is set', () => {
    const { spec } = admitted(
      'HorizontalPodAutoscaler',
      of({ behavior: { scaleDown: { selectPolicy: 'Min' } } }),
    ) as HorizontalPodAutoscaler;
    expect(spec).toMatchObject({
      minReplicas: 1,
      metrics: [cpu({ type: 'Utilization', averageUtilization: 80 })],
      behavior: {
        scaleUp: { stabilizationWindowSeconds: 0, selectPolicy: 'Max' },
        scaleDown: { selectPolicy: 'Min', policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }] },
      },
    });
  });

  it.each<[string, object, string[]]>([
    [
      'no target',
      { scaleTargetRef: {} },
      ['spec.scaleTargetRef.kind: Required value', 'spec.scaleTargetRef.name: Required value'],
    ],
    [
      'no pods at all',
      { maxReplicas: 0 },
      [
        'spec.maxReplicas: Invalid value: 0: must be greater than 0',
        'spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`',
      ],
    ],
    [
      'a figure of nothing',
      { metrics: [{ type: 'Pods' }] },
      ['spec.metrics[0].pods: Required value: must populate information for the given metric source'],
    ],
    [
      'a figure of two sorts',
      { metrics: [{ ...cpu({ type: 'Utilization', averageUtilization: 5 }), pods: {} }] },
      ['spec.metrics[0].pods: Forbidden: must populate the given metric source only'],
    ],
    [
      'two aims at once',
      { metrics: [cpu({ type: 'Utilization', averageUtilization: 5, averageValue: '1' })] },
      [
        'spec.metrics[0].resource.target.averageValue: Forbidden: may not set both a target raw value and a target utilization',
      ],
    ],
    [
      'no aim',
      { metrics: [cpu({ type: 'Value' })] },
      [
        'spec.metrics[0].resource.target.averageUtilization: Required value: must set either a target raw value or a target utilization',
      ],
    ],
    [
      'endless patience',
      { behavior: { scaleDown: { stabilizationWindowSeconds: 4000 } } },
      ['spec.behavior.scaleDown.stabilizationWindowSeconds: Invalid value: 4000: must be less than or equal to 3600'],
    ],
  ])('is refused with %s', (_what, more, expected) => {
    expect(faults('HorizontalPodAutoscaler', of(more))).toEqual(expected);
  });

  it('shows two figures and how many more there are', () => {
    const memory = {
      type: 'Resource',
      resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '1Gi' } },
    };
    const external = { type: 'External', external: { metric: { name: 'q' }, target: { type: 'Value', value: '5' } } };
    const object = {
      ...admitted(
        'HorizontalPodAutoscaler',
        of({ metrics: [cpu({ type: 'Utilization', averageUtilization: 60 }), memory, external] }),
      ),
      status: {
        currentMetrics: [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 20 } } }],
      },
    };
    const cells = kindNamed('HorizontalPodAutoscaler').columns.map((column) => column.value(object, 0));
    expect(cells.slice(1, 5)).toEqual(['Deployment/web', 'cpu: 20%/60%, memory: <unknown>/1Gi + 1 more...', '1', 5]);
  });
});
