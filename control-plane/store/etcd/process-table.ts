import { readdir, readFile } from 'node:fs/promises';
import { basename } from 'node:path';

/** A process. Its start time (clock ticks since boot) distinguishes it from a later one with the same number. */
export interface ProcessId {
  readonly pid: number;
  readonly started: string;
}

/** The living process with this number; undefined when there is none, or a zombie. */
export async function findProcess(pid: number): Promise<ProcessId | undefined> {
  const stat = await read(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // proc(5): the second field is the name in parentheses, which may itself hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state] = fields;
  const started = fields[19];
  return state === 'Z' || state === 'X' || started === undefined ? undefined : { pid, started };
}

export async function isRunning(id: ProcessId): Promise<boolean> {
  return (await findProcess(id.pid))?.started === id.started;
}

/** The living processes of a program (by its file's name) that were started with exactly this argument. */
export async function findByArgument(program: string, argument: string): Promise<ProcessId[]> {
  const found: ProcessId[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const [first = '', ...rest] = ((await read(`/proc/${name}/cmdline`)) ?? '').split('\0');
    if (basename(first) !== program || !rest.includes(argument)) continue;
    const id = await findProcess(Number(name));
    if (id) found.push(id);
  }
  return found;
}

/** Undefined when the process has gone, or may not be read. */
async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES' || code === 'EPERM') return undefined;
    throw error;
  }
}
