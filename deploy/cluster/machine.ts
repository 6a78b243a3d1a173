import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../shared/clock.ts';
import { removeCgroup } from './cgroups.ts';
import { plugIn, setCable, unplug } from './network.ts';
import type { ClusterPlan, MachinePlan } from './plan.ts';
import { firstChild, identify, isAlive, type ProcessIdentity, signalProcess, waitFor } from './process.ts';
import { run, tryRun } from './run.ts';

/** What a machine runs besides its engine. */
export interface MachineProgram {
  readonly name: 'agent' | 'server';
  readonly command: readonly string[];
}

export interface MachineSoftware {
  /** Whether a Docker engine of its own runs on it. */
  readonly engine: boolean;
  readonly program?: MachineProgram;
}

/** The container runtime of the machines' engines: `path` undefined is the engine's own default. */
export interface ContainerRuntime {
  readonly name: string;
  readonly path?: string;
}

const initScript = join(import.meta.dirname, 'machine-init.sh');
const deathDeadlineMs = 10_000;

/**
 * Presses the power button: the machine boots with the disk it has. Returns when its first process runs; its programs
 * are then on their way.
 */
export async function powerOn(
  plan: ClusterPlan,
  machine: MachinePlan,
  software: MachineSoftware,
  runtime: ContainerRuntime,
  clock: Clock,
): Promise<void> {
  if (runningInit(machine) !== undefined) throw new Error(`${machine.name} is running`);
  // What a power cut leaves in the kernel: the machine's end of the cable, and its groups.
  await cleanUp(plan, machine, clock);
  mkdirSync(join(machine.dir, 'log'), { recursive: true });
  if (software.engine) writeFileSync(join(machine.dir, 'daemon.json'), engineConfig(machine, runtime));
  await plugIn(plan, machine);

  const log = openSync(join(machine.dir, 'log', 'init.log'), 'a');
  const child = spawn(
    'nsenter',
    [
      `--net=/run/netns/${machine.netns}`,
      ...['unshare', '--mount', '--propagation', 'private', '--pid', '--uts', '--ipc', '--fork', '--kill-child'],
      ...['--mount-proc', 'sh', initScript, machine.name, machine.dir],
      ...(software.engine ? ['--engine'] : []),
      ...(software.program?.command ?? []),
    ],
    {
      stdio: ['ignore', log, log],
      detached: true,
      cwd: '/',
      env: { ...process.env, MACHINE_PROGRAM: software.program?.name ?? 'agent' },
    },
  );
  closeSync(log);
  child.unref();
  const { pid } = child;
  if (pid === undefined) throw new Error(`${machine.name}: nsenter cannot be started`);
  const init = await waitFor(`${machine.name} boots`, 5_000, clock, () => {
    if (identify(pid) === undefined)
      throw new Error(`${machine.name} did not boot: ${tail(join(machine.dir, 'log', 'init.log'))}`);
    const first = firstChild(pid);
    return first === undefined ? undefined : identify(first);
  });
  writeFileSync(initFile(machine), JSON.stringify(init));
}

/**
 * A power cut: the cable goes dead first, so that nobody hears a good-bye; then everything on the machine is gone at
 * once. Its disk stays. Returns when the last process is dead. Does nothing to a machine that is off.
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

/** A cut cable: the machine goes on, alone. */
export async function cutCable(plan: ClusterPlan, machine: MachinePlan): Promise<void> {
  await setCable(plan, machine, 'down');
}

export async function repairCable(plan: ClusterPlan, machine: MachinePlan): Promise<void> {
  await setCable(plan, machine, 'up');
}

/** Sends a signal to one program of the machine: its `engine`, `agent` or `server`. Its supervisor starts it again. */
export async function signalProgram(machine: MachinePlan, program: string, signal: string): Promise<void> {
  const init = runningInit(machine);
  if (init === undefined) throw new Error(`${machine.name} is off`);
  const pid = readFileSync(join(machine.dir, 'run', `${program}.pid`), 'utf8').trim();
  // By the machine's own count of processes: nothing outside it can be hit.
  await run('nsenter', ['--target', String(init.pid), '--pid', '--mount', 'kill', `-${signal}`, pid]);
}

/** While a program is held, its supervisor does not start it again. */
export function holdProgram(machine: MachinePlan, program: string, held: boolean): void {
  const file = join(machine.dir, 'run', `${program}.hold`);
  if (held) writeFileSync(file, '');
  else rmSync(file, { force: true });
}

/** The program's pid as its machine counts, undefined while it is not running. */
export function programPid(machine: MachinePlan, program: string): number | undefined {
  try {
    return Number(readFileSync(join(machine.dir, 'run', `${program}.pid`), 'utf8'));
  } catch {
    return undefined;
  }
}

/** Runs a command on the machine, as a person at its keyboard would. */
export async function runOn(machine: MachinePlan, command: readonly string[], timeoutMs = 30_000): Promise<string> {
  const init = runningInit(machine);
  if (init === undefined) throw new Error(`${machine.name} is off`);
  const namespaces = ['--net', '--pid', '--mount', '--uts', '--ipc'];
  return run('nsenter', ['--target', String(init.pid), ...namespaces, ...command], { timeoutMs });
}

/** The last lines of a machine's log. */
export function machineLog(machine: MachinePlan, program: string): string {
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
 * The engine leaves the network to the agent: no bridge of its own and none of its rules. Without live-restore a
 * restart of the engine would kill its containers.
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

function tail(file: string): string {
  try {
    return readFileSync(file, 'utf8').slice(-2000).trim();
  } catch {
    return '(no log)';
  }
}
