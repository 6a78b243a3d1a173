import type { RuntimeModule } from './module.ts';

export interface RuntimeEntry {
  /** Its pods have no processes: they need no volumes, network or tokens, and use no resources of the machine. */
  readonly hollow: boolean;
  /** Loads the runtime's folder when it is chosen. */
  load(): Promise<RuntimeModule>;
}

export type RuntimeName = 'docker' | 'fake';

export const runtimes: Readonly<Record<RuntimeName, RuntimeEntry>> = {
  docker: { hollow: false, load: () => import('./docker/index.ts') },
  fake: { hollow: true, load: () => import('./fake/index.ts') },
};

export const runtimeNames = Object.keys(runtimes) as RuntimeName[];
