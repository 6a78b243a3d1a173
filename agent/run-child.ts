import { spawn } from 'node:child_process';

export interface ChildOptions {
  /** Milliseconds; a child that takes longer is killed. */
  readonly limitMs: number;
  /** What is kept of its standard output, in characters; absent: nothing. */
  readonly maxOutput?: number;
  /** A descriptor of this process that the child gets as number 3. */
  readonly inherited?: number;
  readonly signal?: AbortSignal;
}

export interface ChildEnd {
  /** Null when it was killed. */
  readonly code: number | null;
  readonly output: string;
  /** The beginning of its standard error. */
  readonly words: string;
}

const maxWords = 1_000;

/** Runs a program without a shell and without input. Rejects when it cannot be started, and when `signal` is aborted. */
export function runChild(
  command: string,
  args: readonly string[],
  { limitMs, maxOutput = 0, inherited, signal }: ChildOptions,
): Promise<ChildEnd> {
  return new Promise((resolve, reject) => {
    const more = inherited === undefined ? [] : [inherited];
    const child = spawn(command, args, {
      stdio: ['ignore', maxOutput > 0 ? 'pipe' : 'ignore', 'pipe', ...more],
      timeout: limitMs,
      killSignal: 'SIGKILL',
      ...(signal ? { signal } : {}),
    });
    const read = (stream: NodeJS.ReadableStream | null, most: number): (() => string) => {
      let text = '';
      stream?.setEncoding('utf8');
      stream?.on('data', (part: string) => {
        if (text.length < most) text += part;
      });
      return () => text;
    };
    const output = read(child.stdout, maxOutput);
    const words = read(child.stderr, maxWords);
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output: output(), words: words().trim() }));
  });
}
