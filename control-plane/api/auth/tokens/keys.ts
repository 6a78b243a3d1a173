import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, formatTime } from '../../../../shared/clock.ts';
import { messageOf } from '../../../../shared/errors.ts';
import { writeFileAtomic } from '../../../../shared/pki/files.ts';
import type { Random } from '../../../../shared/random.ts';
import { type TokenKey, tokenKey } from './jwt.ts';

/** The keys of service account tokens. */
export interface TokenKeys {
  /** Signs. */
  readonly newest: TokenKey;
  /** Verify. */
  readonly all: readonly TokenKey[];
  /** Loads keys that have been added since; they verify from then on. */
  reload(): Promise<void>;
}

export interface KeyDirDeps {
  readonly clock: Pick<Clock, 'now'>;
  readonly random: Random;
}

/** PEM, PKCS#8 or another form that OpenSSL writes. Keys are ordered by file name, which begins with the time of creation. */
const ending = '.key';

/**
 * The keys in `dir`, one a file (0600). The last by name signs, all verify. A key is added by its file, and may be removed when its
 * last token has expired. One is created when there is none.
 */
export async function loadTokenKeys(dir: string, deps: KeyDirDeps): Promise<TokenKeys> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  if ((await keyFiles(dir)).length === 0) {
    const name = formatTime(deps.clock.now()).replace(/[-:]/g, '') + ending;
    await writeFileAtomic(join(dir, name), newKey(), deps.random);
  }
  let all = await readKeys(dir);
  const newest = all.at(-1);
  if (!newest) throw new Error(`no key for tokens in ${dir}`);
  return {
    newest,
    get all() {
      return all;
    },
    async reload() {
      all = await readKeys(dir);
    },
  };
}

/** Keys in memory only; the last one signs. */
export function tokenKeysOf(...pems: readonly string[]): TokenKeys {
  const all = (pems.length > 0 ? pems : [newKey()]).map((pem) => tokenKey(createPrivateKey(pem)));
  return { newest: all.at(-1) as TokenKey, all, reload: async () => undefined };
}

/** A new ECDSA P-256 key, PEM. */
export function newKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

async function keyFiles(dir: string): Promise<string[]> {
  return (await readdir(dir)).filter((name) => name.endsWith(ending)).sort();
}

async function readKeys(dir: string): Promise<TokenKey[]> {
  const keys: TokenKey[] = [];
  for (const name of await keyFiles(dir)) {
    const pem = await readFile(join(dir, name), 'utf8');
    try {
      keys.push(tokenKey(createPrivateKey(pem)));
    } catch (cause) {
      throw new Error(`${join(dir, name)}: ${messageOf(cause)}`, { cause });
    }
  }
  return keys;
}
