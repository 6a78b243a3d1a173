import type { Container, ContainerStatus, Pod } from '../../shared/generated/types.ts';
import type { Cluster } from '../cluster.ts';
import { parseDuration } from '../duration.ts';
import { ExitError, UsageError } from '../io.ts';
import { until } from '../wait.ts';
import { attachProcess } from './process.ts';

export interface RunArgs {
  readonly name: string;
  readonly image: string;
  readonly stdin: boolean;
  readonly tty: boolean;
  readonly attach?: boolean;
  readonly rm: boolean;
  readonly restart: 'Always' | 'OnFailure' | 'Never';
  readonly env: readonly string[];
  readonly labels?: string;
  readonly port?: number;
  readonly command: boolean;
  readonly imagePullPolicy?: 'Always' | 'IfNotPresent' | 'Never';
  readonly podRunningTimeout: string;
}

/** Creates one pod and, with --attach, attaches to it until it ends, and exits with its exit code. */
export async function run(cluster: Cluster, args: RunArgs, words: readonly string[]): Promise<void> {
  const { client, namespace, io } = cluster;
  const attached = args.attach ?? (args.stdin || args.tty);
  if (args.rm && !attached) throw new UsageError('--rm should only be used for attached containers');
  const container: Container = {
    name: args.name,
    image: args.image,
    ...(words.length > 0 ? { [args.command ? 'command' : 'args']: [...words] } : {}),
    ...(args.env.length > 0 ? { env: args.env.map(variable) } : {}),
    ...(args.port === undefined ? {} : { ports: [{ containerPort: args.port }] }),
    ...(args.imagePullPolicy ? { imagePullPolicy: args.imagePullPolicy } : {}),
    ...(args.stdin ? { stdin: true, stdinOnce: attached } : {}),
    ...(args.tty ? { tty: true } : {}),
  };
  const labels = args.labels ? Object.fromEntries(args.labels.split(',').map(pair)) : { run: args.name };
  const metadata = { name: args.name, namespace, labels };
  await client.create('Pod', { metadata, spec: { containers: [container], restartPolicy: args.restart } });
  if (!attached) return io.out(`pod/${args.name} created\n`);
  try {
    await attachWhenRunning(cluster, args.name, { container: args.name, ...args });
    if (args.restart === 'Never') await exitLike(cluster, args.name);
  } finally {
    if (args.rm) {
      await client.delete('Pod', args.name, { namespace });
      io.err(`pod "${args.name}" deleted\n`);
    }
  }
}

/** Waits until the container runs, then attaches to it. Prints its log if it has ended by then. */
export async function attachWhenRunning(
  cluster: Cluster,
  name: string,
  {
    container,
    stdin,
    tty,
    podRunningTimeout,
  }: { container: string; stdin: boolean; tty: boolean; podRunningTimeout: string },
): Promise<void> {
  const { client, namespace, io } = cluster;
  const state = await until(
    io,
    parseDuration(podRunningTimeout),
    async () => {
      const pod = await client.get('Pod', name, namespace);
      const { running, terminated } = statusOf(pod, container)?.state ?? {};
      if (terminated) return 'ended';
      return running ? 'running' : undefined;
    },
    () => `container ${container} of pod ${name} to run`,
  );
  if (state === 'ended') {
    for await (const chunk of client.logs({ namespace, name }, { container }, io.signal)) {
      await io.console.write('stdout', chunk);
    }
    return;
  }
  const terminal = tty && io.console.interactive;
  if (tty && !terminal) io.err('Unable to use a TTY - input is not a terminal or the right kind of file\n');
  if (stdin) io.err("If you don't see a command prompt, try pressing enter.\n");
  await attachProcess(cluster, name, { type: 'attach', container, stdin, tty: terminal });
}

/** Exits with the exit code of the pod's container. */
async function exitLike({ client, namespace, io }: Cluster, name: string): Promise<void> {
  const ended = await until(
    io,
    parseDuration('1m'),
    async () => statusOf(await client.get('Pod', name, namespace), name)?.state?.terminated,
    () => `pod ${name} to end`,
  );
  if (ended.exitCode !== 0) throw new ExitError(ended.exitCode ?? 1);
}

function statusOf({ status }: Pod, container: string): ContainerStatus | undefined {
  const all = [...(status?.containerStatuses ?? []), ...(status?.ephemeralContainerStatuses ?? [])];
  return all.find(({ name }) => name === container);
}

function variable(text: string): { name: string; value: string } {
  const [name, value] = pair(text);
  return { name, value };
}

function pair(text: string): [string, string] {
  const equals = text.indexOf('=');
  if (equals <= 0) throw new UsageError(`"${text}" is not NAME=VALUE`);
  return [text.slice(0, equals), text.slice(equals + 1)];
}
