import type { ProgramName } from './machine.ts';
import type { MachinePlan } from './plan.ts';

/**
 * How the machines of a cluster are made: of namespaces (`machines.ts`) or of processes (`hollow.ts`). All methods are idempotent except
 * powerOn, which refuses a running machine.
 */
export interface Hosting {
  /** Makes the shared parts, such as the switch. */
  create(): Promise<void>;
  powerOn(machine: MachinePlan): Promise<void>;
  powerCut(machine: MachinePlan): Promise<void>;
  /** Cuts the machine's cable, or repairs it. */
  setCable(machine: MachinePlan, state: 'up' | 'down'): Promise<void>;
  installEngine(machine: MachinePlan): Promise<void>;
  install(machine: MachinePlan, program: ProgramName, command: readonly string[]): Promise<void>;
  /** Lets the host reach the node's pods. */
  routePods(machine: MachinePlan, podCIDR: string): Promise<void>;
  /** Removes everything except the machines' disks, also of an incomplete cluster. */
  destroy(): Promise<void>;
}
