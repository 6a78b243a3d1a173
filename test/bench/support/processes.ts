import { readdirSync, readFileSync } from 'node:fs';
import { pause } from './bench.ts';

/** What Linux says of processes under /proc. */

/** `sysconf(_SC_CLK_TCK)`: 100 on every Linux that Node runs on. */
const ticksPerSecond = 100;

/** The one process with all of these among its arguments (whole words). Undefined when there is none. */
export function findProcess(...words: readonly string[]): number | undefined {
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const words_ = read(`/proc/${entry}/cmdline`)?.split('\0') ?? [];
    // A supervising shell holds its program's whole command among its arguments.
    if (!/(^|\/)(sh|nsenter|unshare)$/.test(words_[0] ?? '') && words.every((word) => words_.includes(word))) {
      return Number(entry);
    }
  }
  return undefined;
}

/** Memory that is resident, in bytes. */
export function residentBytes(pid: number): number {
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`) ?? '');
  if (!found) throw new Error(`process ${pid} is gone`);
  return Number(found[1]) * 1024;
}

/** Processor time used so far, of user and system, in seconds; to 10 ms. */
export function cpuSeconds(pid: number): number {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === undefined) throw new Error(`process ${pid} is gone`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** Waits until the processes together use less than a tenth of a core, at most `timeoutMs`. */
export async function whenQuiet(pids: readonly number[], timeoutMs = 15_000): Promise<void> {
  const windowMs = 500;
  const used = (): number => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const end = performance.now() + timeoutMs;
  for (let before = used(); performance.now() < end; ) {
    await pause(windowMs);
    const now = used();
    if (now - before < windowMs / 10_000) return;
    before = now;
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (['ENOENT', 'ESRCH', 'EACCES'].includes(code)) return undefined;
    throw error;
  }
}
