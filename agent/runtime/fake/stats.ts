import type { ContainerStats } from '../runtime.ts';
import type { FakeEngine } from './engine.ts';

/** The default usage of a hollow container. */
const idle = { cpuMillis: 1, memoryBytes: 4 * 2 ** 20 };

/** The usage, constant since the start. */
export function fakeStats(engine: FakeEngine, ids: readonly string[]): Map<string, ContainerStats> {
  const found = new Map<string, ContainerStats>();
  for (const id of ids) {
    const container = engine.containers.get(id);
    if (container?.state !== 'running' || container.startedAt === undefined) continue;
    const { cpuMillis = idle.cpuMillis, memoryBytes = idle.memoryBytes } = container.behaviour;
    const ranMs = Math.max(0, engine.clock.now() - container.startedAt);
    found.set(id, {
      at: engine.clock.monotonic(),
      cpuNanoseconds: Math.round(ranMs * cpuMillis * 1000),
      workingSetBytes: memoryBytes,
    });
  }
  return found;
}
