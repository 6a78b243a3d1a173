import yargs, { type Argv } from 'yargs';
import { ApiError, messageOf } from '../shared/errors.ts';
import { ExitError, type Io, processIo } from './io.ts';
import { addPrograms } from './programs.ts';

/** The program as `bin/coracle` runs it: sets the exit code, and stops in order when it is told to. */
export async function runMain(): Promise<void> {
  const stop = new AbortController();
  let asked = 0;
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      // Whoever asks twice does not want to wait.
      if (asked++ > 0) process.exit(130);
      stop.abort(new Error(`stopped by ${name}`));
    });
  }
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // The reader of a pipe has seen enough.
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  process.exitCode = await main(process.argv.slice(2), processIo(stop.signal));
}

/** Runs one command; resolves with the exit code. Errors are one line. */
export async function main(args: readonly string[], io: Io): Promise<number> {
  try {
    // What follows -- is for a program in a container: none of it is ours to read.
    const end = args.indexOf('--');
    const [own, words] = end < 0 ? [args, []] : [args.slice(0, end), args.slice(end + 1)];
    // What runs for months does not hold what people type: it is a tenth of an agent's memory.
    const commands = longRunning.has(own[0] ?? '') ? undefined : await import('./commands/index.ts');
    const program = createProgram(io);
    commands?.addCommands(program, io, words);
    await program.parseAsync(withStandardInput(own), {}, (_error: unknown, _argv: unknown, output: string) => {
      if (output) io.out(`${output}\n`);
    });
    return 0;
  } catch (error) {
    if (io.signal.aborted) return 130;
    if (error instanceof ExitError) return error.code;
    io.err(`error: ${describeError(error)}\n`);
    return 1;
  }
}

/** The commands that are programs, which their machine runs all the time. */
const longRunning = new Set(['agent', 'server']);

function createProgram(io: Io): Argv {
  const program = yargs()
    .scriptName('coracle')
    .usage('$0 COMMAND\n\nA pod orchestrator for a few machines of your own.')
    .parserConfiguration({ 'boolean-negation': false, 'greedy-arrays': false })
    .strict()
    .demandCommand(1, 'no command given; `coracle --help` lists them')
    .recommendCommands()
    .version(false)
    .help()
    .alias('h', 'help')
    .wrap(100)
    .completion('completion', 'Print the shell completion script')
    .exitProcess(false)
    .check(refuseRepeated, true)
    .fail((message, error) => {
      throw error ?? new Error(message);
    });
  addPrograms(program, io);
  return program;
}

/** yargs takes a lone `-` for an argument of its own: `-f -` is written so that it stays the value. */
function withStandardInput(args: readonly string[]): string[] {
  return args.flatMap((arg, i) => {
    if (arg === '-' && isFilename(args[i - 1])) return [];
    return [isFilename(arg) && args[i + 1] === '-' ? '--filename=-' : arg];
  });
}

function isFilename(arg: string | undefined): boolean {
  return arg === '-f' || arg === '--filename';
}

/** The options and arguments that may have several values. */
const lists = new Set([
  '_',
  'resources',
  'nodes',
  'filename',
  'f',
  'ports',
  'env',
  'group',
  'as-group',
  'etcd-endpoints',
  'advertise-address',
  'allowed-unsafe-sysctls',
]);

function refuseRepeated(args: Record<string, unknown>): true {
  for (const [name, value] of Object.entries(args)) {
    const dashed = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    if (Array.isArray(value) && !lists.has(dashed)) throw new Error(`--${dashed} is given more than once`);
  }
  return true;
}

/** As kubectl says it: refusals of the server name their reason. One line. */
function describeError(error: unknown): string {
  const message = messageOf(error).replace(/\s*\n\s*/g, '; ');
  if (!(error instanceof ApiError)) return message;
  const { reason } = error;
  const away = reason === 'ServiceUnavailable' || reason === 'Timeout';
  return away ? `the server cannot be reached or is not ready: ${message}` : `${message} (${reason})`;
}
