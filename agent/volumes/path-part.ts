import { ConfigError } from '../pod/inputs.ts';

/** Checks a uid or name that becomes a part of a path. Throws ConfigError for one that could lead elsewhere. */
export function pathPart(name: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) throw new ConfigError(`"${name}" cannot be part of a path`);
  return name;
}
