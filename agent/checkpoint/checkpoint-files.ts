import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { messageOf } from '../../shared/errors.ts';
import type { Log } from '../../shared/log.ts';
import type { CheckpointStorage } from './checkpoint.ts';

const fileMode = 0o600;
const dirMode = 0o700;
const suffix = '.json';

/**
 * One file for each document under `dir`, readable by the owner only. Its first line is the SHA-256 of the rest. A file is written under
 * a temporary name, synced and renamed, so that a crash leaves the old or the new version. A file with a wrong sum is renamed to
 * `….corrupt`.
 */
export function fileCheckpoint(dir: string, log: Log): CheckpointStorage {
  const pathOf = (key: string): string => join(dir, ...key.split('/').map(encodePart)) + suffix;
  return {
    async load() {
      const documents = new Map<string, string>();
      await mkdir(dir, { recursive: true, mode: dirMode });
      for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile()) continue;
        const path = join(entry.parentPath, entry.name);
        if (entry.name.endsWith('.tmp')) await rm(path, { force: true });
        if (!entry.name.endsWith(suffix)) continue;
        const text = checked(await readFile(path, 'utf8'));
        if (text === undefined) {
          log.error({ component: 'checkpoint', path }, 'checkpoint file is damaged: set aside');
          await rename(path, `${path}.corrupt`);
          continue;
        }
        const key = relative(dir, path).slice(0, -suffix.length).split('/').map(decodeURIComponent).join('/');
        documents.set(key, text);
      }
      return documents;
    },

    async write(key, text) {
      const path = pathOf(key);
      const temporary = `${path}.tmp`;
      const file = await openFresh(temporary);
      try {
        await file.writeFile(`${sumOf(text)}\n${text}`);
        await file.datasync();
      } finally {
        await file.close();
      }
      await rename(temporary, path);
      await syncDirectory(dirname(path), log);
    },

    async remove(key) {
      await rm(pathOf(key), { force: true });
    },
  };
}

/** A part of a key as a file name; no part can lead out of its directory. */
function encodePart(part: string): string {
  return encodeURIComponent(part).replace(/^\.+/, (dots) => '%2E'.repeat(dots.length));
}

async function openFresh(path: string) {
  try {
    return await open(path, 'w', fileMode);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await mkdir(dirname(path), { recursive: true, mode: dirMode });
    return open(path, 'w', fileMode);
  }
}

/** Makes the rename survive a power cut. Some file systems do not support this; the data is safe without it. */
async function syncDirectory(path: string, log: Log): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } catch (error) {
    log.debug({ component: 'checkpoint', path, err: messageOf(error) }, 'directory not synced');
  } finally {
    await directory.close();
  }
}

function checked(content: string): string | undefined {
  const end = content.indexOf('\n');
  const text = content.slice(end + 1);
  return end > 0 && content.slice(0, end) === sumOf(text) ? text : undefined;
}

function sumOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
