import { constants, open } from 'node:fs/promises';

/** The largest file: a join token has 23 characters. */
const maxBytes = 1024;

/**
 * The join token in a file that only its owner can read or write, without surrounding white space. Throws an Error that names the file
 * if it does not exist, is open to other users, or holds no token.
 */
export async function readTokenFile(path: string): Promise<string> {
  // Non-blocking: opening a named pipe without a writer would block.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause: NodeJS.ErrnoException) => {
    throw new Error(`cannot read the token file ${path}: ${cause.code ?? cause.message}`, { cause });
  });
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw new Error(`the token file ${path} is not a regular file`);
    const mode = stat.mode & 0o777;
    if (mode & 0o077) {
      const octal = mode.toString(8).padStart(4, '0');
      throw new Error(`the token file ${path} is open to other users (mode ${octal}): make it 0600`);
    }
    if (stat.size > maxBytes) throw new Error(`the token file ${path} is too large for a token`);
    const token = (await file.readFile('utf8')).trim();
    if (token === '') throw new Error(`the token file ${path} is empty`);
    return token;
  } finally {
    await file.close();
  }
}
