import { link, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Random, uuid } from '../random.ts';
import type { Authority, KeyPair, PkiDeps } from './certificates.ts';

/** Writes a file atomically and durably. `mode`: 0600 by default. */
export async function writeFileAtomic(path: string, text: string, random: Random, mode = 0o600): Promise<void> {
  const temporary = await writeBeside(path, text, random, mode);
  await rename(temporary, path);
  await syncDirectory(dirname(path));
}

/** Reads `NAME.crt` and `NAME.key` of a directory; undefined when one of them is not there. */
export async function readKeyPair(dir: string, name: string): Promise<KeyPair | undefined> {
  const certificate = await readIfThere(join(dir, `${name}.crt`));
  const key = await readIfThere(join(dir, `${name}.key`));
  return certificate === undefined || key === undefined ? undefined : { certificate, key };
}

/** Writes the key first: a certificate never lacks its key. */
export async function writeKeyPair(dir: string, name: string, pair: KeyPair, random: Random): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await writeFileAtomic(join(dir, `${name}.key`), pair.key, random);
  await writeFileAtomic(join(dir, `${name}.crt`), pair.certificate, random, 0o644);
}

/**
 * The CA of `dir`: `ca.pem` (certificate and key in one file, for atomicity), created by the first call; processes that start at the same
 * time agree on one. `ca.crt` beside it is for clients that trust it.
 */
export async function loadOrCreateAuthority(dir: string, commonName: string, deps: PkiDeps): Promise<Authority> {
  const { createAuthority, loadAuthority } = await import('./certificates.ts');
  const path = join(dir, 'ca.pem');
  const found = await readIfThere(path);
  if (found === undefined) {
    const made = await createAuthority(commonName, deps);
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await createFileOnce(path, `${made.certificate}${made.key}`, deps.random);
  }
  const pair = splitPem(await readFile(path, 'utf8'));
  const authority = await loadAuthority(pair, deps);
  const published = join(dir, 'ca.crt');
  if ((await readIfThere(published)) !== pair.certificate) {
    await writeFileAtomic(published, pair.certificate, deps.random, 0o644);
  }
  return authority;
}

/** The CA of `dir`; throws when there is none. */
export async function loadAuthorityFrom(dir: string, deps: PkiDeps): Promise<Authority> {
  const found = await readIfThere(join(dir, 'ca.pem'));
  if (found === undefined) throw new Error(`no certificate authority in ${dir}`);
  const { loadAuthority } = await import('./certificates.ts');
  return loadAuthority(splitPem(found), deps);
}

async function createFileOnce(path: string, text: string, random: Random): Promise<void> {
  const temporary = await writeBeside(path, text, random, 0o600);
  try {
    await link(temporary, path);
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  } finally {
    await rm(temporary, { force: true });
  }
  await syncDirectory(dirname(path));
}

async function writeBeside(path: string, text: string, random: Random, mode: number): Promise<string> {
  const temporary = `${path}.${uuid(random)}.tmp`;
  const file = await open(temporary, 'wx', mode);
  try {
    await file.writeFile(text);
    await file.chmod(mode);
    await file.sync();
  } finally {
    await file.close();
  }
  return temporary;
}

async function syncDirectory(path: string): Promise<void> {
  const dir = await open(path);
  try {
    await dir.sync();
  } finally {
    await dir.close();
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function splitPem(text: string): KeyPair {
  const block = (label: string): string => {
    const found = new RegExp(`-----BEGIN ${label}-----[\\s\\S]*?-----END ${label}-----`).exec(text)?.[0];
    if (!found) throw new Error(`the certificate authority's file has no ${label}`);
    return `${found}\n`;
  };
  return { certificate: block('CERTIFICATE'), key: block('PRIVATE KEY') };
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
