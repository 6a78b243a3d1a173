import { readFileSync } from 'node:fs';
import { type Clock, systemClock } from '../shared/clock.ts';
import { type Random, systemRandom } from '../shared/random.ts';
import { type Console, processConsole } from './console.ts';

/** The environment of a command; tests pass their own. */
export interface Io {
  /** Written as it is, without a newline at the end. */
  out(text: string | Uint8Array): void;
  err(text: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Standard error is a terminal: progress may be shown. */
  readonly terminal: boolean;
  /** Aborted when the user interrupts. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly random: Random;
  stdin(): Promise<string>;
  /** The terminal, for streams to pods. */
  readonly console: Console;
}

/** An error of the user; only its message is printed. */
export class UsageError extends Error {}

/** Ends the command with an exit code and without a message. */
export class ExitError extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`exit code ${code}`);
    this.code = code;
  }
}

export function processIo(signal: AbortSignal): Io {
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    env: process.env,
    terminal: process.stderr.isTTY === true,
    signal,
    clock: systemClock,
    random: systemRandom,
    console: processConsole(),
    async stdin() {
      const chunks: Buffer[] = [];
      for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk as Buffer));
      return Buffer.concat(chunks).toString();
    },
  };
}

/** Reads a file that the user named. */
export function readUserFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(`cannot read ${path}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
  }
}
