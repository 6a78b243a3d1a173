import { readFileSync } from 'node:fs';
import { type Dns, isLoopback, noDns, parseResolvConf } from './pod-dns.ts';

const defaultPath = '/etc/resolv.conf';
/** systemd-resolved writes its upstream servers here; the default file then names only its loopback address. */
const resolvedPath = '/run/systemd/resolve/resolv.conf';

/**
 * Reads the node's resolver settings at each call, as they change with its network. `path`: absent: `/etc/resolv.conf`, or the file of
 * systemd-resolved where that names no other server. Throws when `path` cannot be read.
 */
export function hostResolver(path: string | undefined, read: (path: string) => string = readText): () => Dns {
  const settings = (file: string): Dns | undefined => {
    try {
      return parseResolvConf(read(file));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  };
  return () => {
    if (path !== undefined) return parseResolvConf(read(path));
    const found = settings(defaultPath);
    const useless = found?.servers.every(isLoopback) ?? true;
    return (useless ? settings(resolvedPath) : undefined) ?? found ?? noDns;
  };
}

/** The file is small and read once per container. */
function readText(path: string): string {
  return readFileSync(path, 'utf8');
}
