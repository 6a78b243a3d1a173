import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { takeOwnership } from './owner-lock.ts';
import { findProcess } from './process-table.ts';

describe('the owner of a directory', () => {
  let dir: string;
  let path: string;
  let other: ChildProcess;
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'coracle-owner-'));
    path = join(dir, 'owner');
    other = spawn('cat', { stdio: ['pipe', 'ignore', 'ignore'] });
    await new Promise((resolve) => other.once('spawn', resolve));
  });
  afterEach(async () => {
    await endOther();
    rmSync(dir, { recursive: true });
  });

  const endOther = async (): Promise<void> => {
    if (other.exitCode !== null || other.signalCode !== null) return;
    const gone = new Promise((resolve) => other.once('exit', resolve));
    other.kill('SIGKILL');
    await gone;
  };
  const owner = () => JSON.parse(readFileSync(path, 'utf8')) as unknown;
  const take = () => takeOwnership(path, process.pid);
  const mine = () => findProcess(process.pid);

  it('is named in a file that only its user can read, until it is released', async () => {
    const { release } = await take();
    expect([owner(), statSync(path).mode & 0o777, readdirSync(dir)]).toEqual([await mine(), 0o600, ['owner']]);
    await release();
    expect(readdirSync(dir)).toEqual([]);
    await release();
    await take();
    expect(owner()).toEqual(await mine());
  });

  it('is respected as long as it runs: the error names it and nothing changes', async () => {
    const pid = other.pid as number;
    await takeOwnership(path, pid);
    const before = owner();
    await expect(take()).rejects.toMatchObject({ reason: 'Conflict', message: expect.stringContaining(`pid ${pid}`) });
    expect([owner(), readdirSync(dir)]).toEqual([before, ['owner']]);
  });

  it('is replaced when it has ended, and nothing of it is left', async () => {
    await takeOwnership(path, other.pid as number);
    await endOther();
    await take();
    expect([owner(), readdirSync(dir)]).toEqual([await mine(), ['owner']]);
  });

  it('is replaced when its pid belongs to a later process', async () => {
    writeFileSync(path, JSON.stringify({ pid: other.pid, started: '1' }));
    await take();
    expect(owner()).toEqual(await mine());
  });

  it('is replaced when it is an earlier run with the same pid, or this process', async () => {
    for (const started of ['1', (await mine())?.started]) {
      writeFileSync(path, JSON.stringify({ pid: process.pid, started }));
      await take();
      expect(owner()).toEqual(await mine());
    }
  });

  it.each(['', '{', '{}', `{"pid":${process.ppid}}`, '{"started":"1"}', `{"pid":"${process.ppid}","started":"1"}`])(
    'is replaced when a crash left its file incomplete: %j',
    async (text) => {
      writeFileSync(path, text);
      await take();
      expect(owner()).toEqual(await mine());
    },
  );

  it('is never a process that does not run', async () => {
    const pid = other.pid as number;
    await endOther();
    await expect(takeOwnership(path, pid)).rejects.toMatchObject({ reason: 'InternalError' });
    expect(readdirSync(dir)).toEqual([]);
  });

  it('is not set when its file cannot be read or created', async () => {
    await expect(takeOwnership(join(dir, 'missing', 'owner'), process.pid)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
