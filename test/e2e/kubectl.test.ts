import { describe, expect, it } from 'vitest';
import { tryRun } from '../../deploy/cluster/run.ts';
import { canRunMachines } from '../support/cluster.ts';
import { making } from './kubectl/making.ts';
import { kubectlSuite } from './kubectl/suite.ts';

describe.skipIf(!(await canRunMachines()))('kubectl', () => {
  const suite = kubectlSuite();

  describe('making', () => making(suite));

  it.skip('has been driven through every verb of its help', async () => {
    const missing: string[] = [];
    for (const verb of await commandsOf([])) {
      if (!suite.driven.has(verb)) missing.push(verb);
      for (const sub of await commandsOf([verb])) {
        if (!suite.driven.has(`${verb} ${sub}`)) missing.push(`${verb} ${sub}`);
      }
    }
    expect(missing).toEqual([]);
  });
});

/** Those that its help names. */
async function commandsOf(command: readonly string[]): Promise<string[]> {
  const { stdout } = await tryRun('kubectl', [...command, '--help']);
  const ofGroups = stdout.split('\n\n').filter((group) => /Commands.*:\n/.test(group));
  return ofGroups.flatMap((group) => [...group.matchAll(/^ {2}([a-z-]+) {2,}/gm)].map((found) => found[1] ?? ''));
}
