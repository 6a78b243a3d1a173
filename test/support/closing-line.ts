import type { Reporter } from 'vitest/node';

/** The last line of the output, alone on it: `12 passed, 0 failed`, and `, 3 skipped` if any were. */
export function closingLine(write: (line: string) => void = (line) => console.log(line)): Reporter {
  return {
    onTestRunEnd(modules, unhandledErrors) {
      const count = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
      for (const module of modules) {
        let failed = 0;
        for (const test of module.children.allTests()) {
          const { state } = test.result();
          if (state === 'passed') count.passed++;
          else if (state === 'failed') failed++;
          else count.skipped++;
        }
        // A file that could not be loaded has no tests, and a hook that failed belongs to none.
        count.failed += module.state() === 'failed' ? Math.max(failed, 1) : failed;
      }
      const line = `${count.passed} passed, ${count.failed} failed${count.skipped > 0 ? `, ${count.skipped} skipped` : ''}`;
      // After whatever the other reporters still have to say.
      process.once('exit', () => write(line));
    },
  };
}
