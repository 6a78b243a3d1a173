import type {
  AutoscalingV1HorizontalPodAutoscaler,
  HorizontalPodAutoscaler,
  MetricSpec,
  MetricStatus,
  MetricTarget,
  MetricValueStatus,
} from '../../generated/types.ts';
import type { Conversion } from '../kind.ts';
import { defaultUtilization } from './horizontal-pod-autoscaler.ts';

/** Annotations with the fields that version 1 does not have, as JSON (Kubernetes, `autoscaling/v1`). */
const kept = {
  metrics: 'autoscaling.alpha.kubernetes.io/metrics',
  currentMetrics: 'autoscaling.alpha.kubernetes.io/current-metrics',
  conditions: 'autoscaling.alpha.kubernetes.io/conditions',
  behavior: 'autoscaling.alpha.kubernetes.io/behavior',
} as const;

/** autoscaling/v1: an autoscaler with a field for CPU utilization only; its other metrics are in annotations. */
export const autoscalingV1: Conversion<AutoscalingV1HorizontalPodAutoscaler, HorizontalPodAutoscaler> = {
  toStored(object) {
    const { apiVersion: _version, metadata, spec, status, ...head } = object;
    const { targetCPUUtilizationPercentage: percent, ...same } = spec ?? {};
    const annotations = metadata?.annotations ?? {};
    const cpu = percent === undefined ? [] : [busyCpu(percent)];
    const metrics = [...cpu, ...read<OldMetric>(annotations[kept.metrics]).map(newSpec)];
    const behavior = readOne(annotations[kept.behavior]);
    return {
      apiVersion: 'autoscaling/v2',
      ...head,
      metadata: metadata && withoutKept(metadata),
      ...(spec
        ? {
            spec: {
              ...same,
              metrics: metrics.length > 0 ? metrics : [busyCpu(defaultUtilization)],
              ...(behavior ? { behavior } : {}),
            },
          }
        : {}),
      ...(status ? { status: newStatus(status, annotations) } : {}),
    } as HorizontalPodAutoscaler;
  },

  fromStored(object) {
    const { apiVersion: _version, metadata, spec, status, ...head } = object;
    const { metrics = [], behavior, ...same } = spec ?? {};
    const { currentMetrics = [], conditions = [], ...known } = status ?? {};
    const at = metrics.findIndex(isBusyCpu);
    const others = metrics.filter((_metric, index) => index !== at);
    const percent = metrics[at]?.resource?.target?.averageUtilization;
    const now = currentMetrics.find(isCpuStatus)?.resource?.current?.averageUtilization;
    const annotations = {
      ...metadata?.annotations,
      ...(others.length > 0 ? { [kept.metrics]: JSON.stringify(others.map(oldSpec)) } : {}),
      ...(currentMetrics.length > 0 ? { [kept.currentMetrics]: JSON.stringify(currentMetrics.map(oldStatus)) } : {}),
      ...(conditions.length > 0 ? { [kept.conditions]: JSON.stringify(conditions) } : {}),
      ...(behavior ? { [kept.behavior]: JSON.stringify(behavior) } : {}),
    };
    return {
      apiVersion: 'autoscaling/v1',
      ...head,
      metadata: metadata && (Object.keys(annotations).length > 0 ? { ...metadata, annotations } : metadata),
      ...(spec
        ? { spec: { ...same, ...(percent === undefined ? {} : { targetCPUUtilizationPercentage: percent }) } }
        : {}),
      ...(status
        ? { status: { ...known, ...(now === undefined ? {} : { currentCPUUtilizationPercentage: now }) } }
        : {}),
    } as AutoscalingV1HorizontalPodAutoscaler;
  },
};

function busyCpu(percent: number): MetricSpec {
  return {
    type: 'Resource',
    resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: percent } },
  } as MetricSpec;
}

function isBusyCpu({ type, resource }: MetricSpec): boolean {
  return type === 'Resource' && resource?.name === 'cpu' && resource.target?.averageUtilization !== undefined;
}

function isCpuStatus({ type, resource }: MetricStatus): boolean {
  return type === 'Resource' && resource?.name === 'cpu' && resource.current?.averageUtilization !== undefined;
}

function newStatus(
  status: AutoscalingV1HorizontalPodAutoscaler['status'],
  annotations: Readonly<Record<string, string>>,
): HorizontalPodAutoscaler['status'] {
  const { currentCPUUtilizationPercentage: percent, ...same } = status ?? {};
  const converted = read<OldMetric>(annotations[kept.currentMetrics]).map(newMetricStatus);
  const cpu = percent === undefined ? [] : [busyNow(percent)];
  const currentMetrics = converted.length > 0 ? converted : cpu;
  const conditions = read<NonNullable<NonNullable<HorizontalPodAutoscaler['status']>['conditions']>[number]>(
    annotations[kept.conditions],
  );
  return {
    ...same,
    ...(currentMetrics.length > 0 ? { currentMetrics } : {}),
    ...(conditions.length > 0 ? { conditions } : {}),
  } as HorizontalPodAutoscaler['status'];
}

function busyNow(percent: number): MetricStatus {
  return { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: percent } } } as MetricStatus;
}

function withoutKept(metadata: HorizontalPodAutoscaler['metadata']): HorizontalPodAutoscaler['metadata'] {
  if (!metadata.annotations || Object.values(kept).every((key) => metadata.annotations?.[key] === undefined))
    return metadata;
  const { annotations, ...rest } = metadata;
  const others = Object.entries(annotations).filter(([key]) => !(Object.values(kept) as string[]).includes(key));
  return others.length > 0 ? { ...rest, annotations: Object.fromEntries(others) } : rest;
}

/** A metric of version 1: its targets and values are fields beside the name. */
type OldMetric = { readonly type?: string } & Readonly<Record<string, Readonly<Record<string, unknown>>>>;

type Json = Record<string, unknown>;

function oldSpec(metric: MetricSpec): Json {
  const { type, object, pods, resource, containerResource, external } = metric;
  return present({
    type,
    object: object && {
      target: object.describedObject,
      metricName: object.metric?.name,
      targetValue: object.target?.value ?? '0',
      selector: object.metric?.selector,
      averageValue: object.target?.averageValue,
    },
    pods: pods && {
      metricName: pods.metric?.name,
      selector: pods.metric?.selector,
      targetAverageValue: pods.target?.averageValue,
    },
    resource: resource && { name: resource.name, ...oldTarget(resource.target) },
    containerResource: containerResource && {
      name: containerResource.name,
      container: containerResource.container,
      ...oldTarget(containerResource.target),
    },
    external: external && {
      metricName: external.metric?.name,
      metricSelector: external.metric?.selector,
      targetValue: external.target?.value,
      targetAverageValue: external.target?.averageValue,
    },
  });
}

function newSpec({ type, object, pods, resource, containerResource, external }: OldMetric): MetricSpec {
  return present({
    type,
    object: object && {
      describedObject: object.target,
      metric: identifier(object.metricName, object.selector),
      target:
        object.averageValue === undefined
          ? { type: 'Value', value: object.targetValue }
          : present({
              type: 'AverageValue',
              averageValue: object.averageValue,
              value: object.targetValue === '0' ? undefined : object.targetValue,
            }),
    },
    pods: pods && {
      metric: identifier(pods.metricName, pods.selector),
      target: present({ type: 'AverageValue', averageValue: pods.targetAverageValue }),
    },
    resource: resource && { name: resource.name, target: newTarget(resource) },
    containerResource: containerResource && {
      name: containerResource.name,
      container: containerResource.container,
      target: newTarget(containerResource),
    },
    external: external && {
      metric: identifier(external.metricName, external.metricSelector),
      target: present({
        type: external.targetValue === undefined ? 'AverageValue' : 'Value',
        value: external.targetValue,
        averageValue: external.targetAverageValue,
      }),
    },
  }) as unknown as MetricSpec;
}

function oldTarget(target: MetricTarget | undefined): Json {
  return { targetAverageUtilization: target?.averageUtilization, targetAverageValue: target?.averageValue };
}

function newTarget({ targetAverageUtilization, targetAverageValue }: Json): Json {
  return present({
    type: targetAverageUtilization === undefined ? 'AverageValue' : 'Utilization',
    averageUtilization: targetAverageUtilization,
    averageValue: targetAverageValue,
  });
}

function oldStatus(metric: MetricStatus): Json {
  const { type, object, pods, resource, containerResource, external } = metric;
  return present({
    type,
    object: object && {
      target: object.describedObject,
      metricName: object.metric?.name,
      selector: object.metric?.selector,
      currentValue: object.current?.value ?? '0',
      averageValue: object.current?.averageValue,
    },
    pods: pods && {
      metricName: pods.metric?.name,
      selector: pods.metric?.selector,
      currentAverageValue: pods.current?.averageValue,
    },
    resource: resource && { name: resource.name, ...oldValue(resource.current) },
    containerResource: containerResource && {
      name: containerResource.name,
      container: containerResource.container,
      ...oldValue(containerResource.current),
    },
    external: external && {
      metricName: external.metric?.name,
      metricSelector: external.metric?.selector,
      currentValue: external.current?.value ?? '0',
      currentAverageValue: external.current?.averageValue,
    },
  });
}

function newMetricStatus({ type, object, pods, resource, containerResource, external }: OldMetric): MetricStatus {
  const value = (shown: unknown): unknown => (shown === '0' ? undefined : shown);
  return present({
    type,
    object: object && {
      describedObject: object.target,
      metric: identifier(object.metricName, object.selector),
      current: present({ value: value(object.currentValue), averageValue: object.averageValue }),
    },
    pods: pods && {
      metric: identifier(pods.metricName, pods.selector),
      current: present({ averageValue: pods.currentAverageValue }),
    },
    resource: resource && { name: resource.name, current: newValue(resource) },
    containerResource: containerResource && {
      name: containerResource.name,
      container: containerResource.container,
      current: newValue(containerResource),
    },
    external: external && {
      metric: identifier(external.metricName, external.metricSelector),
      current: present({ value: value(external.currentValue), averageValue: external.currentAverageValue }),
    },
  }) as unknown as MetricStatus;
}

function oldValue(current: MetricValueStatus | undefined): Json {
  return { currentAverageUtilization: current?.averageUtilization, currentAverageValue: current?.averageValue };
}

function newValue({ currentAverageUtilization, currentAverageValue }: Json): Json {
  return present({ averageUtilization: currentAverageUtilization, averageValue: currentAverageValue });
}

function identifier(name: unknown, selector: unknown): Json {
  return present({ name, selector });
}

/** Without fields that have no value. */
function present(value: Json): Json {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined));
}

/** The list in an annotation; empty when it cannot be read, so that a wrong annotation breaks no request. */
function read<T>(text: string | undefined): T[] {
  const value = parse(text);
  return Array.isArray(value) ? value.filter((item) => typeof item === 'object' && item !== null) : [];
}

function readOne(text: string | undefined): Json | undefined {
  const value = parse(text);
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
}

function parse(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (_notJson) {
    return undefined;
  }
}
