import { defineConfig } from 'vitest/config';
import { keptWorkers } from './kept-worker.ts';

/** The tests of one room, which `test/mutate/main.ts` passes in; one project, as Stryker's runner expects. */
// biome-ignore lint/style/noDefaultExport: vitest reads the default export
export default defineConfig({
  plugins: [
    {
      name: 'kept-worker',
      configureVitest({ project }) {
        project.config.pool = 'kept';
        project.config.poolRunner = keptWorkers();
      },
    },
  ],
  test: {
    include: (process.env.MUTATE_TESTS ?? '').split(','),
    setupFiles: ['test/mutate/coverage.ts'],
    isolate: false,
    testTimeout: 5_000,
  },
});
