import { describe, expect, it } from 'vitest';
import { tryRun } from '../../deploy/cluster/run.ts';
import { canRunMachines } from '../support/cluster.ts';
import { kubectlMinor, kubectlProgram } from '../support/kubectl-program.ts';
import { access } from './kubectl/access.ts';
import { changing } from './kubectl/changing.ts';
import { making } from './kubectl/making.ts';
import { newer } from './kubectl/newer.ts';
import { nodes } from './kubectl/nodes.ts';
import { reading } from './kubectl/reading.ts';
import { streams } from './kubectl/streams.ts';
import { kubectlSuite } from './kubectl/suite.ts';
import { workloads } from './kubectl/workloads.ts';

describe.skipIf(!(await canRunMachines()))('kubectl', () => {
  const suite = kubectlSuite();

  // Those that wait for pods come first: the others fill their waits.
  describe('workloads', () => workloads(suite));
  describe('streams', () => streams(suite));
  describe('making', () => making(suite));
  describe('reading', () => reading(suite));
  describe('changing', () => changing(suite));
  describe('access', () => access(suite));
  describe.skipIf(kubectlMinor() < 36)('newer', () => newer(suite));
  describe('nodes', () => nodes(suite));

  it('has been driven through every command of its help', async () => {
    const commands = await allCommands([], 3);
    const missing = commands.filter((command) => !suite.driven.has(command));
    expect(missing).toEqual([]);
  });
});

/** Those that its help names, and theirs, but for the shells of `completion`. */
async function allCommands(command: readonly string[], depth: number): Promise<string[]> {
  if (depth === 0 || command[0] === 'completion') return [];
  const { stdout } = await tryRun(kubectlProgram, [...command, '--help']);
  const groups = stdout.split('\n\n').filter((group) => /Commands.*:\n/.test(group));
  const names = groups.flatMap((group) => [...group.matchAll(/^ {2}([a-z-]+) {2,}/gm)].map(([, name = '']) => name));
  const found = names.map(async (name) => [
    [...command, name].join(' '),
    ...(await allCommands([...command, name], depth - 1)),
  ]);
  return (await Promise.all(found)).flat();
}
