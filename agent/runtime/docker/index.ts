import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RuntimeDeps, RuntimeOptions } from '../module.ts';
import { DockerRuntime } from './docker.ts';

export async function createRuntime(
  { clock, network }: RuntimeDeps,
  { dockerSocket, dataDir, cgroupParent, runtimeName }: RuntimeOptions,
): Promise<DockerRuntime> {
  return new DockerRuntime(
    { clock, ...(network ? { network } : {}) },
    {
      socketPath: dockerSocket,
      stateDir: join(dataDir, 'runtime'),
      minOomScoreAdj: await lowestOomScore(),
      ...(cgroupParent ? { cgroupParent } : {}),
      ...(runtimeName ? { runtimeName } : {}),
    },
  );
}

/**
 * The lowest `oom_score_adj` that this machine's engine can give: without CAP_SYS_RESOURCE a process cannot go below
 * where it is. For `minOomScoreAdj`.
 */
export async function lowestOomScore(): Promise<number> {
  const sysResource = 24n;
  const status = await readFile('/proc/self/status', 'utf8');
  const capabilities = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`);
  if ((capabilities >> sysResource) & 1n) return -1000;
  return Number((await readFile('/proc/self/oom_score_adj', 'utf8')).trim());
}
