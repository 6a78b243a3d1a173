import { spawn } from 'node:child_process';

/** A removal that takes longer is given up, and goes on where it was when it is tried again. */
const deadlineMs = 10 * 60_000;
const maxWords = 1_000;

/**
 * Removes a directory that a pod may have filled with any number of files at any depth, which in this process would take its
 * memory, or end at the longest path there can be. The child (`rm`) follows no link and enters no other file system.
 */
export function removeTree(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('rm', ['-rf', '--one-file-system', '--', path], {
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: deadlineMs,
      killSignal: 'SIGKILL',
    });
    let said = '';
    child.stderr.on('data', (data: Buffer) => {
      if (said.length < maxWords) said += data.toString();
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(code === null ? `rm took longer than ${deadlineMs / 1000} s` : said.trim()));
    });
  });
}
