import { runChild } from './run-child.ts';

/** Milliseconds for one walk. */
const deadlineMs = 60_000;
const maxOutputBytes = 1 << 20;

/**
 * The bytes that files and directories take on the disk, by path, without paths that do not exist. Runs `du` with a low priority, which
 * follows no link and enters no other file system. Throws when it takes too long.
 */
export async function diskUsage(paths: readonly string[], signal: AbortSignal): Promise<Map<string, number>> {
  if (paths.length === 0) return new Map();
  const wanted = new Set(paths);
  const used = new Map<string, number>();
  for (const line of (await du([...wanted], signal)).split('\n')) {
    const [, kilobytes, path = ''] = /^(\d+)\t(.*)$/.exec(line) ?? [];
    if (wanted.has(path)) used.set(path, Number(kilobytes) * 1024);
  }
  return used;
}

/** The output of `du`. It exits with 1 when a file was removed meanwhile or does not exist. */
async function du(paths: readonly string[], signal: AbortSignal): Promise<string> {
  const options = { limitMs: deadlineMs, maxOutput: maxOutputBytes, signal };
  const { code, output } = await runChild('nice', ['-n', '10', 'du', '-s', '-k', '-x', '--', ...paths], options);
  if (code === null) throw new Error(`du took longer than ${deadlineMs / 1000} s`);
  return output;
}
