import { readFile } from 'node:fs/promises';

/** The usage of a cgroup. */
export interface CgroupUsage {
  /** Nanoseconds of all processors together, since it was made. */
  readonly cpuNanoseconds: number;
  /** Its memory without inactive file pages: Kubernetes' working set. */
  readonly workingSetBytes: number;
}

/** The directories of a cgroup; v1 has a hierarchy for each controller, v2 one for all. */
export type CgroupFiles =
  | { readonly version: 1; readonly cpu: string; readonly memory: string }
  | { readonly version: 2; readonly dir: string };

interface Mount {
  /** The part of the hierarchy that is mounted there. */
  readonly root: string;
  readonly point: string;
  /** Empty for v2. */
  readonly controllers: readonly string[];
  readonly version: 1 | 2;
}

/** The cgroup of a process. Undefined when the process has ended or its cgroups are not mounted here. */
export async function cgroupOf(pid: number): Promise<CgroupFiles | undefined> {
  try {
    const [memberships, mounts] = await Promise.all([
      readFile(`/proc/${pid}/cgroup`, 'utf8'),
      readFile('/proc/self/mountinfo', 'utf8'),
    ]);
    return locate(memberships, mounts);
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** Undefined when the cgroup is gone. */
export async function readCgroup(files: CgroupFiles): Promise<CgroupUsage | undefined> {
  try {
    if (files.version === 1) {
      const [cpu, used, stat] = await Promise.all([
        readFile(`${files.cpu}/cpuacct.usage`, 'utf8'),
        readFile(`${files.memory}/memory.usage_in_bytes`, 'utf8'),
        readFile(`${files.memory}/memory.stat`, 'utf8'),
      ]);
      return usageOf(Number(cpu), Number(used), entry(stat, 'total_inactive_file'));
    }
    const [cpu, used, stat] = await Promise.all([
      readFile(`${files.dir}/cpu.stat`, 'utf8'),
      readFile(`${files.dir}/memory.current`, 'utf8'),
      readFile(`${files.dir}/memory.stat`, 'utf8'),
    ]);
    return usageOf(entry(cpu, 'usage_usec') * 1000, Number(used), entry(stat, 'inactive_file'));
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** `memberships`: a `/proc/PID/cgroup`; `mounts`: a `/proc/PID/mountinfo`. */
export function locate(memberships: string, mounts: string): CgroupFiles | undefined {
  const seen = parseMounts(mounts);
  const paths = new Map<string, string>();
  for (const line of memberships.split('\n')) {
    const [, controllers = '', ...path] = line.split(':');
    if (path.length > 0) for (const name of controllers.split(',')) paths.set(name, path.join(':'));
  }
  const v1 = (controller: string): string | undefined => {
    const path = paths.get(controller);
    return path === undefined
      ? undefined
      : under(
          path,
          seen.filter(({ version, controllers }) => version === 1 && controllers.includes(controller)),
        );
  };
  const [cpu, memory] = [v1('cpuacct'), v1('memory')];
  if (cpu !== undefined && memory !== undefined) return { version: 1, cpu, memory };
  const path = paths.get('');
  const unified = seen.filter(({ version }) => version === 2);
  const dir = path === undefined ? undefined : under(path, unified);
  return dir === undefined ? undefined : { version: 2, dir };
}

function parseMounts(text: string): Mount[] {
  return text.split('\n').flatMap((line): Mount[] => {
    const [mountFields = '', kind = ''] = line.split(' - ');
    const [, , , root = '', point = ''] = mountFields.split(' ');
    const [type, , options = ''] = kind.split(' ');
    if (type === 'cgroup2') return [{ root, point, controllers: [], version: 2 }];
    return type === 'cgroup' ? [{ root, point, controllers: options.split(','), version: 1 }] : [];
  });
}

/** The directory of a cgroup under the first mount that has it. */
function under(path: string, mounts: readonly Mount[]): string | undefined {
  for (const { root, point } of mounts) {
    if (root === '/') return `${point}${path}`.replace(/\/$/, '');
    if (path === root || path.startsWith(`${root}/`)) return `${point}${path.slice(root.length)}`;
  }
  return undefined;
}

function usageOf(cpuNanoseconds: number, used: number, inactive: number): CgroupUsage {
  return { cpuNanoseconds, workingSetBytes: Math.max(0, used - inactive) };
}

function entry(text: string, name: string): number {
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
}

function isGone(error: unknown): boolean {
  // ESRCH, ENODEV: it was removed while it was read.
  return ['ENOENT', 'ESRCH', 'ENODEV'].includes((error as NodeJS.ErrnoException).code ?? '');
}
