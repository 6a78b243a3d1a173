import type {
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerSpec,
  HPAScalingRules,
  MetricSpec,
  MetricStatus,
  MetricTarget,
  MetricValueStatus,
} from '../../generated/types.ts';
import { isDnsSubdomain } from '../../schema/formats.ts';
import { ageColumn, count, nameColumn, text } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';
import { validateAutoscaler } from '../rules/autoscaler-validation.ts';

/** The default target: percent of the CPU that pods request. */
export const defaultUtilization = 80;
/** The most metrics in a row of kubectl's table. */
const maxShown = 2;

export const horizontalPodAutoscaler: Behaviour<HorizontalPodAutoscaler> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    text('Reference', 'The scaled object.', ({ spec: { scaleTargetRef: target } }) => {
      return `${target?.kind ?? ''}/${target?.name ?? ''}`;
    }),
    text('Targets', 'The current and target values of the metrics.', formatMetrics),
    text('MinPods', 'Minimum number of pods.', ({ spec }) => String(spec.minReplicas ?? '<unset>')),
    count('MaxPods', 'Maximum number of pods.', ({ spec }) => spec.maxReplicas ?? 0),
    count('Replicas', 'Current number of pods.', ({ status }) => status?.currentReplicas ?? 0),
    ageColumn as Column<HorizontalPodAutoscaler>,
  ],
  strategy: {
    generation: 'none',
    default({ spec }) {
      if (spec) defaultSpec(spec);
    },
    prepareCreate(object) {
      object.status = { desiredReplicas: 0 };
    },
    validate: validateAutoscaler,
  },
};

function defaultSpec(spec: HorizontalPodAutoscalerSpec): void {
  if (!spec.metrics?.length) {
    const target = { type: 'Utilization', averageUtilization: defaultUtilization };
    spec.metrics = [{ type: 'Resource', resource: { name: 'cpu', target } }];
  }
  const { scaleUp, scaleDown } = spec.behavior ?? {};
  if (!spec.behavior) return;
  spec.behavior = {
    scaleUp: withDefaults(scaleUp, {
      stabilizationWindowSeconds: 0,
      selectPolicy: 'Max',
      policies: [
        { type: 'Pods', value: 4, periodSeconds: 15 },
        { type: 'Percent', value: 100, periodSeconds: 15 },
      ],
    }),
    scaleDown: withDefaults(scaleDown, {
      selectPolicy: 'Max',
      policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }],
    }),
  };
}

function withDefaults(given: HPAScalingRules | undefined, defaults: HPAScalingRules): HPAScalingRules {
  const rules = { ...defaults, ...given };
  return given?.policies?.length ? rules : { ...rules, policies: defaults.policies };
}

/** `cpu: 20%/80%, 100/10 (avg)`: the value and the target of each metric. */
function formatMetrics({ spec, status }: HorizontalPodAutoscaler): string {
  const specs = spec.metrics ?? [];
  if (specs.length === 0) return '<none>';
  const shown = specs.slice(0, maxShown).map((metric, index) => formatMetric(metric, status?.currentMetrics?.[index]));
  const more = specs.length - maxShown;
  return `${shown.join(', ')}${more > 0 ? ` + ${more} more...` : ''}`;
}

function formatMetric(metric: MetricSpec, status: MetricStatus | undefined): string {
  const { type, external, pods, object, resource, containerResource } = metric;
  switch (type) {
    case 'External':
      return formatValue(external?.target, status?.external?.current);
    case 'Object':
      return formatValue(object?.target, status?.object?.current);
    case 'Pods':
      return `${status?.pods?.current?.averageValue ?? unknown}/${pods?.target?.averageValue ?? ''}`;
    case 'Resource':
      return formatResource(resource?.name, resource?.target, status?.resource?.current);
    case 'ContainerResource':
      return formatResource(containerResource?.name, containerResource?.target, status?.containerResource?.current);
    default:
      return '<unknown type>';
  }
}

const unknown = '<unknown>';

function formatValue(target: MetricTarget | undefined, current: MetricValueStatus | undefined): string {
  return target?.averageValue === undefined
    ? `${current?.value ?? unknown}/${target?.value ?? ''}`
    : `${current?.averageValue ?? unknown}/${target.averageValue} (avg)`;
}

function formatResource(
  name: string | undefined,
  target: MetricTarget | undefined,
  current: MetricValueStatus | undefined,
): string {
  const head = `${name ?? ''}: `;
  if (target?.averageValue !== undefined) {
    return `${head}${current?.averageValue ?? unknown}/${target.averageValue}`;
  }
  const share = (value: number | undefined, none: string): string => (value === undefined ? none : `${value}%`);
  return `${head}${share(current?.averageUtilization, unknown)}/${share(target?.averageUtilization, '<auto>')}`;
}
