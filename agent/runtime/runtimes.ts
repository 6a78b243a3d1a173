import type { RuntimeModule } from './module.ts';

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
