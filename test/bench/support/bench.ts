import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Figure, markdownTable } from './figures.ts';

/** How a benchmark takes part: what it makes it defers the removal of, and what it found it returns. */
export interface BenchContext {
  /** A small run, to see that everything works: its figures say little. */
  readonly quick: boolean;
  /** Profile the server where the benchmark can. */
  readonly profile: boolean;
  /** A line of progress, or of what else was seen. */
  say(line: string): void;
  /** Runs at the end, in reverse order, also when the benchmark fails, is interrupted or takes too long. */
  defer(undo: Undo): void;
  /** A new directory, removed at the end. */
  directory(): string;
}

type Undo = () => Promise<void> | void;

const limitMs = 15 * 60_000;

/**
 * Runs one benchmark as a program: prints what it found, or hands it to `npm run bench`, which collects all of them.
 *
 *   npx tsx test/bench/NAME.ts [--quick] [--profile] [--figures FILE]
 */
export async function runBench(title: string, run: (context: BenchContext) => Promise<Figure[]>): Promise<void> {
  const { values: options } = parseArgs({
    options: { quick: { type: 'boolean' }, profile: { type: 'boolean' }, figures: { type: 'string' } },
  });
  const undos: Undo[] = [];
  let cleaning: Promise<void> | undefined;
  const clean = (): Promise<void> => {
    cleaning ??= undoAll(undos);
    return cleaning;
  };
  const giveUp = async (why: string): Promise<never> => {
    console.error(`  ${title}: ${why}`);
    await clean();
    process.exit(1);
  };
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => void giveUp(`stopped by ${name}`));
  const limit = setTimeout(() => void giveUp(`not done within ${limitMs / 60_000} minutes`), limitMs);

  const defer = (undo: Undo): void => {
    undos.push(undo);
    // What comes to be while all is being removed goes at once.
    if (cleaning) cleaning = cleaning.then(() => undoAll(undos));
  };
  const directory = (): string => {
    const path = mkdtempSync(join(tmpdir(), 'coracle-bench-'));
    defer(() => rmSync(path, { recursive: true, force: true, maxRetries: 5 }));
    return path;
  };
  console.log(title);
  try {
    const { quick = false, profile = false } = options;
    const figures = await run({ quick, profile, say: (line) => console.log(`  ${line}`), defer, directory });
    if (options.figures) writeFileSync(options.figures, JSON.stringify(figures));
    else console.log(`\n${markdownTable(figures)}`);
  } finally {
    await clean();
    clearTimeout(limit);
  }
}

async function undoAll(undos: Undo[]): Promise<void> {
  for (let undo = undos.pop(); undo; undo = undos.pop()) {
    try {
      await undo();
    } catch (error) {
      console.error(`  cleaning up: ${error instanceof Error ? error.message : error}`);
      process.exitCode = 1;
    }
  }
}

/** Polls until there is an answer other than undefined and false. Fails with `what` after `timeoutMs`. */
export async function until<T>(
  what: string,
  check: () => T | Promise<T>,
  { timeoutMs = 60_000, everyMs = 10 } = {},
): Promise<Exclude<T, undefined | false>> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const value = await check();
    if (value !== undefined && value !== false) return value as Exclude<T, undefined | false>;
    if (performance.now() >= end) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await pause(everyMs);
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
