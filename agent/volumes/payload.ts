import type { KeyToPath } from '../../shared/generated/types.ts';
import { ConfigError } from '../pod/inputs.ts';

/** One file of a projected volume. */
export interface ProjectedFile {
  readonly data: Buffer;
  readonly mode: number;
  /** A uid; absent: root. */
  readonly owner?: number | undefined;
}

/** Files by their path in the volume. */
export type Payload = ReadonlyMap<string, ProjectedFile>;

export type PayloadEntry = readonly [path: string, file: ProjectedFile];

export const defaultFileMode = 0o644;

/** Which keys of a ConfigMap or Secret become files. */
export interface KeySelection {
  readonly items?: readonly KeyToPath[];
  readonly optional?: boolean;
  readonly mode: number;
}

/** The files of an object's keys: all of them, or the selected ones. Throws ConfigError for a key that is missing and not optional. */
export function keyFiles(data: ReadonlyMap<string, Buffer>, { items, optional, mode }: KeySelection): PayloadEntry[] {
  if (!items?.length) return [...data].map(([key, value]) => [safePath(key), { data: value, mode }]);
  return items.flatMap((item): PayloadEntry[] => {
    const value = data.get(item.key);
    if (value !== undefined) return [[safePath(item.path), { data: value, mode: item.mode ?? mode }]];
    if (optional) return [];
    throw new ConfigError(`references non-existent config key: ${item.key}`);
  });
}

/** A path that is relative, without `..`, and none of the names that the volume itself uses. Throws ConfigError. */
export function safePath(path: string): string {
  if (path.split('/').some((part) => part === '' || part === '..' || part === '.')) {
    throw new ConfigError(`invalid path "${path}"`);
  }
  if (path.startsWith('..')) throw new ConfigError(`invalid path "${path}": must not start with ".."`);
  return path;
}
