import { mkdir } from 'node:fs/promises';
import { messageOf } from '../../shared/errors.ts';
import type { Log } from '../../shared/log.ts';
import type { Mounter } from '../volumes/mounter.ts';
import type { CheckpointStorage } from './checkpoint.ts';
import { fileCheckpoint } from './checkpoint-files.ts';

/** Room for the tokens of some thousand pods. */
const sizeBytes = 16 * 2 ** 20;

/**
 * Documents in a tmpfs of the agent's own: they survive the process, and are never on a disk. Undefined, with a line in the log, when
 * it cannot be mounted.
 */
export async function memoryFiles(dir: string, mounter: Mounter, log: Log): Promise<CheckpointStorage | undefined> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  try {
    const mounted = (await mounter.below(dir)).includes(dir);
    if (!mounted) await mounter.tmpfs(dir, { mode: '0700', sizeBytes });
    return fileCheckpoint(dir, log);
  } catch (error) {
    log.warn(
      { component: 'checkpoint', err: messageOf(error) },
      'no memory file system: tokens of pods end with the process',
    );
    return undefined;
  }
}
