import type { ProgramName } from './machine.ts';
import type { MachinePlan } from './plan.ts';

/**
 * What the machines of a cluster are made of: `machines.ts` makes real ones out of namespaces, `hollow.ts` only
 * processes. All methods do nothing where nothing is to be done, but for powerOn, which refuses a running machine.
 */
export interface Hosting {
  /** Makes what the machines share. */
  create(): Promise<void>;
  powerOn(machine: MachinePlan): Promise<void>;
  powerCut(machine: MachinePlan): Promise<void>;
  /** Cuts the machine's cable, or repairs it. */
  setCable(machine: MachinePlan, state: 'up' | 'down'): Promise<void>;
  installEngine(machine: MachinePlan): Promise<void>;
  install(machine: MachinePlan, program: ProgramName, command: readonly string[]): Promise<void>;
  /** Lets the host reach the node's pods. */
  routePods(machine: MachinePlan, podCIDR: string): Promise<void>;
  /** Removes everything but the machines' disks, also of a cluster that was made only in part. */
  destroy(): Promise<void>;
}
