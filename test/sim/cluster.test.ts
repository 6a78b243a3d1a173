import { describe, expect, it } from 'vitest';
import { run } from './run.ts';
import { drain, storm } from './weathers.ts';

/** Replay one run with SIM_SEED=n; try others than the first ones with SIM_RUNS=n, from seed SIM_FROM on. */
const { SIM_SEED, SIM_FROM = '1', SIM_RUNS = '2' } = process.env;
const first = Number(SIM_SEED ?? SIM_FROM);
const seeds = Array.from({ length: SIM_SEED ? 1 : Number(SIM_RUNS) }, (_, index) => first + index);
const timeout = 120_000;

describe('a cluster in a storm of faults and changes', () => {
  it.each(seeds)('keeps every promise and converges (replay: SIM_SEED=%i)', { timeout }, async (seed) => {
    const { broken, history } = await run(seed, storm);
    expect(broken).toEqual([]);
    // It was a storm: many more pods were made than were wanted.
    const pods = history.steps.flatMap(({ changes }) => changes.filter((one) => one.kind === 'Pod' && !one.before));
    expect(pods.length).toBeGreaterThan(60);
  });

  it('does the same again from the same seed', { timeout }, async () => {
    const short = { ...storm, stormMs: 8_000 };
    const runs = [await run(first, short), await run(first, short)];
    expect(runs[1]?.fingerprint).toBe(runs[0]?.fingerprint);
  });
});

describe('a cluster that is drained while its servers fail', () => {
  it.each(seeds)('keeps every budget and converges (replay: SIM_SEED=%i)', { timeout }, async (seed) => {
    const { broken, history } = await run(seed, drain);
    expect(broken).toEqual([]);
    const evicted = history.requests.filter(({ verb, outcome }) => verb === 'evict' && outcome === 'done');
    expect(evicted.length).toBeGreaterThan(5);
  });
});
