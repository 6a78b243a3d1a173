import type {
  MetricSpec,
  MetricStatus,
  MetricTarget,
  MetricValueStatus,
  Pod,
  PodMetrics,
} from '../../../shared/generated/types.ts';
import { milliValue, quantityOfMillis } from '../../../shared/quantity.ts';
import { MetricFault, type Proposal, replicasByAverage, replicasByUtilization, type Usage } from './replicas.ts';

/** What one metric says. */
export type MetricResult =
  | {
      readonly replicas: number;
      /** For people: `cpu resource utilization (percentage of request)`. */
      readonly name: string;
      readonly status: MetricStatus;
    }
  /** `reason`: of the event and the condition. `message`: why. `first`: the same in the message about all metrics. */
  | { readonly reason: string; readonly message: string; readonly first: string };

export interface MetricInput {
  readonly pods: readonly Pod[];
  /** The pods' metrics, or why there are none. */
  readonly metrics: readonly PodMetrics[] | MetricFault;
  readonly currentReplicas: number;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** Whether some metric is of metrics.k8s.io. */
export function needsUsage(specs: readonly MetricSpec[]): boolean {
  return specs.some(({ resource, containerResource }) => resource !== undefined || containerResource !== undefined);
}

/** The replicas by one metric. Object, Pods and External metrics have no adapter that serves them. */
export function evaluate(spec: MetricSpec, input: MetricInput): MetricResult {
  const { type, resource, containerResource, object, pods, external } = spec;
  switch (type) {
    case 'Resource':
      return byResource('Resource', resource ?? {}, input);
    case 'ContainerResource':
      return byResource('ContainerResource', containerResource ?? {}, input);
    case 'Object':
      return unserved('FailedGetObjectMetric', 'object', object?.metric?.name, 'custom');
    case 'Pods':
      return unserved('FailedGetPodsMetric', 'pods', pods?.metric?.name, 'custom');
    case 'External':
      return unserved('FailedGetExternalMetric', 'external', external?.metric?.name, 'external');
    default: {
      const message = `unknown metric source type ${JSON.stringify(type ?? '')}`;
      return { reason: 'InvalidMetricSourceType', message, first: message };
    }
  }
}

function unserved(reason: string, what: string, name: string | undefined, api: string): MetricResult {
  const message = `unable to get metric ${name}: no adapter serves ${api}.metrics.k8s.io in this cluster`;
  return { reason, message, first: `failed to get ${what} metric value: ${message}` };
}

interface Source {
  readonly name?: string;
  readonly container?: string;
  readonly target?: MetricTarget;
}

function byResource(type: 'Resource' | 'ContainerResource', source: Source, input: MetricInput): MetricResult {
  const { name = '', container, target = {} } = source;
  const byValue = target.averageValue !== undefined;
  try {
    const proposal = proposalOf(source, input);
    const current: MetricValueStatus = {
      ...(proposal.utilization === undefined ? {} : { averageUtilization: proposal.utilization }),
      averageValue: quantityOfMillis(proposal.averageMillis),
    };
    const what = type === 'ContainerResource' ? 'container resource' : 'resource';
    return {
      replicas: proposal.replicas,
      name: byValue ? `${name} ${what}` : `${name} ${what} utilization (percentage of request)`,
      status:
        type === 'Resource'
          ? { type, resource: { name, current } }
          : { type, containerResource: { name, container, current } },
    } as MetricResult;
  } catch (error) {
    if (!(error instanceof MetricFault)) throw error;
    const message = `failed to get ${name} ${byValue ? 'usage' : 'utilization'}: ${error.message}`;
    const first =
      type === 'Resource'
        ? `failed to get ${name} resource metric value: ${message}`
        : `failed to get ${container} container metric value: ${message}`;
    return {
      reason: type === 'Resource' ? 'FailedGetResourceMetric' : 'FailedGetContainerResourceMetric',
      message,
      first,
    };
  }
}

function proposalOf({ name = '', container, target = {} }: Source, input: MetricInput): Proposal {
  const { metrics, ...rest } = input;
  if (metrics instanceof MetricFault) {
    throw new MetricFault(`unable to get metrics for resource ${name}: ${metrics.message}`);
  }
  const usage: Usage = { ...rest, metrics, resource: name, container };
  if (target.averageValue !== undefined) return replicasByAverage(usage, milliValue(target.averageValue));
  if (target.averageUtilization !== undefined) return replicasByUtilization(usage, target.averageUtilization);
  throw new MetricFault(
    'invalid resource metric source: neither an average utilization target nor an average value (usage) target was set',
  );
}
