import { join } from 'node:path';
import { isLocalPath } from '../../shared/schema/formats.ts';
import { ConfigError } from '../pod/inputs.ts';
import { readBounded } from './read-bounded.ts';

const maxBytes = 2 ** 20;

/**
 * Reads the seccomp profiles of the node below `dir`, as the kubelet does below `/var/lib/kubelet/seccomp`. Rejects with ConfigError
 * for one that is not there, or is no profile.
 */
export function seccompProfiles(dir: string): (name: string) => Promise<string> {
  return async (name) => {
    const path = join(dir, name);
    const fail = (why: string): never => {
      throw new ConfigError(`cannot load seccomp profile ${JSON.stringify(path)}: ${why}`);
    };
    if (name === '' || isLocalPath(name) !== undefined) return fail('its path leads out of the directory of profiles');
    const text = await readBounded(path, maxBytes);
    if (text === undefined) return fail('no such file');
    return isProfile(text) ? text : fail('it is not a seccomp profile');
  };
}

function isProfile(text: string): boolean {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof (parsed as { defaultAction?: unknown } | null)?.defaultAction === 'string';
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}
