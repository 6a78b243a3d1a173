import { readdir, readFile } from 'node:fs/promises';

/** Rounds of looking for what is left; each finds only what was born while the one before was killed. */
const maxRounds = 10;

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly session: number;
}

/**
 * Kills a process with all that it has started: its descendants, and what shares its session (a command that is run in a
 * container leads one), so that what was left to the container's first process goes as well. Not what has left both.
 */
export async function killTree(root: number, kill: (pid: number) => void): Promise<void> {
  const known = new Set([root]);
  for (let round = 0; round < maxRounds; round++) {
    const found = treeOf(known, root, await processes());
    if (found.length === 0) return;
    for (const pid of found) {
      known.add(pid);
      try {
        kill(pid);
      } catch (error) {
        // It has ended by itself.
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    }
  }
}

/** Those of `all` that are, or descend from, one of `roots`, or are in the session of `leader`. */
export function treeOf(roots: ReadonlySet<number>, leader: number, all: readonly Process[]): number[] {
  const found = new Set(all.filter(({ pid, session }) => roots.has(pid) || session === leader).map(({ pid }) => pid));
  for (let size = -1; size !== found.size; ) {
    size = found.size;
    for (const { pid, parent } of all) if (found.has(parent) || roots.has(parent)) found.add(pid);
  }
  return [...found];
}

/** The processes of the machine that live. */
async function processes(): Promise<Process[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const stats = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')));
  return stats.flatMap((stat) => parseStat(stat) ?? []);
}

/** `PID (NAME) STATE PARENT GROUP SESSION …`; the name may hold anything, brackets and spaces too. */
export function parseStat(stat: string): Process | undefined {
  const pid = Number.parseInt(stat, 10);
  const [state = 'X', parent = '', , session = ''] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (!(pid > 0) || state === 'Z' || state === 'X') return undefined;
  return { pid, parent: Number(parent), session: Number(session) };
}
