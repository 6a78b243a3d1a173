import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { tryRun } from '../../deploy/cluster/run.ts';
import { root } from '../support/cluster.ts';

describe('npm run check', () => {
  it('finds no type error', async () => {
    const { status, stdout } = await tryRun(join(root, 'node_modules/.bin/tsc'), ['--noEmit'], {
      cwd: root,
      timeoutMs: 120_000,
    });
    expect(stdout).toBe('');
    expect(status).toBe(0);
  });

  it('finds no fault of style, import boundaries, import circles or file lengths', async () => {
    const { status, stdout, stderr } = await tryRun(join(root, 'node_modules/.bin/biome'), ['check', '.'], {
      cwd: root,
      timeoutMs: 120_000,
    });
    expect(status, stdout + stderr).toBe(0);
  });
});
