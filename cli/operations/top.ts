import { isApiError } from '../../shared/errors.ts';
import type { ContainerMetrics, NodeMetrics, PodMetrics } from '../../shared/generated/types.ts';
import { intValue, milliValue } from '../../shared/quantity.ts';
import type { Cluster } from '../cluster.ts';
import { UsageError } from '../io.ts';
import { renderTable } from '../render/table.ts';

export interface TopArgs {
  readonly name?: string;
  readonly selector?: string;
  readonly sortBy?: 'cpu' | 'memory';
  readonly noHeaders: boolean;
}

export interface TopPodsArgs extends TopArgs {
  readonly allNamespaces: boolean;
  readonly containers: boolean;
  readonly sum: boolean;
}

/** cpu in thousandths of a core, memory in bytes. */
interface Used {
  readonly cpu: number;
  readonly memory: number;
}

/** As `kubectl top nodes` prints. */
export async function topNodes({ client, io }: Cluster, args: TopArgs): Promise<void> {
  const [metrics, { items: nodes }] = await Promise.all([
    args.name
      ? client.get('NodeMetrics', args.name).then((one) => [one])
      : client.list('NodeMetrics', { labelSelector: args.selector }).then(({ items }) => items),
    client.list('Node', {}),
  ]);
  if (metrics.length === 0) throw new UsageError('metrics not available yet');
  const has = new Map(nodes.map(({ metadata, status }) => [metadata.name, status?.allocatable ?? {}]));
  const rows = sorted(metrics, ({ usage }) => usedOf(usage), args.sortBy).map((node: NodeMetrics) => {
    const used = usedOf(node.usage);
    const { cpu, memory } = has.get(node.metadata.name) ?? {};
    return [
      node.metadata.name,
      cores(used),
      percent(used.cpu, cpu === undefined ? 0 : milliValue(cpu)),
      bytes(used),
      percent(used.memory, memory === undefined ? 0 : intValue(memory)),
    ];
  });
  const headers = ['NAME', 'CPU(cores)', 'CPU(%)', 'MEMORY(bytes)', 'MEMORY(%)'];
  io.out(renderTable(args.noHeaders ? [] : headers, rows));
}

/** As `kubectl top pods` prints. */
export async function topPods({ client, namespace, io }: Cluster, args: TopPodsArgs): Promise<void> {
  const place = args.allNamespaces ? undefined : namespace;
  const pods = args.name ? [await onePod(client, args.name, namespace)] : await podsOf(client, place, args.selector);
  if (pods.length === 0) {
    io.err(place ? `No resources found in ${place} namespace.\n` : 'No resources found\n');
    return;
  }
  const where = (pod: PodMetrics): string[] => (args.allNamespaces ? [pod.metadata.namespace ?? ''] : []);
  const shown = sorted(pods, usedByPod, args.sortBy);
  const rows = args.containers
    ? shown.flatMap((pod) =>
        sorted(pod.containers, ({ usage }) => usedOf(usage), args.sortBy).map(({ name, usage }: ContainerMetrics) => {
          const used = usedOf(usage);
          return [...where(pod), pod.metadata.name, name, cores(used), bytes(used)];
        }),
      )
    : shown.map((pod) => [...where(pod), pod.metadata.name, cores(usedByPod(pod)), bytes(usedByPod(pod))]);
  if (args.sum) {
    const all = total(pods.map(usedByPod));
    const blank = Array<string>((args.allNamespaces ? 1 : 0) + (args.containers ? 2 : 1)).fill('');
    rows.push([...blank, '________', '________'], [...blank, cores(all), bytes(all)]);
  }
  const names = args.containers ? ['POD', 'NAME'] : ['NAME'];
  const headers = [...(args.allNamespaces ? ['NAMESPACE'] : []), ...names, 'CPU(cores)', 'MEMORY(bytes)'];
  io.out(renderTable(args.noHeaders ? [] : headers, rows));
}

async function onePod(client: Cluster['client'], name: string, namespace: string): Promise<PodMetrics> {
  try {
    return await client.get('PodMetrics', name, namespace);
  } catch (error) {
    if (!isApiError(error, 'NotFound')) throw error;
    // A pod without metrics gets another message than one that does not exist.
    await client.get('Pod', name, namespace);
    throw new UsageError(`metrics not available for pod ${namespace}/${name}`);
  }
}

async function podsOf(
  client: Cluster['client'],
  namespace: string | undefined,
  labelSelector: string | undefined,
): Promise<PodMetrics[]> {
  return [...(await client.list('PodMetrics', { namespace, labelSelector })).items];
}

function usedByPod({ containers }: PodMetrics): Used {
  return total(containers.map(({ usage }) => usedOf(usage)));
}

function usedOf(usage: Readonly<Record<string, string>>): Used {
  return { cpu: milliValue(usage.cpu ?? '0'), memory: intValue(usage.memory ?? '0') };
}

function total(all: readonly Used[]): Used {
  return all.reduce((sum, { cpu, memory }) => ({ cpu: sum.cpu + cpu, memory: sum.memory + memory }), {
    cpu: 0,
    memory: 0,
  });
}

/** In the given order, or by usage, the largest first. */
function sorted<T>(items: readonly T[], used: (item: T) => Used, by: TopArgs['sortBy']): T[] {
  return by ? items.toSorted((a, b) => used(b)[by] - used(a)[by]) : [...items];
}

function cores({ cpu }: Used): string {
  return `${cpu}m`;
}

function bytes({ memory }: Used): string {
  return `${Math.floor(memory / 2 ** 20)}Mi`;
}

function percent(used: number, of: number): string {
  return of > 0 ? `${Math.floor((used / of) * 100)}%` : '<unknown>';
}
