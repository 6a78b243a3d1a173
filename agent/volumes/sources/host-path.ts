import type { Stats } from 'node:fs';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { normalize } from 'node:path';
import type { HostPathVolumeSource } from '../../../shared/generated/types.ts';
import { ConfigError } from '../../pod/inputs.ts';
import { ifMissing } from '../missing.ts';
import type { VolumeSource } from '../source.ts';

export const hostPath: VolumeSource<HostPathVolumeSource> = {
  prepare: checkHostPath,
  location: ({ path }) => normalize(path),
};

/** By type: the required kind of file, and what is made when the path does not exist. */
const types: Record<string, { is?: (stats: Stats) => boolean; what: string; make?: 'directory' | 'file' }> = {
  '': { what: 'anything', make: 'directory' },
  Directory: { is: (stats) => stats.isDirectory(), what: 'a directory' },
  DirectoryOrCreate: { is: (stats) => stats.isDirectory(), what: 'a directory', make: 'directory' },
  File: { is: (stats) => stats.isFile(), what: 'a file' },
  FileOrCreate: { is: (stats) => stats.isFile(), what: 'a file', make: 'file' },
  Socket: { is: (stats) => stats.isSocket(), what: 'a socket file' },
  CharDevice: { is: (stats) => stats.isCharacterDevice(), what: 'a character device' },
  BlockDevice: { is: (stats) => stats.isBlockDevice(), what: 'a block device' },
};

async function checkHostPath({ path, type }: HostPathVolumeSource): Promise<void> {
  const wanted = types[type ?? ''];
  const fail = (why: string): never => {
    throw new ConfigError(`hostPath type check failed: ${path} ${why}`);
  };
  if (!wanted || path.split('/').includes('..')) return fail('is not supported');
  const found = await stat(path).catch(ifMissing(undefined));
  if (found) {
    if (wanted.is && !wanted.is(found)) fail(`is not ${wanted.what}`);
  } else if (wanted.make === 'directory') {
    await mkdir(path, { recursive: true, mode: 0o755 });
  } else if (wanted.make === 'file') {
    await writeFile(path, '', { flag: 'a', mode: 0o644 });
  } else fail(`is not ${wanted.what}`);
}
