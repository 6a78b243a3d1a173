import type { Clock } from '../../../shared/clock.ts';
import { type CgroupFiles, cgroupOf, readCgroup } from '../cgroups.ts';
import type { ContainerStats } from '../runtime.ts';
import { type Engine, shortMs } from './engine.ts';

/**
 * The usage of containers, from their cgroup files: the engine's statistics take a second. The cgroup of a container is looked up once.
 */
export class StatsReader {
  readonly #engine: Engine;
  readonly #clock: Pick<Clock, 'monotonic'>;
  #files = new Map<string, CgroupFiles>();

  constructor(engine: Engine, clock: Pick<Clock, 'monotonic'>) {
    this.#engine = engine;
    this.#clock = clock;
  }

  async read(ids: readonly string[], signal?: AbortSignal): Promise<Map<string, ContainerStats>> {
    const located = new Map<string, CgroupFiles>();
    const found = new Map<string, ContainerStats>();
    for (const id of ids) {
      const files = this.#files.get(id) ?? (await this.#locate(id, signal));
      if (!files) continue;
      located.set(id, files);
      const usage = await readCgroup(files);
      if (usage) found.set(id, { ...usage, at: this.#clock.monotonic() });
    }
    this.#files = located;
    return found;
  }

  async #locate(id: string, signal?: AbortSignal): Promise<CgroupFiles | undefined> {
    const container = this.#engine.docker.getContainer(id);
    const look = (abortSignal: AbortSignal) => container.inspect({ abortSignal });
    const info = await this.#engine.find('inspect container', look, { signal, deadlineMs: shortMs });
    const files = info && info.State.Pid > 0 ? await cgroupOf(info.State.Pid) : undefined;
    return files && ofContainer(files, id);
  }
}

/**
 * The container's cgroup, also when its first process has moved into one below. Undefined for a cgroup of something else: then the process
 * id belongs to another namespace.
 */
export function ofContainer(files: CgroupFiles, id: string): CgroupFiles | undefined {
  const upTo = (path: string): string | undefined => {
    const parts = path.split('/');
    const at = parts.findIndex((part) => part.includes(id));
    return at < 0 ? undefined : parts.slice(0, at + 1).join('/');
  };
  if (files.version === 2) {
    const dir = upTo(files.dir);
    return dir === undefined ? undefined : { version: 2, dir };
  }
  const [cpu, memory] = [upTo(files.cpu), upTo(files.memory)];
  return cpu === undefined || memory === undefined ? undefined : { version: 1, cpu, memory };
}
