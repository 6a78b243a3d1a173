import { spawn } from 'node:child_process';

export interface RunOptions {
  /** Written to the command's standard input. */
  readonly input?: string;
  /** The command is killed after this many milliseconds. 30,000 when absent. */
  readonly timeoutMs?: number;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
}

export interface RunResult {
  readonly stdout: string;
  readonly stderr: string;
  /** -1 when a signal ended it. */
  readonly status: number;
}

/** A command that failed, with its arguments and output. */
export class CommandError extends Error {
  readonly result: RunResult;

  constructor(command: string, result: RunResult) {
    const said = (result.stderr.trim() || result.stdout.trim()).slice(-2000);
    super(`${command}: status ${result.status}${said === '' ? '' : `: ${said}`}`);
    this.name = 'CommandError';
    this.result = result;
  }
}

/** Runs a command without a shell. Resolves with its output; rejects with CommandError unless it exits with 0. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const result = await tryRun(command, args, options);
  if (result.status !== 0) throw new CommandError([command, ...args].join(' '), result);
  return result.stdout;
}

/** The same, for commands that may fail. Rejects only when the command cannot be started. */
export function tryRun(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: options.timeoutMs ?? 30_000,
      killSignal: 'SIGKILL',
      env: options.env === undefined ? process.env : { ...process.env, ...options.env },
      cwd: options.cwd,
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    // A command that does not read its input closes the pipe: that is no error.
    child.stdin.on('error', () => undefined);
    child.on('error', reject);
    child.on('close', (code) =>
      resolve({ stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString(), status: code ?? -1 }),
    );
    child.stdin.end(options.input ?? '');
  });
}
