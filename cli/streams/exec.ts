import type { Cluster } from '../cluster.ts';
import { UsageError } from '../io.ts';
import { containerOf, podOf } from './pods.ts';
import { attachProcess } from './process.ts';

export interface ExecArgs {
  readonly pod: string;
  readonly container?: string;
  readonly stdin: boolean;
  readonly tty: boolean;
}

export async function exec(cluster: Cluster, args: ExecArgs, command: readonly string[]): Promise<void> {
  if (command.length === 0)
    throw new UsageError('you must specify at least one command for the container: … POD -- COMMAND');
  const { io } = cluster;
  const pod = await podOf(cluster, args.pod);
  const { name: container } = containerOf(pod, args.container, io);
  const tty = args.tty && useTerminal(cluster, args.stdin);
  await attachProcess(cluster, pod.metadata.name, { type: 'exec', container, command, stdin: args.stdin, tty });
}

export async function attach(cluster: Cluster, args: ExecArgs): Promise<void> {
  const { io } = cluster;
  const pod = await podOf(cluster, args.pod);
  const container = containerOf(pod, args.container, io);
  if (args.tty && !container.tty) {
    io.err(`error: Unable to use a TTY - container ${container.name} did not allocate one\n`);
  }
  const tty = container.tty === true && args.tty && useTerminal(cluster, args.stdin);
  if (tty) io.err("If you don't see a command prompt, try pressing enter.\n");
  await attachProcess(cluster, pod.metadata.name, {
    type: 'attach',
    container: container.name,
    stdin: args.stdin,
    tty,
  });
}

/** Whether a terminal can be used. Without a local one, kubectl prints this message and goes on without it. */
function useTerminal({ io }: Cluster, stdin: boolean): boolean {
  if (!stdin || io.console.interactive) return true;
  io.err('Unable to use a TTY - input is not a terminal or the right kind of file\n');
  return false;
}
