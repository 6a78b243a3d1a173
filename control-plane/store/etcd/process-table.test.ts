import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../../test/support/eventually.ts';
import { findByArgument, findProcess, isRunning } from './process-table.ts';

describe('the process table', () => {
  let dir: string;
  let children: ChildProcess[];
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'coracle-processes-'));
    children = [];
  });
  afterEach(async () => {
    for (const child of children) await end(child);
    rmSync(dir, { recursive: true });
  });

  const end = async (child: ChildProcess): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  };
  /** A program of this name that waits for long and takes any arguments. */
  const run = async (name: string, ...args: string[]): Promise<number> => {
    if (!existsSync(join(dir, name))) copyFileSync('/bin/sh', join(dir, name));
    const child = spawn(join(dir, name), ['-c', 'read line', 'sh', ...args], { stdio: ['pipe', 'ignore', 'ignore'] });
    children.push(child);
    await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    return child.pid as number;
  };

  it('finds a running process by its pid and start time, and no ended one', async () => {
    const pid = await run('program');
    const found = await findProcess(pid);
    const self = await findProcess(process.pid);
    expect([found?.pid, self?.pid]).toEqual([pid, process.pid]);
    // Clock ticks since the boot: what began later has more of them.
    expect(Number(found?.started)).toBeGreaterThanOrEqual(Number(self?.started));
    expect(await isRunning({ pid, started: found?.started ?? '' })).toBe(true);
    expect(await isRunning({ pid, started: '1' })).toBe(false);
    await end(children[0] as ChildProcess);
    expect([await findProcess(pid), await isRunning({ pid, started: found?.started ?? '' })]).toEqual([
      undefined,
      false,
    ]);
  });

  it('parses any program name', async () => {
    const plain = await findProcess(await run('plain'));
    const odd = await findProcess(await run('a) S 1 (b'));
    expect(odd?.started).toMatch(/^\d+$/);
    expect(Number(odd?.started)).toBeGreaterThanOrEqual(Number(plain?.started));
    expect(Number(odd?.started)).toBeLessThan(Number(plain?.started) + 1_000);
  });

  it('treats a zombie as ended', async () => {
    const parent = spawn('/bin/sh', ['-c', 'sleep 0.05 & echo $!; exec cat'], { stdio: ['pipe', 'pipe', 'ignore'] });
    children.push(parent);
    const pid = await new Promise<number>((resolve) => parent.stdout.once('data', (data) => resolve(Number(data))));
    await eventually(async () => (await findProcess(pid)) === undefined);
    // A zombie: its parent has not waited for it yet.
    expect(() => process.kill(pid, 0)).not.toThrow();
  });

  it('finds the processes of a program by an exact argument', async () => {
    const wanted = [
      await run('store', '--data-dir=/x/data'),
      await run('store', 'first', '--data-dir=/x/data', 'last'),
    ];
    await run('store', '--data-dir=/x/data2');
    await run('store2', '--data-dir=/x/data');
    const found = await findByArgument('store', '--data-dir=/x/data');
    expect(found.map(({ pid }) => pid).sort()).toEqual(wanted.sort());
    for (const id of found) expect(await isRunning(id)).toBe(true);
    expect(await findByArgument('store', '/x')).toEqual([]);
    expect(await findByArgument('store', 'store')).toEqual([]);
  });
});
