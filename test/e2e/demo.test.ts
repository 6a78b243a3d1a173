import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { namespaces } from '../../deploy/cluster/network.ts';
import { clusterId } from '../../deploy/cluster/plan.ts';
import { openDirectory } from '../../deploy/cluster/state.ts';
import { canRunMachines, root } from '../support/cluster.ts';

const story = 'The story held, every step of it';

describe.skipIf(!(await canRunMachines()))('the demo', () => {
  const dirs: string[] = [];
  const scratch = (): string => {
    const dir = openDirectory(mkdtempSync(join(tmpdir(), 'coracle-demo-')));
    dirs.push(dir);
    return dir;
  };
  afterEach(() => {
    for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true });
  });

  it('runs to the end in less than two minutes, and leaves nothing behind', async () => {
    const dir = scratch();
    const { status, output, ms } = await tell('demo.ts', ['--dir', dir]);
    console.log(output);
    expect(output).toContain(story);
    expect(status).toBe(0);
    expect(ms).toBeLessThan(120_000);
    expect(await namespaces(clusterId(dir))).toEqual([]);
  }, 180_000);

  it('removes everything when it is interrupted, and reports the failure', async () => {
    const dir = scratch();
    const { status, output } = await tell('demo.ts', ['--dir', dir], 'three nodes join');
    expect(output).toContain('interrupted');
    expect(output).not.toContain(story);
    expect(status).toBe(1);
    expect(await namespaces(clusterId(dir))).toEqual([]);
  }, 120_000);

  it('runs on docker-compose as well, from a base image built on the spot', async () => {
    const { status, output } = await tell('demo-compose.ts', []);
    console.log(output);
    expect(output).toContain(story);
    expect(status).toBe(0);
  }, 360_000);
});

/** Runs a demo; interrupts it, as Ctrl-C does, once it has written `until`. */
function tell(
  script: string,
  args: string[],
  until?: string,
): Promise<{ status: number | null; output: string; ms: number }> {
  const began = performance.now();
  const child = spawn(process.execPath, ['--import', 'tsx', join('deploy', script), ...args], { cwd: root });
  let output = '';
  const hear = (part: Buffer): void => {
    const told = until !== undefined && output.includes(until);
    output += part;
    if (until !== undefined && !told && output.includes(until)) child.kill('SIGINT');
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, output, ms: performance.now() - began }));
  });
}
