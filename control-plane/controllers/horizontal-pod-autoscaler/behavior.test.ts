import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { HorizontalPodAutoscaler } from '../../../shared/generated/types.ts';
import { behaviorOf, type Past, pruned } from './behavior.ts';
import { planAutoscaler } from './plan.ts';

type Spec = HorizontalPodAutoscaler['spec'];

const policy = fc.record({
  type: fc.constantFrom('Pods', 'Percent'),
  value: fc.integer({ min: 1, max: 120 }),
  periodSeconds: fc.integer({ min: 1, max: 120 }),
});
const rules = fc.record(
  {
    stabilizationWindowSeconds: fc.integer({ min: 0, max: 300 }),
    selectPolicy: fc.constantFrom('Max', 'Min', 'Disabled'),
    policies: fc.array(policy, { minLength: 1, maxLength: 3 }),
  },
  { requiredKeys: ['policies'] },
);
const behavior = fc.option(fc.record({ scaleUp: rules, scaleDown: rules }, { requiredKeys: [] }), { nil: undefined });
const wishes = fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 60 });

interface Moment {
  readonly at: number;
  readonly wanted: number;
  readonly before: number;
  readonly after: number;
}

/** Runs an autoscaler on metrics that ask for `wanted` replicas, every 15 seconds. */
function run(spec: Spec, start: number, wanted: readonly number[]): Moment[] {
  let replicas = start;
  let past: Past = { recommendations: [{ replicas: start, at: 0 }], changes: [] };
  return wanted.map((want, index) => {
    const at = index * 15_000;
    const before = replicas;
    const autoscaler = { metadata: { name: 'a' }, spec } as HorizontalPodAutoscaler;
    const metrics = [{ replicas: want, name: 'cpu', status: { type: 'Resource' } }];
    const plan = planAutoscaler({ autoscaler, current: replicas, metrics, past, at, now: at });
    replicas = plan.scale?.replicas ?? replicas;
    past = pruned(
      {
        recommendations:
          plan.recommendation === undefined
            ? past.recommendations
            : [...past.recommendations, { replicas: plan.recommendation, at }],
        changes: replicas === before ? past.changes : [...past.changes, { by: replicas - before, at }],
      },
      behaviorOf(spec),
      at,
    );
    return { at, wanted: want, before, after: replicas };
  });
}

/** The replicas at the start of the window of `ms` that ends at a moment. */
function atStart(history: readonly Moment[], { at }: Moment, ms: number): number {
  return history.find((one) => one.at > at - ms)?.before ?? 0;
}

const specOf = (minReplicas: number, maxReplicas: number, rest: Partial<Spec>): Spec =>
  ({ minReplicas, maxReplicas, ...rest }) as Spec;

describe('an autoscaler, whatever its metrics ask for and its behavior allows,', () => {
  it('is never outside min..max', () => {
    fc.assert(
      fc.property(behavior, wishes, fc.integer({ min: 1, max: 10 }), fc.nat(40), (rules, wanted, min, room) => {
        const history = run(specOf(min, min + room, { behavior: rules }), min + Math.floor(room / 2), wanted);
        for (const { after } of history) expect(after >= min && after <= min + room).toBe(true);
      }),
    );
  });

  it('is never faster than the policies allow in any window', () => {
    fc.assert(
      fc.property(behavior, wishes, (given, wanted) => {
        const spec = specOf(1, 60, { behavior: given });
        const { up, down } = behaviorOf(spec);
        const history = run(spec, 20, wanted);
        for (const moment of history) {
          const { before, after } = moment;
          if (after === before) continue;
          const { selectPolicy, policies } = after > before ? up : down;
          expect(selectPolicy).not.toBe('Disabled');
          const allowed = policies.map(({ type, value, periodMs }) => {
            const start = atStart(history, moment, periodMs);
            if (after > before)
              return after <= (type === 'Pods' ? start + value : Math.ceil((start * (100 + value)) / 100));
            return after >= (type === 'Pods' ? start - value : Math.trunc((start * (100 - value)) / 100));
          });
          expect(selectPolicy === 'Min' ? allowed.every(Boolean) : allowed.some(Boolean)).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('never scales down below the maximum recommendation of the window, nor up above the minimum of its window', () => {
    fc.assert(
      fc.property(behavior, wishes, (given, wanted) => {
        const spec = specOf(1, 60, { behavior: given });
        const { up, down } = behaviorOf(spec);
        const history = run(spec, 20, wanted);
        for (const { at, before, after } of history) {
          const within = (ms: number): number[] => [
            ...history.filter((one) => one.at <= at && one.at > at - ms).map((one) => one.wanted),
            ...(0 > at - ms ? [20] : []),
          ];
          if (after < before)
            expect(after).toBeGreaterThanOrEqual(Math.min(before, Math.max(...within(down.windowMs), 1)));
          const least = within(up.windowMs);
          if (after > before && least.length > 0) expect(after).toBeLessThanOrEqual(Math.min(...least));
        }
      }),
      { numRuns: 300 },
    );
  });
});

it('by default goes up by 4 pods or 100 percent in 15 seconds, and down after five minutes', () => {
  const up = run(specOf(1, 100, {}), 1, [50, 50, 50, 50, 50]);
  expect(up.map(({ after }) => after)).toEqual([5, 10, 20, 40, 50]);
  const down = run(
    specOf(1, 100, {}),
    10,
    Array.from({ length: 22 }, () => 1),
  );
  expect(down.findIndex(({ after }) => after === 1)).toBe(20);
});

it('after a change of controllers waits as long as the unknown changes before count', () => {
  const autoscaler = { metadata: { name: 'a' }, spec: specOf(1, 100, {}) } as HorizontalPodAutoscaler;
  const metrics = [{ replicas: 50, name: 'cpu', status: { type: 'Resource' } }];
  const past: Past = { recommendations: [], changes: [{ by: undefined, at: -5_000 }] };
  const at = (moment: number) => planAutoscaler({ autoscaler, current: 10, metrics, past, at: moment, now: 0 }).scale;
  expect(at(0)).toBeUndefined();
  expect(at(10_000)?.replicas).toBe(20);
});
