import { defineConfig } from 'vitest/config';
import { closingLine } from './test/support/closing-line.ts';

/** They measure memory, pauses or shares of the processor, or look at all that an engine or the kernel holds. */
const alone = [
  'contract/runtime',
  'contract/runtime-docker',
  'contract/runtime-docker-streams',
  'integration/agent-docker',
  'integration/fairness',
  'integration/full-store',
  'integration/fuzz-hostile',
  'integration/kubectl-streams',
  'integration/large-lists',
  'integration/liveness',
  'integration/network',
  'integration/pod-streams',
  'integration/stall',
].map((name) => `test/${name}.test.ts`);

/**
 * The suites run one after the other. Two files of the first two run at a time, since most of them wait for other
 * processes; those that measure, and whole clusters, have the machine for themselves.
 */
// biome-ignore lint/style/noDefaultExport: vitest reads the default export
export default defineConfig({
  test: {
    reporters: ['default', closingLine()],
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{shared,control-plane,agent,cli,deploy,proto,test/support}/**/*.test.ts'],
          maxWorkers: 2,
          // No module keeps state, so files can share what they import: most of the suite's time was that.
          isolate: false,
          testTimeout: 20_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'parts',
          include: ['test/{contract,integration,sim}/**/*.test.ts'],
          exclude: alone,
          maxWorkers: 2,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'alone',
          include: alone,
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 180_000,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
