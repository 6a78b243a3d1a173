import { readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../shared/clock.ts';

const mountPoint = '/sys/fs/cgroup';

/**
 * Removes a group and its children from every hierarchy, of versions 1 and 2. Processes in it are killed: after a power cut the kernel
 * needs a moment to end them.
 */
export async function removeCgroup(name: string, clock: Clock, timeoutMs = 5_000): Promise<void> {
  const end = clock.monotonic() + timeoutMs;
  for (;;) {
    const left = hierarchies()
      .map((root) => join(root, name))
      .filter((group) => !removeTree(group));
    if (left.length === 0) return;
    if (clock.monotonic() >= end) throw new Error(`cgroups that cannot be removed: ${left.join(', ')}`);
    await clock.sleep(20);
  }
}

/** The roots of the hierarchies: one with version 2, one per controller with version 1. */
function hierarchies(): string[] {
  return [mountPoint, ...subdirectories(mountPoint)];
}

function removeTree(group: string): boolean {
  let children: string[];
  try {
    children = subdirectories(group);
  } catch (error) {
    if (isGone(error)) return true;
    throw error;
  }
  for (const child of children) removeTree(child);
  try {
    for (const pid of readFileSync(join(group, 'cgroup.procs'), 'utf8').split('\n')) {
      if (pid !== '') process.kill(Number(pid), 'SIGKILL');
    }
    rmdirSync(group);
    return true;
  } catch (error) {
    if (isGone(error)) return !exists(group);
    if (['EBUSY', 'ENOTEMPTY'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

function subdirectories(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(dir, entry.name));
}

function exists(dir: string): boolean {
  try {
    readdirSync(dir);
    return true;
  } catch {
    return false;
  }
}

function isGone(error: unknown): boolean {
  return ['ENOENT', 'ESRCH', 'ENODEV'].includes((error as NodeJS.ErrnoException).code ?? '');
}
