import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { type Room, rooms } from './rooms.ts';

/** The share of a room's mutants that its tests have to kill, in percent. */
const REQUIRED = 85;
/** Reports and survivors of each room; ignored by git. */
const REPORTS = '.mutation';

/** The part of Stryker's report that is read here: https://github.com/stryker-mutator/mutation-testing-elements */
interface Report {
  files: Record<string, { source: string; mutants: Mutant[] }>;
}
interface Mutant {
  mutatorName: string;
  replacement?: string;
  status: 'Killed' | 'Survived' | 'NoCoverage' | 'Timeout' | 'Ignored' | 'RuntimeError' | 'CompileError' | 'Pending';
  location: { start: Position; end: Position };
}
interface Position {
  line: number;
  column: number;
}

const survived = (mutant: Mutant) => mutant.status === 'Survived' || mutant.status === 'NoCoverage';
const counted = (mutant: Mutant) => survived(mutant) || mutant.status === 'Killed' || mutant.status === 'Timeout';

const argv = yargs(hideBin(process.argv))
  .usage('npm run test:mutate -- ROOM: put single faults into the sources of a room and count which its tests notice')
  .command('$0 <room>', 'mutate a room', (command) =>
    command
      .positional('room', { choices: Object.keys(rooms), demandOption: true })
      .option('files', { type: 'string', array: true, default: [], describe: 'only these files of the room' })
      .option('tests', { type: 'string', array: true, default: [], describe: 'only these tests' })
      .option('again', {
        type: 'boolean',
        default: false,
        describe: 'only the known survivors; their files must be unchanged',
      })
      .option('report', { type: 'boolean', default: false, describe: 'print what is known; run nothing' })
      .option('static', {
        type: 'boolean',
        default: false,
        describe: 'also what acts only while a module loads (slow)',
      })
      .option('concurrency', { type: 'number', default: 2 }),
  )
  .strict()
  .version(false)
  .parseSync() as unknown as Options;

interface Options {
  room: string;
  files: string[];
  tests: string[];
  again: boolean;
  report: boolean;
  static: boolean;
  concurrency: number;
}

const reportFile = join(REPORTS, `${argv.room.replaceAll('/', '-')}.json`);
process.exitCode = argv.report ? print(readReport(reportFile)) : mutate(argv, rooms[argv.room] as Room);

/** Runs Stryker on what the options select, and merges what it found into the report of the room; returns the exit code. */
function mutate(options: Options, room: Room): number {
  const known = readReport(reportFile);
  const sources = options.again ? survivorsOf(known, options.files) : selected(room, options.files);
  if (sources.length === 0) return print(known);
  mkdirSync(REPORTS, { recursive: true });
  const scratch = mkdtempSync(join(REPORTS, 'run-'));
  const configFile = join(scratch, 'stryker.json');
  const runFile = join(scratch, 'report.json');
  writeFileSync(configFile, JSON.stringify(configuration(options, sources, runFile)));
  try {
    const { status } = spawnSync('node_modules/.bin/stryker', ['run', configFile], {
      stdio: 'inherit',
      env: { ...process.env, MUTATE_TESTS: (options.tests.length > 0 ? options.tests : room.tests).join(',') },
    });
    if (status !== 0) return 1;
    const found = readReport(runFile);
    const whole = !options.again && options.files.length === 0;
    const merged = whole ? found : merge(known, found);
    writeFileSync(reportFile, JSON.stringify(merged));
    return print(merged, new Set(Object.keys(found.files)));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function readReport(file: string): Report {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Report) : { files: {} };
}

/** The known report with the verdicts of a run over some of its files or mutants; a changed source replaces the file's entry. */
function merge(known: Report, found: Report): Report {
  const files = { ...known.files };
  for (const [file, entry] of Object.entries(found.files)) {
    const before = files[file];
    if (before?.source !== entry.source) {
      files[file] = entry;
      continue;
    }
    const verdicts = new Map(entry.mutants.map((mutant) => [identity(mutant), mutant]));
    const kept = before.mutants.map((mutant) => verdicts.get(identity(mutant)) ?? mutant);
    files[file] = { source: entry.source, mutants: kept };
  }
  return { files };
}

function identity({ mutatorName, replacement, location: { start, end } }: Mutant): string {
  return [mutatorName, start.line, start.column, end.line, end.column, replacement].join('\0');
}

/** Stryker's options; the TypeScript configuration is left unread, since Stryker calls an API that TypeScript 7 lacks. */
function configuration(options: Options, sources: string[], runFile: string) {
  return {
    testRunner: 'vitest',
    vitest: { configFile: 'test/mutate/vitest.config.ts' },
    plugins: ['@stryker-mutator/vitest-runner', join(process.cwd(), 'test/mutate/texts.mjs')],
    ignorers: ['texts'],
    mutate: sources,
    mutator: { excludedMutations: ['StringLiteral'] },
    tsconfigFile: 'none.json',
    coverageAnalysis: 'perTest',
    ignoreStatic: !options.static,
    concurrency: options.concurrency,
    ignorePatterns: ['/dist', '/.mutation'],
    reporters: process.stdout.isTTY ? ['json', 'progress'] : ['json'],
    jsonReporter: { fileName: runFile },
    timeoutMS: 4000,
    timeoutFactor: 3,
    tempDirName: join(REPORTS, `tmp-${process.pid}`),
    allowConsoleColors: false,
    disableTypeChecks: false,
  };
}

function selected(room: Room, files: string[]): string[] {
  if (files.length === 0) return [...room.sources];
  const folder = (room.sources[0] ?? '').replace(/\*\*.*$/, '');
  return files.map((file) => (file.includes('/') ? file : `${folder}${file}`));
}

/** The places of the known survivors, as Stryker's ranges `FILE:LINE:COLUMN-LINE:COLUMN`. */
function survivorsOf(report: Report, files: string[]): string[] {
  return Object.entries(report.files)
    .filter(([file]) => files.length === 0 || files.some((wanted) => file.endsWith(wanted)))
    .flatMap(([file, { mutants }]) => mutants.filter(survived).map(({ location }) => `${file}:${range(location)}`));
}

/** The report counts columns from 1, ranges count them from 0. */
function range({ start, end }: Mutant['location']): string {
  return `${start.line}:${start.column - 1}-${end.line}:${end.column - 1}`;
}

/** Prints the survivors of the files shown (all by default) and the figures of each file; returns the exit code. */
function print(report: Report, shown?: ReadonlySet<string>): number {
  const all: Mutant[] = [];
  const figures: string[] = [];
  for (const [file, { source, mutants }] of Object.entries(report.files)) {
    const lines = source.split('\n');
    for (const mutant of shown && !shown.has(file) ? [] : mutants.filter(survived)) {
      const { start, end } = mutant.location;
      const line = lines[start.line - 1] ?? '';
      const original =
        start.line === end.line ? line.slice(start.column - 1, end.column - 1) : `${line.slice(start.column - 1)} …`;
      const replacement = (mutant.replacement ?? '').replace(/\s+/g, ' ').slice(0, 100);
      console.log(
        `${file}:${start.line}:${start.column} ${mutant.status} ${mutant.mutatorName}: ${original.trim()} → ${replacement}`,
      );
    }
    all.push(...mutants);
    figures.push(figure(file, mutants));
  }
  console.log(['', ...figures, figure('all', all)].join('\n'));
  const score = percentage(all);
  return score >= REQUIRED ? 0 : 1;
}

function percentage(mutants: Mutant[]): number {
  const relevant = mutants.filter(counted);
  return relevant.length === 0 ? 100 : (100 * relevant.filter((mutant) => !survived(mutant)).length) / relevant.length;
}

function figure(name: string, mutants: Mutant[]): string {
  const relevant = mutants.filter(counted);
  const errors = mutants.filter(({ status }) => status === 'RuntimeError').length;
  const left = relevant.filter(survived).length;
  return `${percentage(mutants).toFixed(1).padStart(6)} % of ${String(relevant.length).padStart(5)} killed, ${String(left).padStart(4)} left${errors > 0 ? `, ${errors} not run` : ''}  ${name}`;
}
