import { readFile } from 'node:fs/promises';
import { runChild } from '../host/run-child.ts';

/** Mounts on the node. */
export interface Mounter {
  /** A file system in memory at an existing directory. `mode`: octal; `group`: a gid, absent: root's. */
  tmpfs(path: string, options: { sizeBytes?: number; mode: string; group?: number | undefined }): Promise<void>;
  /** Bind-mounts an open file or directory (O_PATH is enough) at `target`, which exists, without a path lookup of the source. */
  bind(opened: { readonly fd: number }, target: string): Promise<void>;
  /** A directory of an NFS server, `SERVER:PATH`, at an existing directory. `options`: of mount(8). */
  nfs(source: string, target: string, options: readonly string[]): Promise<void>;
  unmount(path: string): Promise<void>;
  /** The mount points at and below a directory, the deepest first. */
  below(path: string): Promise<string[]>;
}

/** Milliseconds for one mount. */
const limitMs = 10_000;

export const systemMounter: Mounter = {
  async tmpfs(path, { sizeBytes, mode, group }) {
    const options = [`mode=${mode}`, 'nosuid', 'nodev'];
    if (group !== undefined) options.push(`gid=${group}`);
    if (sizeBytes !== undefined) options.push(`size=${sizeBytes}`);
    await run('mount', ['-t', 'tmpfs', '-o', options.join(','), 'tmpfs', path]);
  },
  // Without the option, mount(8) would resolve the descriptor to its path and look that up again.
  bind: ({ fd }, target) => run('mount', ['--bind', '--no-canonicalize', '/proc/self/fd/3', target], fd),
  nfs: (source, target, options) =>
    run('mount', ['-t', 'nfs', ...(options.length > 0 ? ['-o', options.join(',')] : []), source, target]),
  unmount: (path) => run('umount', ['-l', path]),
  async below(path) {
    const points: string[] = [];
    for (const line of (await readFile('/proc/self/mountinfo', 'utf8')).split('\n')) {
      const point = fromOctal(line.split(' ')[4] ?? '');
      if (point === path || point.startsWith(`${path}/`)) points.push(point);
    }
    return points.sort((a, b) => b.length - a.length);
  },
};

/** The kernel escapes white space and backslashes in octal. */
function fromOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** `inherited`: a descriptor of this process that the command gets as number 3. */
async function run(command: string, args: readonly string[], inherited?: number): Promise<void> {
  const options = { limitMs, ...(inherited === undefined ? {} : { inherited }) };
  const { code, errorOutput } = await runChild(command, args, options);
  if (code !== 0) throw new Error(errorOutput || `${command} ended with ${code}`);
}
