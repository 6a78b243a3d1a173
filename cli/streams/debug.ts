import type { Container, EphemeralContainer, Pod } from '../../shared/generated/types.ts';
import type { Cluster } from '../cluster.ts';
import { containersOf, podOf } from './pods.ts';
import { attachWhenRunning } from './run.ts';

export interface DebugArgs {
  readonly pod: string;
  readonly image: string;
  readonly imagePullPolicy?: 'Always' | 'IfNotPresent' | 'Never';
  readonly container?: string;
  readonly target?: string;
  readonly copyTo?: string;
  readonly shareProcesses: boolean;
  readonly stdin: boolean;
  readonly tty: boolean;
  readonly attach?: boolean;
  readonly podRunningTimeout: string;
}

/** Adds a debug container to a pod, or to a copy of it. */
export async function debug(cluster: Cluster, args: DebugArgs, words: readonly string[]): Promise<void> {
  const { io } = cluster;
  const pod = await podOf(cluster, args.pod);
  const container = args.container ?? nameFor(pod, io.random.bytes(8));
  if (!args.container) io.err(`Defaulting debug container name to ${container}.\n`);
  const added = {
    name: container,
    image: args.image,
    ...(args.imagePullPolicy ? { imagePullPolicy: args.imagePullPolicy } : {}),
    ...(words.length > 0 ? { command: [...words] } : {}),
    ...(args.stdin ? { stdin: true } : {}),
    ...(args.tty ? { tty: true } : {}),
    terminationMessagePolicy: 'File',
  } as const;
  const name = args.copyTo
    ? await copyOf(cluster, pod, args.copyTo, added, args.shareProcesses)
    : await addTo(cluster, pod, { ...added, ...(args.target ? { targetContainerName: args.target } : {}) });
  if (args.attach ?? args.stdin) await attachWhenRunning(cluster, name, { ...args, container });
}

async function addTo({ client, namespace }: Cluster, pod: Pod, added: EphemeralContainer): Promise<string> {
  const { name } = pod.metadata;
  const body = { spec: { ephemeralContainers: [added] } };
  await client.patch('Pod', name, { type: 'strategic', body }, { namespace, subresource: 'ephemeralcontainers' });
  return name;
}

/** As kubectl's copy: without node, probes, owner and labels. */
async function copyOf(
  { client, namespace }: Cluster,
  { spec }: Pod,
  name: string,
  added: Container,
  shareProcessNamespace: boolean,
): Promise<string> {
  const { nodeName: _node, ephemeralContainers: _ephemeral, containers, ...rest } = spec;
  const withoutProbes = containers.map(
    ({ livenessProbe: _live, readinessProbe: _ready, startupProbe: _start, ...container }) => container,
  );
  await client.create('Pod', {
    metadata: { name, namespace },
    spec: { ...rest, containers: [...withoutProbes, added], shareProcessNamespace },
  });
  return name;
}

function nameFor(pod: Pod, random: Uint8Array): string {
  const taken = new Set(containersOf(pod).map(({ name }) => name));
  const name = `debugger-${Buffer.from(random).toString('hex').slice(0, 5)}`;
  return taken.has(name) ? `${name}x` : name;
}
