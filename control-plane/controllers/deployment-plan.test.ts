import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Deployment, ReplicaSet } from '../../shared/generated/types.ts';
import { bounds, findNext, planRollout, planScale, sizeOf, templateHash, total } from './deployment-plan.ts';

const template = (image: string) => ({
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'c', image }] },
});

function deployment(replicas: number, strategy?: object): Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'default' },
    spec: { replicas, selector: { matchLabels: { app: 'web' } }, template: template('new'), strategy },
  } as unknown as Deployment;
}

function set(
  name: string,
  replicas: number,
  available = replicas,
  annotations: Record<string, string> = {},
): ReplicaSet {
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name, namespace: 'default', creationTimestamp: `2026-01-01T00:00:${name.length % 60}Z`, annotations },
    spec: { replicas, template: template(name) },
    status: { replicas, availableReplicas: available },
  } as unknown as ReplicaSet;
}

const percentOrCount = fc.oneof(
  fc.integer({ min: 0, max: 5 }),
  fc.integer({ min: 0, max: 100 }).map((n) => `${n}%`),
);

describe('a rolling update', () => {
  it('never has more pods than allowed, never takes one away that is needed, and comes to its end', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 12 }),
        percentOrCount,
        percentOrCount,
        fc.array(fc.integer({ min: 0, max: 8 }), { maxLength: 3 }),
        fc.infiniteStream(fc.boolean()),
        (replicas, maxSurge, maxUnavailable, oldSizes, chance) => {
          const subject = deployment(replicas, { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } });
          const limit = bounds(subject);
          let next = set('new', 0);
          let old = oldSizes.map((size, index) => set(`old${index}`, size));
          const most = Math.max(replicas + limit.maxSurge, total(old, sizeOf));
          for (let step = 0; step < 500; step++) {
            const plan = planRollout(subject, next, old);
            const apply = (one: ReplicaSet): ReplicaSet => {
              const size = plan.get(one.metadata.name) ?? sizeOf(one);
              const before = one.status?.availableReplicas ?? 0;
              // Shrinking takes pods that do not serve first, as rankForDeletion does.
              return set(one.metadata.name, size, Math.min(before, size));
            };
            const availableBefore = total([next, ...old], (one) => one.status?.availableReplicas ?? 0);
            next = apply(next);
            old = old.map(apply);
            const available = total([next, ...old], (one) => one.status?.availableReplicas ?? 0);
            expect(total([next, ...old], sizeOf)).toBeLessThanOrEqual(most);
            if (available < availableBefore) expect(available).toBeGreaterThanOrEqual(replicas - limit.maxUnavailable);
            if (plan.size === 0 && sizeOf(next) === replicas && total(old, sizeOf) === 0) return;
            // The world moves: some pods become available; every few steps all of them.
            const all = step % 5 === 4 || chance.next().value;
            if (all) next = set('new', sizeOf(next), sizeOf(next));
          }
          throw new Error('the rollout did not end');
        },
      ),
      { numRuns: 300 },
    );
  });

  it('replaces pods that do not serve before it touches those that do', () => {
    const subject = deployment(4, { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } });
    const plan = planRollout(subject, set('new', 1, 0), [set('broken', 4, 2)]);
    // 5 pods, 3 needed, the new one not there yet: one may go, and it is one that does not serve.
    expect([...plan]).toEqual([['broken', 3]]);
  });

  it('moves by one pod at a time when surge and unavailability are both nothing', () => {
    const strategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: '0%' } };
    expect([...planRollout(deployment(3, strategy), set('new', 0), [set('old', 3)])]).toEqual([['old', 2]]);
  });
});

describe('recreate', () => {
  it('takes all old pods away before it makes a new one', () => {
    const subject = deployment(3, { type: 'Recreate' });
    expect([...planRollout(subject, set('new', 0), [set('old', 3)])]).toEqual([['old', 0]]);
    expect([...planRollout(subject, set('new', 0), [set('old', 0)])]).toEqual([['new', 3]]);
  });
});

describe('scaling', () => {
  it('goes to the one active ReplicaSet', () => {
    expect([...planScale(deployment(7), set('new', 3), [set('old', 0)])]).toEqual([['new', 7]]);
  });

  it('in the middle of a rollout is shared in proportion and adds up', () => {
    const max = { 'deployment.kubernetes.io/max-replicas': '13' };
    const subject = deployment(20, { type: 'RollingUpdate', rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } });
    const sizes = planScale(subject, set('new', 5, 0, max), [set('old', 8, 8, max)]);
    expect((sizes.get('new') ?? 5) + (sizes.get('old') ?? 8)).toBe(23);
    expect(sizes.get('old')).toBeGreaterThan(sizes.get('new') ?? 0);
  });
});

describe('templates', () => {
  it('of one content have one hash, whatever the order of their fields', () => {
    const a = { metadata: { labels: { a: '1', b: '2' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
    const b = { spec: { containers: [{ image: 'i', name: 'c' }] }, metadata: { labels: { b: '2', a: '1' } } };
    expect(templateHash(a as never, 0)).toBe(templateHash(b as never, 0));
    expect(templateHash(a as never, 0)).not.toBe(templateHash(a as never, 1));
  });

  it('find their ReplicaSet by content, not by the label that names it', () => {
    const labelled = set('new', 1);
    (labelled.spec.template?.metadata?.labels ?? {})['pod-template-hash'] = 'x';
    expect(findNext(deployment(1), [set('old', 1), labelled])).toBe(labelled);
  });
});
