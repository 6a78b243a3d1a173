import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../shared/pki/files.ts';
import { type Random, uuid } from '../shared/random.ts';
import { takeOwnership } from './store/etcd/owner-lock.ts';

export interface DataDir {
  /** The server's own name, the same after every restart on this directory. */
  readonly serverId: string;
  release(): Promise<void>;
}

/** Takes a server's data directory for this process alone, making it when it is not there. Throws Conflict when another server runs on it. */
export async function takeDataDir(dir: string, random: Random): Promise<DataDir> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const { release } = await takeOwnership(join(dir, 'server.lock'), process.pid);
  return { serverId: await serverId(dir, random), release };
}

async function serverId(dir: string, random: Random): Promise<string> {
  const path = join(dir, 'server-id');
  const known = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  if (known.trim()) return known.trim();
  const id = uuid(random);
  await writeFileAtomic(path, `${id}\n`, random);
  return id;
}
