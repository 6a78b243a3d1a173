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

/** Options of the command line. */
export interface RuntimeOptions {
  readonly dataDir: string;
  readonly dockerSocket: string;
  readonly cgroupParent?: string | undefined;
  /** The engine's name of the OCI runtime, when not its default. */
  readonly runtimeName?: string | undefined;
}

/** The exports of a runtime's `index.ts`. */
export interface RuntimeModule {
  createRuntime(deps: RuntimeDeps, options: RuntimeOptions): Promise<Runtime>;
}
