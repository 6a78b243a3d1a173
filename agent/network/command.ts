import { messageOf } from '../../shared/errors.ts';
import { type ChildEnd, runChild } from '../host/run-child.ts';
import { NetworkError } from './error.ts';
import type { Script } from './script.ts';
import type { SysctlValue } from './sysctl.ts';

/** Milliseconds; enough for any of these tools on a busy machine. */
const limitMs = 30_000;
const maxOutput = 16 << 20;

/**
 * Runs a system tool without a shell and returns its output. Throws NetworkError `Command` with the tool's error output;
 * its `cause` has `code: 'ENOENT'` when the tool is not installed.
 */
export type Run = (command: string, args: readonly string[], options?: RunOptions) => Promise<string>;

export interface RunOptions {
  /** Standard input: only text that was made of checked values. */
  readonly input?: Script | SysctlValue;
  readonly signal?: AbortSignal | undefined;
  /** Takes the output although the tool ended with an error: of a batch, the parts that worked. */
  readonly partial?: boolean;
}

export const systemRun: Run = async (command, args, { input, signal, partial = false } = {}) => {
  let end: ChildEnd;
  try {
    end = await runChild(command, args, { limitMs, maxOutput, input: input ?? '', signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw new NetworkError('Command', `${command}: ${messageOf(error)}`, { cause: error });
  }
  const { code, output, errorOutput } = end;
  if (code === 0 || (partial && code !== null)) return output;
  signal?.throwIfAborted();
  const why = errorOutput || (code === null ? 'killed' : `exit code ${code}`);
  throw new NetworkError('Command', `${[command, ...args].join(' ')}: ${why}`);
};

export function isMissing(error: unknown): boolean {
  return error instanceof NetworkError && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
}
