import type { Clock } from '../../shared/clock.ts';
import { removeCgroup } from './cgroups.ts';
import type { Hosting } from './hosting.ts';
import { type ContainerRuntime, install, installEngine, powerCut, powerOn } from './machine.ts';
import { createSwitch, removeNetwork, routePods, setCable } from './network.ts';
import type { ClusterPlan } from './plan.ts';
import { tryRun } from './run.ts';

/** Machines out of namespaces, on a switch. Needs root. */
export function machineHosting(plan: ClusterPlan, runtime: ContainerRuntime, clock: Clock): Hosting {
  return {
    create: () => createSwitch(plan),
    powerOn: (machine) => powerOn(plan, machine, clock),
    powerCut: (machine) => powerCut(plan, machine, clock),
    setCable: (machine, state) => setCable(plan, machine, state),
    installEngine: (machine) => installEngine(machine, runtime),
    install,
    routePods: (machine, podCIDR) => routePods(plan, machine, podCIDR),
    async destroy() {
      await Promise.all(plan.machines.map((machine) => powerCut(plan, machine, clock)));
      await removeNetwork(plan, async (_, pids) => {
        // Other processes inside the cluster's namespaces, such as a shell that was left open.
        for (const pid of pids) if (pid !== process.pid) await tryRun('kill', ['-KILL', String(pid)]);
      });
      for (const machine of plan.machines) await removeCgroup(machine.cgroup, clock);
    },
  };
}

/** crun starts containers faster than runc; without it the engine's default is used. */
export async function chooseRuntime(): Promise<ContainerRuntime> {
  const found = await tryRun('sh', ['-c', 'command -v crun']);
  return found.status === 0 ? { name: 'crun', path: found.stdout.trim() } : { name: 'runc' };
}
