import type { Clock } from '../../shared/clock.ts';
import type { Random } from '../../shared/random.ts';
import type { PodNetwork } from '../network/network.ts';
import type { Runtime } from './runtime.ts';

export interface RuntimeDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** Absent: hollow pods, whose addresses are not routed. */
  readonly network?: PodNetwork;
}

/** What the command line says of the runtime. */
export interface RuntimeOptions {
  readonly dataDir: string;
  readonly dockerSocket: string;
  readonly cgroupParent?: string | undefined;
  /** The engine's name of the OCI runtime, when not its default. */
  readonly runtimeName?: string | undefined;
}

/** What the `index.ts` of a runtime's folder exports. */
export interface RuntimeModule {
  createRuntime(deps: RuntimeDeps, options: RuntimeOptions): Promise<Runtime>;
}

export interface RuntimeEntry {
  /** Its pods have no processes: no volumes, no network, no tokens, and they use nothing of the machine. */
  readonly hollow: boolean;
  /** Loads the runtime's folder; those that are not chosen stay unloaded. */
  load(): Promise<RuntimeModule>;
}

export type RuntimeName = 'docker' | 'fake';

export const runtimes: Readonly<Record<RuntimeName, RuntimeEntry>> = {
  docker: { hollow: false, load: () => import('./docker/index.ts') },
  fake: { hollow: true, load: () => import('./fake/index.ts') },
};

export const runtimeNames = Object.keys(runtimes) as RuntimeName[];
