import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, formatTime } from '../../../shared/clock.ts';
import { writeFileAtomic } from '../../../shared/pki/files.ts';
import type { Random } from '../../../shared/random.ts';
import { newSecretKey, type SecretKey, secretKeyOf } from './cipher.ts';

/** The keys outside of the store that the ring is sealed with. */
export interface RootKeys {
  /** Their place, for messages. */
  readonly place: string;
  /** In the order of their names; each call reads them again. */
  all(): Promise<readonly SecretKey[]>;
  /** Creates a key, which becomes the last. */
  add(): Promise<void>;
}

const ending = '.key';

/**
 * Root keys as files of a directory: 32 bytes in base64 (`openssl rand -base64 32`), mode 0600, named so that the newest comes last.
 * All of them open, the last one seals. Servers on one store need the same keys.
 */
export function rootKeysIn(
  dir: string,
  deps: { readonly clock: Pick<Clock, 'now'>; readonly random: Random },
): RootKeys {
  return {
    place: dir,
    async all() {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      const names = (await readdir(dir)).filter((name) => name.endsWith(ending)).sort();
      return Promise.all(names.map((name) => readKey(join(dir, name))));
    },
    async add() {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      const name = formatTime(deps.clock.now()).replace(/[-:]/g, '') + ending;
      const text = Buffer.from(newSecretKey(deps.random).bytes).toString('base64');
      await writeFileAtomic(join(dir, name), `${text}\n`, deps.random);
    },
  };
}

async function readKey(path: string): Promise<SecretKey> {
  const key = secretKeyOf(Buffer.from((await readFile(path, 'utf8')).trim(), 'base64'));
  if (!key) throw new Error(`${path} is not a key: 32 bytes in base64 are expected`);
  return key;
}
