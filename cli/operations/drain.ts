import { isApiError, messageOf } from '../../shared/errors.ts';
import type { Pod } from '../../shared/generated/types.ts';
import { keyOf } from '../../shared/object.ts';
import type { Cluster } from '../cluster.ts';
import { parseDuration } from '../duration.ts';
import { UsageError } from '../io.ts';
import { until } from '../wait.ts';
import { type DrainOptions, drainDecision } from './evictable.ts';

export async function setUnschedulable(
  { client, io }: Cluster,
  nodes: readonly string[],
  wanted: boolean,
): Promise<void> {
  for (const word of nodes) {
    const name = word.replace(/^nodes?\//, '');
    const { spec } = await client.get('Node', name);
    const done = wanted ? 'cordoned' : 'uncordoned';
    if ((spec?.unschedulable ?? false) === wanted) {
      io.out(`node/${name} already ${done}\n`);
      continue;
    }
    const body = { spec: { unschedulable: wanted ? true : null } };
    await client.patch('Node', name, { type: 'merge', body });
    io.out(`node/${name} ${done}\n`);
  }
}

/** Cordons the nodes, evicts their pods and waits until they are gone. Throws UsageError with all reasons before the first eviction. */
export async function drain(
  cluster: Cluster,
  args: DrainOptions & { nodes: string[]; gracePeriod?: number; timeout: string },
): Promise<void> {
  const { client, io } = cluster;
  const timeoutMs = parseDuration(args.timeout) || Number.POSITIVE_INFINITY;
  const end = io.clock.monotonic() + timeoutMs;
  await setUnschedulable(cluster, args.nodes, true);
  for (const word of args.nodes) {
    const node = word.replace(/^nodes?\//, '');
    const { items } = await client.list('Pod', { fieldSelector: `spec.nodeName=${node}` });
    const decisions = items.map((pod) => ({ pod, decision: drainDecision(pod, args) }));
    const refusals = decisions.flatMap(({ pod, decision }) =>
      'refuse' in decision ? [`${keyOf(pod)}: ${decision.refuse}`] : [],
    );
    if (refusals.length > 0) throw new UsageError(`cannot drain node "${node}": ${refusals.join('; ')}`);
    const evicted = decisions.filter(({ decision }) => 'evict' in decision && decision.evict).map(({ pod }) => pod);
    for (const pod of evicted) await evict(cluster, pod, args.gracePeriod, end);
    await waitForPods(cluster, evicted, end);
    io.out(`node/${node} drained\n`);
  }
}

async function evict({ client, io }: Cluster, pod: Pod, gracePeriod: number | undefined, end: number): Promise<void> {
  io.out(`evicting pod ${keyOf(pod)}\n`);
  const options = gracePeriod === undefined ? {} : { gracePeriodSeconds: gracePeriod };
  await until(
    io,
    Math.max(0, end - io.clock.monotonic()),
    async () => {
      try {
        await client.evict(pod, options);
        return true;
      } catch (error) {
        // Deleted, or replaced by another pod of the same name.
        if (isApiError(error, 'NotFound', 'Conflict')) return true;
        if (!isApiError(error, 'TooManyRequests')) throw error;
        io.err(`cannot evict ${keyOf(pod)} yet: ${messageOf(error)}\n`);
        return undefined;
      }
    },
    () => `pod ${keyOf(pod)} to be evicted`,
  );
}

async function waitForPods({ client, io }: Cluster, pods: readonly Pod[], end: number): Promise<void> {
  const left = new Map(pods.map((pod) => [keyOf(pod), pod]));
  await until(
    io,
    Math.max(0, end - io.clock.monotonic()),
    async () => {
      for (const [key, pod] of left) {
        const { name, namespace, uid } = pod.metadata;
        const gone = await client.get('Pod', name, namespace).then(
          (found) => found.metadata.uid !== uid,
          (error: unknown) => {
            if (isApiError(error, 'NotFound')) return true;
            throw error;
          },
        );
        if (!gone) continue;
        left.delete(key);
        io.out(`pod/${name} evicted${io.terminal && left.size > 0 ? ` (${left.size} to go)` : ''}\n`);
      }
      return left.size === 0 ? true : undefined;
    },
    () => `pods to be gone: ${[...left.keys()].join(', ')}`,
  );
}
