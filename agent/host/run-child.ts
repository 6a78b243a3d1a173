import { spawn } from 'node:child_process';

export interface ChildOptions {
  /** Milliseconds; a child that takes longer is killed. */
  readonly limitMs: number;
  /** Characters of its standard output that are kept; absent: none. */
  readonly maxOutput?: number;
  /** Its standard input; absent: empty. */
  readonly input?: string | undefined;
  /** A descriptor of this process that the child gets as number 3. */
  readonly inherited?: number;
  /** Kills the child when it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

export interface ChildEnd {
  /** Null when it was killed. */
  readonly code: number | null;
  readonly output: string;
  /** The beginning of its standard error. */
  readonly errorOutput: string;
}

const maxErrorOutput = 1_000;

/**
 * Runs a program without a shell. Rejects when it cannot be started; when `signal` is aborted, with its reason and once the child has
 * ended.
 */
export function runChild(command: string, args: readonly string[], options: ChildOptions): Promise<ChildEnd> {
  const { limitMs, maxOutput = 0, input, inherited, signal } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const child = spawn(command, args, {
      stdio: [
        input === undefined ? 'ignore' : 'pipe',
        maxOutput > 0 ? 'pipe' : 'ignore',
        'pipe',
        ...(inherited === undefined ? [] : [inherited]),
      ],
      timeout: limitMs,
      killSignal: 'SIGKILL',
    });
    const kill = () => void child.kill('SIGKILL');
    signal?.addEventListener('abort', kill, { once: true });
    const output = collect(child.stdout, maxOutput);
    const errorOutput = collect(child.stderr, maxErrorOutput);
    child.once('error', (error) => {
      signal?.removeEventListener('abort', kill);
      reject(error);
    });
    child.once('close', (code) => {
      signal?.removeEventListener('abort', kill);
      if (code === null && signal?.aborted) return reject(signal.reason);
      resolve({ code, output: output(), errorOutput: errorOutput().trim() });
    });
    // A child that ends before it has read its input says why itself.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}

function collect(stream: NodeJS.ReadableStream | null, maxChars: number): () => string {
  let text = '';
  stream?.setEncoding('utf8');
  stream?.on('data', (part: string) => {
    if (text.length < maxChars) text += part;
  });
  return () => text;
}
