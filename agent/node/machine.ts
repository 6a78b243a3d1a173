import { readFile, statfs } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import type { Pressure } from './node-status.ts';

/** Thresholds of pressure: available bytes of memory, and available shares of the disk and of process ids. */
const leastMemoryBytes = 100 * 2 ** 20;
const leastDiskShare = 0.05;
const leastPidShare = 0.1;

/** The machine's pressure and disk size. `dir`: on the file system that is measured. */
export function systemMachine(dir: string): { look(): Promise<{ pressure: Pressure; diskBytes: number }> } {
  return {
    async look() {
      const { blocks, bavail, bsize } = await statfs(dir);
      const [available, pidsLeft] = [await availableMemory(), await pidShareLeft()];
      const pressure = {
        memory: available < leastMemoryBytes,
        disk: bavail < blocks * leastDiskShare,
        pid: pidsLeft < leastPidShare,
      };
      return { pressure, diskBytes: blocks * bsize };
    },
  };
}

/** The ids of the machine, its hardware and its current boot; empty if the file cannot be read. */
export async function machineIds(): Promise<{ machineId: string; systemId: string; bootId: string }> {
  const read = async (path: string): Promise<string> => {
    try {
      return (await readFile(path, 'utf8')).trim();
    } catch (error) {
      // Only root can read the hardware's.
      if (['ENOENT', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
      throw error;
    }
  };
  return {
    machineId: await read('/etc/machine-id'),
    systemId: await read('/sys/class/dmi/id/product_uuid'),
    bootId: await read('/proc/sys/kernel/random/boot_id'),
  };
}

/** The first IPv4 address that is not of a loopback interface or of an engine's bridge. */
export function outwardAddress(): string | undefined {
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    if (/^(docker|br-|veth|cor)/.test(name)) continue;
    const found = addresses?.find(({ family, internal }) => family === 'IPv4' && !internal);
    if (found) return found.address;
  }
  return undefined;
}

async function availableMemory(): Promise<number> {
  const match = /^MemAvailable:\s+(\d+) kB/m.exec(await readFile('/proc/meminfo', 'utf8'));
  return match ? Number(match[1]) * 1024 : Number.POSITIVE_INFINITY;
}

async function pidShareLeft(): Promise<number> {
  const used = /\/(\d+) /.exec(await readFile('/proc/loadavg', 'utf8'));
  const most = Number((await readFile('/proc/sys/kernel/pid_max', 'utf8')).trim());
  return used && most > 0 ? 1 - Number(used[1]) / most : 1;
}
