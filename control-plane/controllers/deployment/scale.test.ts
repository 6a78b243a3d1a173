import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ReplicaSet } from '../../../shared/generated/types.ts';
import { deployment, replicaSet } from '../../../test/support/deployments.ts';
import { planScale, wasResized } from './plan.ts';

const desired = 'deployment.kubernetes.io/desired-replicas';
const max = 'deployment.kubernetes.io/max-replicas';
const rolling = (replicas: number, maxSurge = 3) =>
  deployment(replicas, { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable: 2 } });
const set = (name: string, size: number, before: number, created = 0, available = size) =>
  replicaSet(name, size, available, { created, annotations: { [max]: `${before}` } });
const plan = (...input: Parameters<typeof planScale>) => Object.fromEntries(planScale(...input));

describe('a scaling is detected', () => {
  const sized = (size: number, text?: string) =>
    replicaSet('a', size, size, text === undefined ? {} : { annotations: { [desired]: text } });

  it('when a ReplicaSet with pods has another desired-replicas annotation', () => {
    expect(wasResized(deployment(3), [sized(0, '2'), sized(2, '2')])).toBe(true);
    expect(wasResized(deployment(3), [sized(3, '3')])).toBe(false);
  });

  it('but not from an empty ReplicaSet, or one without the annotation', () => {
    expect(wasResized(deployment(3), [sized(0, '2'), sized(2)])).toBe(false);
    expect(wasResized(deployment(3), [{ ...sized(2), metadata: { name: 'a' } } as ReplicaSet])).toBe(false);
  });
});

describe('scaling', () => {
  it('changes the only active ReplicaSet, whatever its template', () => {
    expect(plan(deployment(7), replicaSet('new', 3), [replicaSet('old', 0)])).toEqual({ new: 7 });
    expect(plan(deployment(7), replicaSet('new', 0), [replicaSet('old', 3)])).toEqual({ old: 7 });
    expect(plan(deployment(7), undefined, [replicaSet('old', 3), replicaSet('older', 0)])).toEqual({ old: 7 });
    expect(plan(deployment(3), replicaSet('new', 3), [])).toEqual({});
  });

  it('changes the ReplicaSet of the current template when all are empty, otherwise the latest', () => {
    expect(plan(deployment(2), replicaSet('new', 0), [replicaSet('old', 0)])).toEqual({ new: 2 });
    const [first, last] = [replicaSet('first', 0, 0, { created: 1 }), replicaSet('last', 0, 0, { created: 2 })];
    const middle = replicaSet('middle', 0, 0, { created: 1.5 });
    expect(plan(deployment(2), undefined, [last, first, middle])).toEqual({ last: 2 });
    expect(plan(deployment(2), undefined, [])).toEqual({});
  });

  it('removes the old pods when all new ones are available', () => {
    const old = [replicaSet('a', 2), replicaSet('b', 0), replicaSet('c', 1)];
    expect(plan(deployment(3), replicaSet('new', 3), old)).toEqual({ a: 0, c: 0 });
    expect(plan(rolling(3), set('new', 3, 6, 2, 2), [set('a', 3, 6)])).toEqual({});
    expect(plan(rolling(3), set('new', 4, 7, 2), [set('a', 3, 7)])).toEqual({ new: 3 });
  });

  it('during a Recreate is left to the next step', () => {
    const recreate = deployment(9, { type: 'Recreate' });
    expect(plan(recreate, replicaSet('new', 1), [replicaSet('old', 2)])).toEqual({});
  });

  it('during a rollout is proportional, as in the example on Kubernetes’ page about Deployments', () => {
    // 10 replicas with a surge of 3, of which 8 are old and 5 new, are scaled to 15.
    expect(plan(rolling(15), set('new', 5, 13, 2), [set('old', 8, 13, 1)])).toEqual({ new: 7, old: 11 });
  });

  it('during a rollout leaves empty ReplicaSets alone', () => {
    expect(plan(rolling(15), set('new', 5, 13, 2), [set('none', 0, 13), set('old', 8, 13, 1)])).toEqual({
      new: 7,
      old: 11,
    });
  });

  it('to zero removes all pods', () => {
    expect(plan(rolling(0), set('new', 5, 13, 2), [set('old', 8, 13, 1)])).toEqual({ new: 0, old: 0 });
  });

  it('gives the remainder to the largest; of equal ones the newest grows and the oldest shrinks first', () => {
    const sets = (size: number) => [set('a', size, 9, 1), set('b', size, 9, 3), set('c', size, 9, 2)] as const;
    const [a, b, c] = sets(3);
    expect(plan(rolling(7, 3), a, [b, c])).toEqual({ b: 4 });
    expect(plan(rolling(5, 3), a, [b, c])).toEqual({ a: 2 });
    // Each one's rounded share would be one too many together.
    expect(plan(rolling(5, 0), set('a', 1, 3, 1), [set('b', 1, 3, 3), set('c', 1, 3, 2)])).toEqual({ b: 2, c: 2 });
    expect(plan(rolling(4, 0), set('a', 2, 6, 1), [set('b', 2, 6, 3), set('c', 2, 6, 2)])).toEqual({ a: 1, c: 1 });
    expect(plan(rolling(13, 0), set('new', 4, 9, 1), [set('old', 5, 9)])).toEqual({ old: 7, new: 6 });
  });

  it('uses the current number when a ReplicaSet has no desired-replicas annotation', () => {
    expect(plan(rolling(10, 0), replicaSet('new', 4), [replicaSet('old', 4)])).toEqual({ old: 6 });
  });

  it('during a rollout adds up, changes all ReplicaSets in one direction, and keeps their order of size', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 2, maxLength: 4 }),
        fc.integer({ min: 0, max: 40 }),
        fc.integer({ min: 0, max: 4 }),
        (sizes, replicas, maxSurge) => {
          const before = sizes.reduce((sum, size) => sum + size, 0);
          const [next, ...old] = sizes.map((size, index) => set(`s${index}`, size, before, index, 0));
          const changed = plan(rolling(replicas, maxSurge), next, old);
          const after = sizes.map((size, index) => changed[`s${index}`] ?? size);
          const allowed = replicas === 0 ? 0 : replicas + maxSurge;
          expect(after.reduce((sum, size) => sum + size, 0)).toBe(allowed);
          for (const [index, size] of sizes.entries()) {
            const now = after[index] ?? 0;
            expect(now).toBeGreaterThanOrEqual(0);
            if (allowed > before) expect(now).toBeGreaterThanOrEqual(size);
            else expect(now).toBeLessThanOrEqual(size);
            // What is said to change changes.
            if (changed[`s${index}`] !== undefined) expect(now).not.toBe(size);
            // A share is its part of the whole, rounded; what is left over goes to one of the largest.
            const share = (size * allowed) / before;
            if (size < Math.max(...sizes)) expect(Math.abs(now - share)).toBeLessThanOrEqual(0.5 + sizes.length / 2);
          }
        },
      ),
      { numRuns: 100 },
    );
  });
});
