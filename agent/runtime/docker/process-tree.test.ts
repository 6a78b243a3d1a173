import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { eventually } from '../../../test/support/eventually.ts';
import { killTree, parseStat, treeOf } from './process-tree.ts';

test('a process is read whatever its name is; what is dead is none', () => {
  expect(parseStat('12 (a) b (c)) S 3 12 9 0 -1')).toEqual({ pid: 12, parent: 3, session: 9 });
  expect(parseStat('12 (sh) Z 3 12 9 0 -1')).toBeUndefined();
  expect(parseStat('')).toBeUndefined();
});

test('a tree is the descendants and the session, and no other process', () => {
  const all = [
    { pid: 1, parent: 0, session: 1 },
    { pid: 10, parent: 1, session: 10 },
    { pid: 11, parent: 10, session: 10 },
    { pid: 12, parent: 11, session: 12 },
    { pid: 13, parent: 1, session: 10 },
    { pid: 20, parent: 1, session: 20 },
  ];
  expect(treeOf(new Set([10]), 10, all).sort()).toEqual([10, 11, 12, 13]);
});

test('a killed command takes with it what it had left to others', async () => {
  const child = spawn('setsid', ['sh', '-c', '(sleep 1000 & echo $!) ; sleep 1000'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const orphan = Number(line.toString().trim());
  const pid = child.pid ?? 0;
  await killTree(pid, (each) => process.kill(each, 'SIGKILL'));
  const lives = async (each: number) =>
    parseStat(await readFile(`/proc/${each}/stat`, 'utf8').catch(() => '')) !== undefined;
  await eventually(async () => !(await lives(orphan)) && !(await lives(pid)));
});
