import type { Cluster } from '../cluster.ts';
import { UsageError } from '../io.ts';
import { containerOf, podOf } from './pods.ts';
import { joinProcess } from './process.ts';

export interface JoinArgs {
  readonly pod: string;
  readonly container?: string;
  readonly stdin: boolean;
  readonly tty: boolean;
}

export async function exec(cluster: Cluster, args: JoinArgs, command: readonly string[]): Promise<void> {
  if (command.length === 0)
    throw new UsageError('you must specify at least one command for the container: … POD -- COMMAND');
  const { io } = cluster;
  const pod = await podOf(cluster, args.pod);
  const { name: container } = containerOf(pod, args.container, io);
  const tty = args.tty && terminalOr(cluster, args.stdin);
  await joinProcess(cluster, pod.metadata.name, { type: 'exec', container, command, stdin: args.stdin, tty });
}

export async function attach(cluster: Cluster, args: JoinArgs): Promise<void> {
  const { io } = cluster;
  const pod = await podOf(cluster, args.pod);
  const container = containerOf(pod, args.container, io);
  if (args.tty && !container.tty) {
    io.err(`error: Unable to use a TTY - container ${container.name} did not allocate one\n`);
  }
  const tty = container.tty === true && args.tty && terminalOr(cluster, args.stdin);
  if (tty) io.err("If you don't see a command prompt, try pressing enter.\n");
  await joinProcess(cluster, pod.metadata.name, { type: 'attach', container: container.name, stdin: args.stdin, tty });
}

/** A terminal needs one here as well; kubectl goes on without it, and says so. */
function terminalOr({ io }: Cluster, stdin: boolean): boolean {
  if (!stdin || io.console.interactive) return true;
  io.err('Unable to use a TTY - input is not a terminal or the right kind of file\n');
  return false;
}
