import type { ContainerStats } from '../runtime.ts';
import type { FakeEngine } from './engine.ts';

/** What a hollow container uses when nobody says otherwise. */
const idle = { cpuMillis: 1, memoryBytes: 4 * 2 ** 20 };

/** As if each had always used just as much. */
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
