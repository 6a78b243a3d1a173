import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readTokenFile } from './join-token.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'coracle-token-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

describe('a token file', () => {
  const file = async (name: string, text: string, mode: number): Promise<string> => {
    const path = join(dir, name);
    await writeFile(path, text);
    await chmod(path, mode);
    return path;
  };

  test('gives the token, without the space around it', async () => {
    expect(await readTokenFile(await file('good', 'abcdef.0123456789abcdef\n', 0o600))).toBe('abcdef.0123456789abcdef');
    expect(await readTokenFile(await file('fixed', 'abcdef.0123456789abcdef', 0o400))).toBe('abcdef.0123456789abcdef');
  });

  test.each([0o640, 0o604, 0o660, 0o644, 0o620])('that others may read or write (%o) is refused', async (mode) => {
    const path = await file('open', 'abcdef.0123456789abcdef', mode);
    const octal = mode.toString(8).padStart(4, '0');
    await expect(readTokenFile(path)).rejects.toThrow(
      `the token file ${path} is open to other users (mode ${octal}): make it 0600`,
    );
  });

  test('that is not there, empty, too large or no file is refused by name', async () => {
    const missing = join(dir, 'none');
    await expect(readTokenFile(missing)).rejects.toThrow(`cannot read the token file ${missing}: ENOENT`);
    await expect(readTokenFile(dir)).rejects.toThrow(`the token file ${dir} is not a regular file`);
    await expect(readTokenFile(await file('empty', ' \n', 0o600))).rejects.toThrow('is empty');
    await expect(readTokenFile(await file('large', 'x'.repeat(2000), 0o600))).rejects.toThrow('too large');
  });
});
