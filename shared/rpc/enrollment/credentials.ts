import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeyPair } from '../../pki/certificates.ts';
import { readKeyPair, writeFileAtomic, writeKeyPair } from '../../pki/files.ts';
import type { Random } from '../../random.ts';

/** A node's certificate and key, and the CA that it trusts. PEM. */
export interface NodeCredentials {
  readonly ca: string;
  readonly node: KeyPair;
}

/** Undefined if one of the files is missing. */
export async function readCredentials(dir: string): Promise<NodeCredentials | undefined> {
  const node = await readKeyPair(dir, 'node');
  if (!node) return undefined;
  return { ca: await readFile(join(dir, 'ca.crt'), 'utf8'), node };
}

export async function writeCredentials(dir: string, { ca, node }: NodeCredentials, random: Random): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await writeFileAtomic(join(dir, 'ca.crt'), ca, random, 0o644);
  await writeKeyPair(dir, 'node', node, random);
}
