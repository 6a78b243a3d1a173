import { readdir, readFile } from 'node:fs/promises';

/** The most rounds; each finds only processes that were started during the round before. */
const maxRounds = 10;

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly session: number;
}

/**
 * Kills a process with its descendants and its session, which a command in a container leads: so orphaned processes of the session end as
 * well. A process that has left both is not found.
 */
export async function killTree(root: number, kill: (pid: number) => void): Promise<void> {
  const pids = new Set([root]);
  for (let round = 0; round < maxRounds; round++) {
    const found = treeOf(pids, root, await processes());
    if (found.length === 0) return;
    for (const pid of found) {
      pids.add(pid);
      try {
        kill(pid);
      } catch (error) {
        // It has ended.
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    }
  }
}

/** The processes that are one of `roots`, descend from one, or are in the session of `leader`. */
export function treeOf(roots: ReadonlySet<number>, leader: number, all: readonly Process[]): number[] {
  const found = new Set(all.filter(({ pid, session }) => roots.has(pid) || session === leader).map(({ pid }) => pid));
  for (let size = -1; size !== found.size; ) {
    size = found.size;
    for (const { pid, parent } of all) if (found.has(parent) || roots.has(parent)) found.add(pid);
  }
  return [...found];
}

/** The processes of the machine. */
async function processes(): Promise<Process[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const stats = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')));
  return stats.flatMap((stat) => parseStat(stat) ?? []);
}

/** `PID (NAME) STATE PARENT GROUP SESSION …`; the name may contain brackets and spaces. */
export function parseStat(stat: string): Process | undefined {
  const pid = Number.parseInt(stat, 10);
  const [state = 'X', parent = '', , session = ''] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (!(pid > 0) || state === 'Z' || state === 'X') return undefined;
  return { pid, parent: Number(parent), session: Number(session) };
}
