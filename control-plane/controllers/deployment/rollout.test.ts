import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Deployment, ReplicaSet } from '../../../shared/generated/types.ts';
import { deployment, replicaSet } from '../../../test/support/deployments.ts';
import { bounds, initialSize, planRollout } from './plan.ts';

type Bound = number | string;

/** Kubernetes, "Max Unavailable" and "Max Surge": percentages of the desired pods, rounded down and up. */
function documented(replicas: number, maxSurge: Bound = '25%', maxUnavailable: Bound = '25%') {
  const share = (bound: Bound) => (typeof bound === 'number' ? bound : (Number(bound.slice(0, -1)) / 100) * replicas);
  // 7 % of 100 is not quite 7 to a computer.
  const exact = (value: number) => Number(value.toFixed(6));
  const surge = Math.ceil(exact(share(maxSurge)));
  const missing = Math.floor(exact(share(maxUnavailable)));
  return { most: replicas + surge, fewest: replicas - (surge === 0 && missing === 0 ? 1 : missing) };
}

const bound = fc.oneof(
  fc.integer({ min: 0, max: 5 }),
  fc.integer({ min: 0, max: 100 }).map((n) => `${n}%`),
);

describe('the bounds of a rollout', () => {
  it.each<[number, Bound | undefined, Bound | undefined, number, number]>([
    [10, '25%', '25%', 3, 2],
    [10, undefined, undefined, 3, 2],
    [3, '1%', '34%', 1, 1],
    [3, '0%', '33%', 0, 1],
    [4, 0, '0%', 0, 1],
    [100, '7%', '7%', 7, 7],
    [100, '29%', '29%', 29, 29],
    [5, 2, 3, 2, 3],
    [0, '25%', '25%', 0, 1],
  ])(
    'of %i pods with maxSurge %s and maxUnavailable %s are %i more and %i fewer',
    (replicas, maxSurge, maxUnavailable, surge, missing) => {
      const rollingUpdate = {
        ...(maxSurge === undefined ? {} : { maxSurge }),
        ...(maxUnavailable === undefined ? {} : { maxUnavailable }),
      };
      expect(bounds(deployment(replicas, { type: 'RollingUpdate', rollingUpdate }))).toEqual({
        maxSurge: surge,
        maxUnavailable: missing,
      });
      const { most, fewest } = documented(replicas, maxSurge, maxUnavailable);
      expect([most - replicas, replicas - fewest]).toEqual([surge, missing]);
    },
  );

  it('are 25% by default, and zero with Recreate', () => {
    expect(bounds(deployment(8))).toEqual({ maxSurge: 2, maxUnavailable: 2 });
    expect(bounds(deployment(8, { type: 'Recreate' }))).toEqual({ maxSurge: 0, maxUnavailable: 0 });
  });
});

/** A ReplicaSet with its pods, and the number of available ones in its last status. */
class Model {
  readonly name: string;
  size: number;
  serving: number;
  lastStatus: number;

  constructor(name: string, size: number, serving: number) {
    this.name = name;
    this.size = size;
    this.serving = Math.min(size, serving);
    this.lastStatus = this.serving;
  }

  /** Its controller takes pods away that do not serve first, and makes new ones that do not serve yet. */
  resize(size: number): void {
    this.size = size;
    this.serving = Math.min(this.serving, size);
  }

  /** Its pods become available, and its status shows it. */
  start(count: number): void {
    this.serving = Math.min(this.size, this.serving + count);
    this.lastStatus = this.serving;
  }

  get object(): ReplicaSet {
    return replicaSet(this.name, this.size, this.lastStatus);
  }
}

const sum = (sets: readonly Model[], of: (set: Model) => number) => sets.reduce((total, set) => total + of(set), 0);

describe('a rolling update', () => {
  it('stays within its bounds at every step, also with stale statuses, and completes', () => {
    const someSet = fc.tuple(fc.integer({ min: 0, max: 8 }), fc.integer({ min: 0, max: 8 }));
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 10 }),
        bound,
        bound,
        someSet,
        fc.array(someSet, { maxLength: 3 }),
        fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 8, maxLength: 8 }),
        (replicas, maxSurge, maxUnavailable, first, others, chances) => {
          const subject = deployment(replicas, { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } });
          const { most, fewest } = documented(replicas, maxSurge, maxUnavailable);
          const next = new Model('new', ...first);
          const old = others.map(([size, serving], index) => new Model(`old${index}`, size, serving));
          const all = [next, ...old];
          const atFirst = sum(all, ({ size }) => size);
          for (let step = 0; step < 300; step++) {
            const before = sum(all, ({ serving }) => serving);
            const sizes = planRollout(
              subject,
              next.object,
              old.map(({ object }) => object),
            );
            for (const set of all) set.resize(sizes.get(set.name) ?? set.size);
            const serving = sum(all, (set) => set.serving);
            expect(sum(all, ({ size }) => size)).toBeLessThanOrEqual(Math.max(most, atFirst));
            // More of the new template than are wanted go at once, as in Kubernetes; they are no part of the bounds.
            if (step > 0) expect(serving).toBeGreaterThanOrEqual(Math.min(before, fewest));
            if (next.size === replicas && old.every(({ size }) => size === 0)) return;
            const chance = chances[step % chances.length] ?? 0;
            for (const set of all)
              if (step % 5 === 4) set.start(set.size);
              else if (chance > 0) set.start(chance - 1);
          }
          throw new Error('the rollout did not end');
        },
      ),
      { numRuns: 100 },
    );
  });

  const rolling = (replicas: number, maxSurge: Bound, maxUnavailable: Bound) =>
    deployment(replicas, { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } });
  const plan = (subject: Deployment, next: ReplicaSet, ...old: ReplicaSet[]) => [...planRollout(subject, next, old)];

  it('grows the new ReplicaSet as far as the bounds allow, and not beyond the desired number', () => {
    expect(plan(rolling(4, 1, 1), replicaSet('new', 0), replicaSet('old', 4))).toEqual([['new', 1]]);
    expect(plan(rolling(4, 9, 1), replicaSet('new', 0), replicaSet('old', 4))).toEqual([['new', 4]]);
    expect(plan(rolling(4, 1, 1), replicaSet('new', 0), replicaSet('old', 3))).toEqual([['new', 2]]);
    expect(plan(rolling(4, 1, 1), replicaSet('new', 0), replicaSet('old', 9, 0))).toEqual([['old', 3]]);
  });

  it('shrinks the new ReplicaSet to the desired number', () => {
    expect(plan(rolling(2, 1, 1), replicaSet('new', 5), replicaSet('old', 0))).toEqual([['new', 2]]);
  });

  it('removes only as many old pods as maxUnavailable allows, counting new pods that are not available yet', () => {
    expect(plan(rolling(4, 1, 1), replicaSet('new', 1, 0), replicaSet('old', 4))).toEqual([['old', 3]]);
    expect(plan(rolling(4, 1, 1), replicaSet('new', 2, 0), replicaSet('old', 3))).toEqual([]);
    expect(plan(rolling(4, 1, 1), replicaSet('new', 2, 1), replicaSet('old', 3))).toEqual([['old', 2]]);
  });

  it('replaces unavailable pods before available ones', () => {
    // 5 pods, 3 needed, the new one does not serve yet: one may go, and it is one that does not serve.
    expect(plan(rolling(4, 1, 1), replicaSet('new', 1, 0), replicaSet('broken', 4, 2))).toEqual([['broken', 3]]);
    const [young, older] = [replicaSet('young', 2, 0, { created: 2 }), replicaSet('older', 3, 3, { created: 1 })];
    expect(plan(rolling(4, 1, 1), replicaSet('new', 0), young, older)).toEqual([['young', 0]]);
  });

  it('removes pods of the oldest ReplicaSet first, by name if two have the same age', () => {
    const [a, b] = [replicaSet('a', 2, 2, { created: 5 }), replicaSet('b', 2, 2, { created: 3 })];
    expect(plan(rolling(3, 1, 1), replicaSet('new', 0), a, b)).toEqual([['b', 0]]);
    const [c, d] = [replicaSet('c', 2, 2), replicaSet('d', 2, 2)];
    expect(plan(rolling(3, 1, 1), replicaSet('new', 0), d, c)).toEqual([['c', 0]]);
  });

  it('removes available pods together with unavailable ones when enough are left', () => {
    expect(plan(rolling(2, 0, 2), replicaSet('new', 0), replicaSet('old', 3, 2))).toEqual([['old', 0]]);
  });

  it('counts at most as many available pods of a ReplicaSet as it was scaled to, even if its status is stale', () => {
    // The new set was 5 and all served; it was cut to 3, and its status is from before.
    expect(plan(rolling(4, 0, 0), replicaSet('new', 3, 5), replicaSet('old', 1))).toEqual([['old', 0]]);
    expect(plan(rolling(4, 0, 1), replicaSet('new', 2, 5), replicaSet('old', 2))).toEqual([['old', 1]]);
  });

  it('replaces one pod at a time when maxSurge and maxUnavailable are both 0', () => {
    expect(plan(rolling(3, 0, '0%'), replicaSet('new', 0), replicaSet('old', 3))).toEqual([['old', 2]]);
  });

  it('changes nothing in the desired state', () => {
    expect(plan(rolling(3, 1, 1), replicaSet('new', 3), replicaSet('old', 0))).toEqual([]);
  });
});

describe('recreate', () => {
  const subject = deployment(3, { type: 'Recreate' });

  it('removes all old pods before it creates a new one', () => {
    const sizes = planRollout(subject, replicaSet('new', 0), [
      replicaSet('a', 3),
      replicaSet('b', 0),
      replicaSet('c', 1),
    ]);
    expect([...sizes]).toEqual([
      ['a', 0],
      ['c', 0],
    ]);
    expect([...planRollout(subject, replicaSet('new', 0), [replicaSet('old', 0)])]).toEqual([['new', 3]]);
    expect([...planRollout(subject, replicaSet('new', 3), [replicaSet('old', 0)])]).toEqual([]);
  });
});

describe('a new ReplicaSet', () => {
  it('has as many pods as the bounds allow', () => {
    const rolling = deployment(4, { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } });
    expect([0, 3, 4, 5, 9].map((current) => initialSize(rolling, 0, current))).toEqual([4, 2, 1, 0, 0]);
  });

  it('has no pods with Recreate while other ReplicaSets have pods', () => {
    const recreate = deployment(4, { type: 'Recreate' });
    expect([initialSize(recreate, 0, 1), initialSize(recreate, 0, 0)]).toEqual([0, 4]);
    expect([initialSize(recreate, 2, 3), initialSize(recreate, 2, 2)]).toEqual([2, 4]);
  });
});
