/**
 * All benchmarks, one after the other, each in a process of its own; at the end one Markdown table.
 *
 *   npm run bench -- [--quick] [--only NAME,NAME]
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Figure, markdownTable, number } from './support/figures.ts';
import { end } from './support/server.ts';

const benches = ['api-creates', 'create-to-bound', 'pod-start', 'cold-start', 'idle', 'streams'];
/** Cleans up after a benchmark that is stopped by a signal. */
const stopLimitMs = 60_000;

const { values: options } = parseArgs({ options: { quick: { type: 'boolean' }, only: { type: 'string' } } });
const wanted = options.only?.split(',') ?? benches;
const unknown = wanted.filter((name) => !benches.includes(name));
if (unknown.length > 0) throw new Error(`there is no benchmark ${unknown.join(', ')}; there are ${benches.join(', ')}`);

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort());

const machine = describeMachine();
const load = loadavg()[0] ?? 0;
if (load > 0.5) console.log(`Others are using this machine (load ${load.toFixed(1)}): figures will be too low.\n`);
const figures: Figure[] = [];
for (const name of wanted) {
  if (stop.signal.aborted) break;
  figures.push(...(await runOne(name)));
  console.log();
}
console.log(`${machine}${options.quick ? ' A quick run: its figures say little.' : ''}\n`);
console.log(markdownTable(figures));

/** A failed benchmark is reported and does not affect the others. */
async function runOne(name: string): Promise<Figure[]> {
  const directory = mkdtempSync(join(tmpdir(), 'coracle-bench-figures-'));
  const file = join(directory, 'figures.json');
  const args = [join(import.meta.dirname, `${name}.ts`), '--figures', file, ...(options.quick ? ['--quick'] : [])];
  const child = spawn(process.execPath, [...process.execArgv, ...args], { stdio: 'inherit' });
  const onStop = (): void => void end(child, stopLimitMs);
  stop.signal.addEventListener('abort', onStop, { once: true });
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('exit', resolve);
      child.once('error', reject);
    });
    if (code === 0) return JSON.parse(readFileSync(file, 'utf8')) as Figure[];
    process.exitCode = 1;
    return [{ what: name, result: 'failed' }];
  } finally {
    stop.signal.removeEventListener('abort', onStop);
    rmSync(directory, { recursive: true, force: true });
  }
}

function describeMachine(): string {
  const version = (command: string, args: string[], pattern: RegExp): string =>
    pattern.exec(spawnSync(command, args, { encoding: 'utf8', timeout: 10_000 }).stdout ?? '')?.[1] ?? 'unknown';
  const etcd = version('etcd', ['--version'], /etcd Version: (\S+)/);
  const docker = version('dockerd', ['--version'], /version ([^\s,]+)/);
  const commit = version('git', ['-C', import.meta.dirname, 'rev-parse', '--short', 'HEAD'], /(\S+)/);
  const memory = `${number(totalmem() / 2 ** 30)} GiB`;
  const hardware = `${cpus().length} cores (${cpus()[0]?.model.trim()}), ${memory}, Linux ${release()}`;
  return `${hardware}; Node ${process.versions.node}, etcd ${etcd}, Docker ${docker}; commit ${commit}.`;
}
