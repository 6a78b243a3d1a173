import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../shared/clock.ts';
import type { Hosting } from './hosting.ts';
import type { ProgramName } from './machine.ts';
import type { ClusterPlan, MachinePlan } from './plan.ts';
import { identify, isAlive, type ProcessIdentity, signalProcess, waitFor } from './process.ts';

const superviseScript = join(import.meta.dirname, 'supervise.sh');

/**
 * Machines that are processes on the loopback interface, for hollow nodes. They need no root. A power cut kills the machine's processes;
 * there are no cables.
 */
export function hollowHosting(plan: ClusterPlan, clock: Clock): Hosting {
  async function powerCut(machine: MachinePlan): Promise<void> {
    const supervisors = [...running(machine)];
    // A supervisor leads the group of what it started.
    for (const supervisor of supervisors) signalProcess(supervisor, 'SIGKILL', true);
    await waitFor(`${machine.name} dies`, 10_000, clock, () => !supervisors.some(isAlive));
    rmSync(join(machine.dir, 'supervisors'), { recursive: true, force: true });
  }

  return {
    create: async () => undefined,
    async powerOn(machine) {
      if ([...running(machine)].length > 0) throw new Error(`${machine.name} is running`);
      for (const dir of ['log', 'run', 'programs', 'supervisors'])
        mkdirSync(join(machine.dir, dir), { recursive: true });
      for (const program of readdirSync(join(machine.dir, 'programs'))) start(machine, program);
    },
    powerCut,
    async setCable() {
      throw new Error('hollow nodes have no cables: partition and heal need --runtime docker');
    },
    installEngine: async () => undefined,
    async install(machine, program, command) {
      writeFileSync(join(machine.dir, 'programs', program), JSON.stringify(command), { mode: 0o600 });
      start(machine, program);
    },
    routePods: async () => undefined,
    async destroy() {
      await Promise.all(plan.machines.map(powerCut));
    },
  };
}

function start(machine: MachinePlan, program: string): void {
  const command = JSON.parse(readFileSync(join(machine.dir, 'programs', program), 'utf8')) as string[];
  const log = openSync(join(machine.dir, 'log', 'init.log'), 'a');
  const child = spawn('sh', [superviseScript, program, machine.dir, ...command], {
    stdio: ['ignore', log, log],
    detached: true,
    cwd: '/',
  });
  closeSync(log);
  child.unref();
  const supervisor = child.pid === undefined ? undefined : identify(child.pid);
  if (supervisor === undefined) throw new Error(`${machine.name}: ${program} cannot be started`);
  writeFileSync(join(machine.dir, 'supervisors', program), JSON.stringify(supervisor));
}

function* running(machine: MachinePlan): Generator<ProcessIdentity> {
  for (const program of ['server', 'agent'] satisfies ProgramName[]) {
    try {
      const file = join(machine.dir, 'supervisors', program);
      const supervisor = JSON.parse(readFileSync(file, 'utf8')) as ProcessIdentity;
      if (isAlive(supervisor)) yield supervisor;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}
