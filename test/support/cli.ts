import type { Console } from '../../cli/console.ts';
import { main } from '../../cli/main.ts';
import { systemClock } from '../../shared/clock.ts';
import { systemRandom } from '../../shared/random.ts';

export interface CliResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface CliRun {
  readonly done: Promise<CliResult>;
  /** What it has written so far. */
  out(): string;
  stop(): void;
}

/** A console without a terminal: what is piped in is there, and the output is kept. */
function pipedConsole(stdin: string, out: (text: string) => void, err: (text: string) => void): Console {
  return {
    interactive: false,
    async *input() {
      if (stdin !== '') yield Buffer.from(stdin);
    },
    async write(to, data) {
      (to === 'stdout' ? out : err)(Buffer.from(data).toString());
    },
    size: () => undefined,
    onResize: () => () => undefined,
    setRaw: () => undefined,
    stop: () => undefined,
  };
}

/** Runs the CLI in this process; `stdin` is what it may read there. */
export function startCli(args: readonly string[], env: Record<string, string>, stdin = ''): CliRun {
  const stop = new AbortController();
  let out = '';
  let err = '';
  const done = main(args, {
    out: (text) => {
      out += typeof text === 'string' ? text : Buffer.from(text).toString();
    },
    err: (text) => {
      err += text;
    },
    env,
    terminal: false,
    signal: stop.signal,
    clock: systemClock,
    random: systemRandom,
    stdin: async () => stdin,
    console: pipedConsole(
      stdin,
      (text) => {
        out += text;
      },
      (text) => {
        err += text;
      },
    ),
  }).then((code) => ({ code, out, err }));
  return { done, out: () => out, stop: () => stop.abort() };
}
