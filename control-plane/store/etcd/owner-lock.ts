import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { ApiError } from '../../../shared/errors.ts';
import { findProcess, isRunning, type ProcessId } from './process-table.ts';

/** How often a dead owner's lock is taken over; after that another process must be doing the same. */
const takeovers = 3;

/**
 * Locks `path` for this process until it dies or `release` is called: an atomically created file that names the owner.
 * Throws Conflict while another living process owns it.
 */
export async function takeOwnership(path: string, pid: number): Promise<{ release(): Promise<void> }> {
  const self = await findProcess(pid);
  if (!self) throw new ApiError('InternalError', `there is no process ${pid}`);
  const draft = `${path}.${pid}`;
  await writeFile(draft, JSON.stringify(self), { mode: 0o600 });
  try {
    for (let i = 0; i < takeovers; i++) {
      if (await linked(draft, path)) return { release: () => rm(path, { force: true }) };
      const owner = await ownerOf(path);
      if (owner && owner.pid !== pid && (await isRunning(owner))) {
        throw new ApiError(
          'Conflict',
          `another process (pid ${owner.pid}) already runs on this data directory: ${path}`,
        );
      }
      await rename(path, `${draft}.stale`).catch(ignoreMissing);
    }
  } finally {
    await rm(draft, { force: true });
    await rm(`${draft}.stale`, { force: true });
  }
  throw new ApiError('Conflict', `another process takes over this data directory at the same time: ${path}`);
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Undefined when the file is gone, or was left incomplete by a crash. */
async function ownerOf(path: string): Promise<ProcessId | undefined> {
  try {
    const owner: unknown = JSON.parse(await readFile(path, 'utf8'));
    const { pid, started } = owner as Partial<ProcessId>;
    return typeof pid === 'number' && typeof started === 'string' ? { pid, started } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
