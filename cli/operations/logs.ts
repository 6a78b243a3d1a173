import type { Pod } from '../../shared/generated/types.ts';
import { isPodReady } from '../../shared/pod.ts';
import { formatSelector, selectorOf } from '../../shared/selector.ts';
import type { Cluster } from '../cluster.ts';
import { parseDuration } from '../duration.ts';
import { UsageError } from '../io.ts';
import { parseResources } from '../resources.ts';

export interface LogsArgs {
  readonly pod: string;
  readonly container?: string;
  readonly follow: boolean;
  readonly previous: boolean;
  readonly tail?: number;
  readonly since?: string;
  readonly limitBytes?: number;
  readonly timestamps: boolean;
}

export async function showLogs(cluster: Cluster, args: LogsArgs): Promise<void> {
  const { client, namespace, io } = cluster;
  const name = await podOf(cluster, args.pod);
  const { container, follow, previous, timestamps, limitBytes } = args;
  const options = {
    ...{ container, follow, previous, timestamps, limitBytes },
    ...(args.tail === undefined || args.tail < 0 ? {} : { tailLines: args.tail }),
    ...(args.since ? { sinceSeconds: Math.ceil(parseDuration(args.since) / 1000) } : {}),
  };
  for await (const chunk of client.logs({ namespace, name }, options, io.signal)) io.out(chunk);
}

/** The pod named, or one of those that the object named selects. */
async function podOf({ client, namespace }: Cluster, word: string): Promise<string> {
  if (!word.includes('/')) return word;
  const [{ def, name } = { def: undefined, name: undefined }] = parseResources([word]);
  if (!def || !name) throw new UsageError(`"${word}" is not KIND/NAME`);
  if (def.kind === 'Pod') return name;
  if (def.kind !== 'Deployment' && def.kind !== 'ReplicaSet') {
    throw new UsageError(`a ${def.kind} has no log: name a pod, deploy/NAME or rs/NAME`);
  }
  const { spec } = await client.get(def.kind, name, namespace);
  const labelSelector = formatSelector(selectorOf(spec.selector));
  const { items } = await client.list('Pod', { namespace, labelSelector });
  const best = [...items].sort((a: Pod, b: Pod) => Number(isPodReady(b)) - Number(isPodReady(a)))[0];
  if (!best) throw new UsageError(`${word} has no pods`);
  return best.metadata.name;
}
