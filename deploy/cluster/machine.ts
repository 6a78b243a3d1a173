import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../shared/clock.ts';
import { removeCgroup } from './cgroups.ts';
import { plugIn, unplug } from './network.ts';
import type { ClusterPlan, MachinePlan } from './plan.ts';
import { firstChild, identify, isAlive, type ProcessIdentity, signalProcess, waitFor } from './process.ts';
import { run, tryRun } from './run.ts';

/** `engine` is the machine's dockerd; `agent` is the node's program, `server` the control plane's. */
export type ProgramName = 'engine' | 'agent' | 'server';

/** The container runtime of the machines' engines: `path` undefined is the engine's own default. */
export interface ContainerRuntime {
  readonly name: string;
  readonly path?: string;
}

const initScript = join(import.meta.dirname, 'machine-init.sh');
const bootDeadlineMs = 10_000;
const deathDeadlineMs = 10_000;

/**
 * Power on: the machine boots with its disk and starts the programs on it. Resolves when its first process runs; its programs are then
 * starting.
 */
export async function powerOn(plan: ClusterPlan, machine: MachinePlan, clock: Clock): Promise<void> {
  if (isRunning(machine)) throw new Error(`${machine.name} is running`);
  // A power cut leaves the machine's end of the cable and its groups in the kernel.
  await cleanUp(plan, machine, clock);
  mkdirSync(join(machine.dir, 'log'), { recursive: true });
  rmSync(join(machine.dir, 'run'), { recursive: true, force: true });
  await plugIn(plan, machine);

  const log = openSync(join(machine.dir, 'log', 'init.log'), 'a');
  const child = spawn(
    'nsenter',
    [
      `--net=/run/netns/${machine.netns}`,
      'unshare',
      '--mount',
      '--propagation',
      'private',
      '--pid',
      '--uts',
      '--ipc',
      '--fork',
      '--kill-child',
      '--mount-proc',
      'sh',
      initScript,
      machine.name,
      machine.dir,
    ],
    { stdio: ['ignore', log, log], detached: true, cwd: '/' },
  );
  closeSync(log);
  child.unref();
  const { pid } = child;
  if (pid === undefined) throw new Error(`${machine.name}: nsenter cannot be started`);
  const init = await waitFor(`${machine.name} boots`, bootDeadlineMs, clock, () => {
    if (identify(pid) === undefined) throw new Error(`${machine.name} did not boot: ${programLog(machine, 'init')}`);
    const first = firstChild(pid);
    return first === undefined ? undefined : identify(first);
  });
  writeFileSync(initFile(machine), JSON.stringify(init));
  await waitFor(`${machine.name} boots`, bootDeadlineMs, clock, () => {
    if (!isAlive(init)) throw new Error(`${machine.name} did not boot: ${programLog(machine, 'init')}`);
    return existsSync(join(machine.dir, 'run', 'start'));
  });
}

/** Installs a program on the machine's disk: it runs now, and after every boot. */
export async function install(machine: MachinePlan, program: ProgramName, command: readonly string[]): Promise<void> {
  const programs = join(machine.dir, 'programs');
  mkdirSync(programs, { recursive: true });
  writeFileSync(join(programs, program), `exec ${command.map(quoted).join(' ')}\n`, { mode: 0o600 });
  if (isRunning(machine)) await writeFile(join(machine.dir, 'run', 'start'), `${program}\n`);
}

/** Installs an engine on the machine's disk. */
export async function installEngine(machine: MachinePlan, runtime: ContainerRuntime): Promise<void> {
  mkdirSync(machine.dir, { recursive: true });
  const config = join(machine.dir, 'daemon.json');
  writeFileSync(config, engineConfig(machine, runtime));
  await install(machine, 'engine', ['dockerd', '--config-file', config]);
}

/**
 * A power cut: the link goes down first, so that no peer gets a closed connection; then all processes are killed at once. The disk
 * stays. Resolves when the last process has ended. Does nothing to a machine that is off.
 */
export async function powerCut(plan: ClusterPlan, machine: MachinePlan, clock: Clock): Promise<void> {
  const init = runningInit(machine);
  if (init !== undefined) {
    await tryRun('ip', ['-n', plan.switchNetns, 'link', 'set', machine.port, 'down']);
    signalProcess(init, 'SIGKILL');
    await waitFor(`${machine.name} dies`, deathDeadlineMs, clock, () => !isAlive(init));
  }
  rmSync(initFile(machine), { force: true });
  await cleanUp(plan, machine, clock);
}

export function isRunning(machine: MachinePlan): boolean {
  return runningInit(machine) !== undefined;
}

/** Sends a signal (`KILL`) to one program of the machine. Its supervisor starts it again. */
export async function signalProgram(machine: MachinePlan, program: ProgramName, signal: string): Promise<void> {
  const init = runningInit(machine);
  if (init === undefined) throw new Error(`${machine.name} is off`);
  const pid = readFileSync(join(machine.dir, 'run', `${program}.pid`), 'utf8').trim();
  // By a pid of the machine's pid namespace: no other process can be signalled.
  await run('nsenter', ['--target', String(init.pid), '--pid', '--mount', 'kill', `-${signal}`, pid]);
}

/** While a program is held, its supervisor does not start it again. */
export function holdProgram(machine: MachinePlan, program: ProgramName, held: boolean): void {
  const file = join(machine.dir, 'run', `${program}.hold`);
  if (held) writeFileSync(file, '');
  else rmSync(file, { force: true });
}

/** The program's pid in its machine's namespace; undefined while it is not running. */
export function programPid(machine: MachinePlan, program: ProgramName): number | undefined {
  try {
    return Number(readFileSync(join(machine.dir, 'run', `${program}.pid`), 'utf8'));
  } catch {
    return undefined;
  }
}

/** Runs a command on the machine. */
export async function runOn(machine: MachinePlan, command: readonly string[], timeoutMs = 30_000): Promise<string> {
  const init = runningInit(machine);
  if (init === undefined) throw new Error(`${machine.name} is off`);
  const namespaces = ['--net', '--pid', '--mount', '--uts', '--ipc'];
  return run('nsenter', ['--target', String(init.pid), ...namespaces, ...command], { timeoutMs });
}

/** The end of a program's log on the machine. */
export function programLog(machine: MachinePlan, program: ProgramName | 'init'): string {
  return tail(join(machine.dir, 'log', `${program}.log`));
}

async function cleanUp(plan: ClusterPlan, machine: MachinePlan, clock: Clock): Promise<void> {
  await unplug(plan, machine);
  await removeCgroup(machine.cgroup, clock);
}

function runningInit(machine: MachinePlan): ProcessIdentity | undefined {
  try {
    const init = JSON.parse(readFileSync(initFile(machine), 'utf8')) as ProcessIdentity;
    return isAlive(init) ? init : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function initFile(machine: MachinePlan): string {
  return join(machine.dir, 'init.json');
}

/**
 * The agent makes the network: the engine has no bridge and no rules. Without live-restore a restart of the engine would kill its
 * containers.
 */
function engineConfig(machine: MachinePlan, runtime: ContainerRuntime): string {
  const config = {
    hosts: [`unix://${machine.engine}`],
    'data-root': join(machine.dir, 'docker'),
    'exec-root': '/run/docker',
    pidfile: '/run/docker.pid',
    'cgroup-parent': `/${machine.cgroup}`,
    'exec-opts': ['native.cgroupdriver=cgroupfs'],
    'live-restore': true,
    bridge: 'none',
    iptables: false,
    'userland-proxy': false,
    'log-driver': 'json-file',
    ...(runtime.path === undefined
      ? {}
      : { 'default-runtime': runtime.name, runtimes: { [runtime.name]: { path: runtime.path } } }),
  };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

function tail(file: string): string {
  try {
    return readFileSync(file, 'utf8').slice(-2000).trim();
  } catch {
    return '(no log)';
  }
}
