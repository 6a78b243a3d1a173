import { spawn } from 'node:child_process';
import type { Clock } from '../../shared/clock.ts';
import { NetworkError } from './network.ts';
import type { Script } from './script.ts';
import type { SysctlValue } from './sysctl.ts';

/** Longer than this no tool of the network works, however busy the machine is. */
const deadlineMs = 30_000;
/** What is kept of a tool's output. */
const maxOutputBytes = 16 << 20;

/**
 * Runs a system tool without a shell and returns what it wrote. Throws NetworkError `Command` with the tool's own words;
 * its `cause` has `code: 'ENOENT'` when there is no such tool.
 */
export type Run = (command: string, args: readonly string[], options?: RunOptions) => Promise<string>;

export interface RunOptions {
  /** Standard input: what was made for it, no other text. */
  readonly input?: Script | SysctlValue;
  readonly signal?: AbortSignal;
  /** Takes what the tool wrote, although it ended with an error: of a batch, the parts that worked. */
  readonly partial?: boolean;
}

export function systemRun(deps: { clock: Clock }): Run {
  return (command, args, { input, signal, partial = false } = {}) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const child = spawn(command, args, { stdio: 'pipe' });
      const timer = deps.clock.timer(deadlineMs, () => child.kill('SIGKILL'));
      const onAbort = () => child.kill('SIGKILL');
      signal?.addEventListener('abort', onAbort, { once: true });
      const done = (settle: () => void) => {
        timer.cancel();
        signal?.removeEventListener('abort', onAbort);
        settle();
      };
      const output: string[] = [];
      const errors: string[] = [];
      collect(child.stdout, output);
      collect(child.stderr, errors);
      child.once('error', (cause) => {
        done(() => reject(new NetworkError('Command', `${command}: ${cause.message}`, { cause })));
      });
      child.once('close', (code, killedBy) => {
        done(() => {
          if (code === 0 || (partial && code !== null)) return resolve(output.join(''));
          if (signal?.aborted) return reject(signal.reason);
          const words = errors.join('').trim() || (killedBy ? `killed by ${killedBy}` : `exit code ${code}`);
          reject(new NetworkError('Command', `${[command, ...args].join(' ')}: ${words}`));
        });
      });
      // A tool that ends before it has read its input says why on its own.
      child.stdin.on('error', () => undefined);
      child.stdin.end(input ?? '');
    });
}

export function isMissing(error: unknown): boolean {
  return error instanceof NetworkError && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
}

function collect(stream: NodeJS.ReadableStream, into: string[]): void {
  let bytes = 0;
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    bytes += chunk.length;
    if (bytes <= maxOutputBytes) into.push(chunk);
  });
}
