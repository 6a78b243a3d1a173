import { formatTime } from '../../../../shared/clock.ts';
import type { Node, NodeMetrics, Pod, PodMetrics } from '../../../../shared/generated/types.ts';
import { formatGoDuration } from '../../../../shared/go-duration.ts';
import { kindNamed } from '../../../../shared/kinds/index.ts';
import { formatQuantity, quantityOf } from '../../../../shared/quantity.ts';
import type { LatestUsage, Usage } from '../../../../shared/session.ts';
import type { Core } from '../../requests/core.ts';
import { notFound } from '../../requests/refusals.ts';
import type { KindHandlers } from '../../requests/unstored.ts';

/** The latest usage of `nodes` (all of them, if none is named) and their pods, by node. Never rejects. */
export type UsageSource = (nodes: readonly string[], signal: AbortSignal) => Promise<ReadonlyMap<string, LatestUsage>>;

/**
 * metrics.k8s.io, as metrics-server answers it; nothing is stored. A list leaves out objects that have not been measured, and a get
 * of one is NotFound. A node's report counts only for the node itself and the pods that are bound to it.
 */
export function usageHandlers(source: UsageSource): KindHandlers {
  return {
    NodeMetrics: {
      async list({ core, context: { signal } }) {
        const usage = await source([], signal);
        return present(core.cache.list('Node').map((node) => nodeMetrics(core, node, usage)));
      },
      async get({ core, context: { signal }, name }) {
        const node = core.cached(kindNamed('Node'), undefined, name)?.object as Node | undefined;
        if (!node) throw notFound(kindNamed('Node'), name);
        return nodeMetrics(core, node, await source([name], signal)) ?? unmeasured('nodemetrics', name);
      },
    },
    PodMetrics: {
      async list({ core, context: { signal }, namespace }) {
        const usage = await source([], signal);
        return present(core.cache.list('Pod', namespace).map((pod) => podMetrics(core, pod, usage)));
      },
      async get({ core, context: { signal }, name, namespace }) {
        const pod = core.cached(kindNamed('Pod'), namespace, name)?.object as Pod | undefined;
        if (!pod) throw notFound(kindNamed('Pod'), name);
        const { nodeName } = pod.spec;
        const usage = nodeName ? await source([nodeName], signal) : new Map<string, LatestUsage>();
        return podMetrics(core, pod, usage) ?? unmeasured('podmetrics', `${namespace}/${name}`);
      },
    },
  };
}

type Latest = ReadonlyMap<string, LatestUsage>;

function nodeMetrics(core: Core, { metadata }: Node, latest: Latest): NodeMetrics | undefined {
  const report = latest.get(metadata.name);
  if (!report || report.node.windowMs <= 0) return undefined;
  return {
    apiVersion,
    kind: 'NodeMetrics',
    ...measured(core, metadata, report.at, report.node.windowMs),
    usage: amounts(report.node),
  } as NodeMetrics;
}

/** Only a pod all of whose running containers were measured: half of it would look like a pod that does little. */
function podMetrics(core: Core, pod: Pod, latest: Latest): PodMetrics | undefined {
  const { metadata, spec, status } = pod;
  if (status?.phase !== 'Running' || !spec.nodeName) return undefined;
  const report = latest.get(spec.nodeName);
  const usage = report?.pods.get(metadata.uid);
  if (!report || !usage || usage.containers.length === 0) return undefined;
  return {
    apiVersion,
    kind: 'PodMetrics',
    ...measured(core, metadata, report.at, usage.windowMs),
    containers: usage.containers.map((container) => ({ name: container.name, usage: amounts(container) })),
  } as PodMetrics;
}

/** What both kinds have in common; `creationTimestamp` is the moment of the answer, as metrics-server has it. */
function measured(core: Core, { name, namespace, labels }: Pod['metadata'], at: number, windowMs: number) {
  return {
    metadata: {
      name,
      ...(namespace ? { namespace } : {}),
      creationTimestamp: formatTime(core.clock.now()),
      ...(labels ? { labels } : {}),
    },
    timestamp: formatTime(at),
    window: formatGoDuration(windowMs * 1e6),
  };
}

function amounts({ cpuNanoCores, memoryBytes }: Usage): Record<string, string> {
  return {
    cpu: formatQuantity({ nanos: BigInt(Math.round(cpuNanoCores)), format: 'DecimalSI' }),
    memory: quantityOf(memoryBytes, 'BinarySI'),
  };
}

const apiVersion = 'metrics.k8s.io/v1beta1';

function present<T>(found: ReadonlyArray<T | undefined>): T[] {
  return found.filter((each) => each !== undefined);
}

function unmeasured(resource: string, name: string): never {
  throw notFound({ plural: resource, group: 'metrics.k8s.io' }, name);
}
