import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { ContainerInspectInfo } from 'dockerode';
import { diskUsage } from '../../host/disk-usage.ts';
import { type Engine, longMs, shortMs } from './engine.ts';

/**
 * The bytes of a container's writable layer and log files; undefined when there is no such container. Measured on the disk, as the engine's
 * measurement has no time limit; it is used only for a storage driver without a directory for the layer.
 */
export async function containerStorage(engine: Engine, id: string, signal: AbortSignal): Promise<number | undefined> {
  const container = engine.docker.getContainer(id);
  const look = (abortSignal: AbortSignal) => container.inspect({ abortSignal });
  const info = await engine.find('inspect container', look, { signal, deadlineMs: shortMs });
  if (!info) return undefined;
  const layer = (info.GraphDriver?.Data as { UpperDir?: string } | null)?.UpperDir;
  const logs = await logFiles(info);
  const used = await diskUsage(layer ? [layer, ...logs] : logs, signal);
  const bytes = [...used.values()].reduce((sum, each) => sum + each, 0);
  if (layer && used.has(layer)) return bytes;
  // SizeRw has to be requested, and is missing from dockerode's types.
  const weigh = (abortSignal: AbortSignal) => container.inspect({ abortSignal, size: true } as object);
  const weighed = await engine.find('measure container', weigh, { signal, deadlineMs: longMs });
  return bytes + ((weighed as (ContainerInspectInfo & { SizeRw?: number }) | undefined)?.SizeRw ?? 0);
}

/** The current log file and the rotated ones. */
async function logFiles({ LogPath: path }: ContainerInspectInfo): Promise<string[]> {
  if (!path) return [];
  const names = await readdir(dirname(path)).catch(() => []);
  return names.filter((name) => name.startsWith(basename(path))).map((name) => join(dirname(path), name));
}
