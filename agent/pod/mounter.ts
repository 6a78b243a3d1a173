import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';

/** Mounts on the node. */
export interface Mounter {
  /** A file system in memory at an existing directory. */
  tmpfs(path: string, options: { sizeBytes?: number; mode: string }): Promise<void>;
  /** Shows `source` (a path that is resolved at once, such as /proc/PID/fd/N) at `target`, which exists. */
  bind(source: string, target: string): Promise<void>;
  unmount(path: string): Promise<void>;
  /** The mount points at and below a directory, the deepest first. */
  below(path: string): Promise<string[]>;
}

/** Longer than this a mount does not take. */
const limitMs = 10_000;

export const systemMounter: Mounter = {
  async tmpfs(path, { sizeBytes, mode }) {
    const size = sizeBytes ? `,size=${sizeBytes}` : '';
    await run('mount', ['-t', 'tmpfs', '-o', `mode=${mode},nosuid,nodev${size}`, 'tmpfs', path]);
  },
  bind: (source, target) => run('mount', ['--bind', source, target]),
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

/** The kernel writes spaces and the like in octal. */
function fromOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

function run(command: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'], timeout: limitMs });
    let said = '';
    child.stderr.on('data', (data: Buffer) => {
      if (said.length < 1000) said += data.toString();
    });
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 ? resolve() : reject(new Error(said.trim() || `${command} ended with ${code}`)),
    );
  });
}
