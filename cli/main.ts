import yargs, { type Argv } from 'yargs';
import { ApiError, messageOf } from '../shared/errors.ts';
import { ExitError, type Io, processIo } from './io.ts';
import { programs } from './programs/index.ts';

/** The program of `bin/coracle`: sets the exit code, and shuts down in order after the first SIGINT or SIGTERM. */
export async function runMain(): Promise<void> {
  const stop = new AbortController();
  let signals = 0;
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      // A second signal ends the process at once.
      if (signals++ > 0) process.exit(130);
      stop.abort(new Error(`stopped by ${name}`));
    });
  }
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // The reader of the pipe has closed it.
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  process.exitCode = await main(process.argv.slice(2), processIo(stop.signal));
}

/** Runs one command; resolves with the exit code. Errors are one line. */
export async function main(args: readonly string[], io: Io): Promise<number> {
  try {
    // The words after -- are for a program in a container and are not parsed.
    const end = args.indexOf('--');
    const [own, words] = end < 0 ? [args, []] : [args.slice(0, end), args.slice(end + 1)];
    const { commands } = Object.hasOwn(programs, own[0] ?? '') ? { commands: [] } : await import('./commands/index.ts');
    const program = createProgram();
    for (const add of [...Object.values(programs), ...commands]) add(program, { io, words });
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

function createProgram(): Argv {
  return yargs()
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
}

/** yargs reads a lone `-` as an argument: `-f -` is rewritten so that it is the value of the option. */
function withStandardInput(args: readonly string[]): string[] {
  return args.flatMap((arg, i) => {
    if (arg === '-' && isFilename(args[i - 1])) return [];
    return [isFilename(arg) && args[i + 1] === '-' ? '--filename=-' : arg];
  });
}

function isFilename(arg: string | undefined): boolean {
  return arg === '-f' || arg === '--filename';
}

/** Only options and arguments that are declared as arrays may have several values. `options`: as yargs passes its own to a check. */
function refuseRepeated(args: Record<string, unknown>, options: Record<string, unknown>): true {
  const arrays = new Set(['_', ...(options.array as string[])]);
  for (const [name, value] of Object.entries(args)) {
    const dashed = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    if (Array.isArray(value) && !arrays.has(name) && !arrays.has(dashed)) {
      throw new Error(`--${dashed} is given more than once`);
    }
  }
  return true;
}

/** One line, as kubectl prints it: errors of the server with their reason. */
function describeError(error: unknown): string {
  const message = messageOf(error).replace(/\s*\n\s*/g, '; ');
  if (!(error instanceof ApiError)) return message;
  const { reason } = error;
  const unavailable = reason === 'ServiceUnavailable' || reason === 'Timeout';
  return unavailable ? `the server cannot be reached or is not ready: ${message}` : `${message} (${reason})`;
}
