import { afterAll } from 'vitest';

interface StrykerState {
  mutantCoverage?: unknown;
  hitCount?: number;
}
interface FileMeta {
  mutantCoverage?: unknown;
  hitCount?: number | undefined;
}

/**
 * Hands Stryker what each test covered. Its own setup file takes the suite as the first argument of `afterAll`,
 * which Vitest 4 refuses; without coverage every mutant would run every test in a fresh thread.
 */
// biome-ignore lint/correctness/noEmptyPattern: Vitest reads the names of the fixtures from this pattern
afterAll(({}, suite) => {
  const state = (globalThis as { __stryker__?: StrykerState }).__stryker__;
  const meta = suite.meta as FileMeta;
  meta.mutantCoverage = state?.mutantCoverage;
  meta.hitCount = state?.hitCount;
});
