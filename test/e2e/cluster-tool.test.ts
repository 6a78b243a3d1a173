import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run, tryRun } from '../../deploy/cluster/run.ts';
import type { ClusterFile } from '../../deploy/cluster/state.ts';
import { canRunMachines, root } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { kubectlProgram } from '../support/kubectl-program.ts';

const tool = ['--import', 'tsx', join(root, 'deploy', 'cluster', 'main.ts')];
const cluster = (...args: string[]): Promise<string> =>
  run(process.execPath, [...tool, ...args], { cwd: root, timeoutMs: 120_000 });

describe.skipIf(!(await canRunMachines()))('npm run cluster', () => {
  it('makes a cluster of hollow nodes without any rights, which kubectl uses, and removes it', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'coracle-hollow-'));
    try {
      const said = await cluster('up', '--nodes', '2', '--dir', dir, '--runtime', 'fake');
      const file = JSON.parse(readFileSync(join(dir, 'cluster.json'), 'utf8')) as ClusterFile;
      expect(said).toContain(file.rest);
      for (const pem of [file.ca, file.cert, file.key]) expect(readFileSync(pem, 'utf8')).toMatch(/^-----BEGIN /);
      const kubectl = (...args: string[]): Promise<string> =>
        run(kubectlProgram, ['--kubeconfig', join(dir, 'kubeconfig'), ...args]);
      await eventually(async () => /node-1 +Ready.*node-2 +Ready/s.test(await kubectl('get', 'nodes')));
      await cluster('kill', '2', '--dir', dir);
      await eventually(async () => /node-2 +NotReady/.test(await kubectl('get', 'nodes')), {
        timeoutMs: 20_000,
        everyMs: 200,
      });
      await cluster('boot', '2', '--dir', dir);
      await eventually(async () => /node-2 +Ready/.test(await kubectl('get', 'nodes')), {
        timeoutMs: 30_000,
        everyMs: 200,
      });
      await expect(cluster('partition', '1', '--dir', dir)).rejects.toThrow(/hollow nodes have no cables/);
      await expect(cluster('up', '--dir', dir)).rejects.toThrow(/take it down first/);
    } finally {
      await cluster('down', '--dir', dir);
    }
    expect(existsSync(dir)).toBe(false);
    expect(
      (
        await tryRun('sh', [
          '-c',
          `cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c "[-]-data-dir ${dir}"`,
        ])
      ).stdout.trim(),
    ).toBe('0');
  });

  it('reports invalid arguments in one line', async () => {
    const dir = join(tmpdir(), 'coracle-no-cluster');
    await expect(cluster('kill', '1', '--dir', dir)).rejects.toThrow(/no cluster is up in/);
    await cluster('down', '--dir', dir);
    await expect(cluster('up', '--nodes', '0', '--runtime', 'fake', '--dir', dir)).rejects.toThrow(
      /1 to 200 nodes, not 0/,
    );
    await cluster('down', '--dir', dir);
  });
});
