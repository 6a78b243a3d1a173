import { readFileSync } from 'node:fs';
import { type Dns, isLoopback, parseResolvConf } from './dns.ts';

const usual = '/etc/resolv.conf';
/** Where systemd-resolved writes the servers that it asks itself; the usual file then names only its own loopback address. */
const behindResolved = '/run/systemd/resolve/resolv.conf';

const none: Dns = { servers: [], searches: [], options: [] };

/**
 * The node's resolver settings, read anew each time: they change with its network. `path`: the file to read; absent: the usual one, or
 * that of systemd-resolved where the usual one leads to it. Throws when a file that was named cannot be read.
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
    const found = settings(usual);
    const useless = found?.servers.every(isLoopback) ?? true;
    return (useless ? settings(behindResolved) : undefined) ?? found ?? none;
  };
}

/** A few lines, once for each container. */
function readText(path: string): string {
  return readFileSync(path, 'utf8');
}
