import type { Clock } from '../../shared/clock.ts';

/** Prints the steps as they happen, with the measured time of each. */
export interface Story {
  title(text: string): void;
  /** Runs a step and prints its duration. `happen` may return a remark. A step that throws ends the story. */
  step<T>(text: string, happen: () => Promise<{ remark?: string; result: T }>): Promise<T>;
  /** A line of its own, below a step. */
  remark(text: string): void;
}

export interface Terminal {
  write(text: string): void;
  readonly interactive: boolean;
  readonly columns: number;
}

/** How wide a step's text may get before its time. */
const textWidth = 72;

export function storyOn(terminal: Terminal, clock: Clock): Story {
  const paint = (code: number, text: string): string => (terminal.interactive ? `\x1b[${code}m${text}\x1b[0m` : text);
  const line = (mark: string, text: string, ms: number): string =>
    `  ${mark} ${text.padEnd(textWidth)} ${paint(1, seconds(ms).padStart(7))}\n`;
  return {
    title: (text) => terminal.write(`\n${paint(1, text)}\n\n`),
    remark: (text) => terminal.write(`${paint(2, `      ${text}`)}\n`),
    async step(text, happen) {
      const began = clock.monotonic();
      // A terminal shows the step while it lasts, a file only its end.
      if (terminal.interactive) terminal.write(paint(2, `  … ${text}`.slice(0, terminal.columns - 1)));
      const clear = terminal.interactive ? '\r\x1b[K' : '';
      try {
        const { remark, result } = await happen();
        terminal.write(clear + line(paint(32, '✔'), text, clock.monotonic() - began));
        if (remark !== undefined && remark !== '') {
          for (const part of remark.split('\n')) terminal.write(`${paint(2, `      ${part}`)}\n`);
        }
        return result;
      } catch (error) {
        terminal.write(clear + line(paint(31, '✘'), text, clock.monotonic() - began));
        throw error;
      }
    },
  };
}

export function processTerminal(): Terminal {
  const { stdout } = process;
  return {
    write: (text) => stdout.write(text),
    interactive: stdout.isTTY === true && process.env.TERM !== 'dumb',
    columns: stdout.columns ?? 100,
  };
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}

/** A clock whose sleeps reject with the signal's reason when it is aborted, so that a story can be interrupted. */
export function interruptible(clock: Clock, signal: AbortSignal): Clock {
  return { ...clock, sleep: (ms) => clock.sleep(ms, signal) };
}

/** A claim of the story does not hold. */
export function must(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Error(otherwise);
}
