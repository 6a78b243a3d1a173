import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatTime } from '../../../shared/clock.ts';
import type { Pod, PodDisruptionBudget } from '../../../shared/generated/types.ts';
import { planDisruptions, type ScaleOf } from './plan.ts';

const now = Date.UTC(2026, 0, 1, 12);

interface Facts {
  ready?: boolean;
  deleted?: boolean;
  phase?: string;
  /** The uid of its controller. */
  owner?: string;
}

function pod(name: string, { ready = true, deleted = false, phase = 'Running', owner }: Facts = {}): Pod {
  const ownerReferences = owner ? [{ kind: 'ReplicaSet', name: owner, uid: owner, controller: true }] : undefined;
  return {
    metadata: { name, ownerReferences, ...(deleted ? { deletionTimestamp: formatTime(now) } : {}) },
    spec: { containers: [] },
    status: { phase, conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  } as unknown as Pod;
}

function budget(spec: PodDisruptionBudget['spec'], status?: object): PodDisruptionBudget {
  return { metadata: { name: 'b', generation: 4 }, spec, status } as unknown as PodDisruptionBudget;
}

/** Owners by uid, with their desired replicas. */
const scales = (wanted: Record<string, number>): ScaleOf => {
  return ({ metadata }) => {
    const uid = metadata.ownerReferences?.[0]?.uid ?? '';
    const replicas = wanted[uid];
    return replicas === undefined ? `no scale of ${metadata.name}` : { uid, replicas };
  };
};
const none = scales({});
const many = (count: number, facts: Facts = { owner: 'rs' }, prefix = 'p') =>
  Array.from({ length: count }, (_, index) => pod(`${prefix}${index}`, facts));
const allowed = (spec: PodDisruptionBudget['spec'], pods: readonly Pod[], scaleOf: ScaleOf) =>
  planDisruptions(budget(spec), pods, scaleOf, now).status;

describe('a budget', () => {
  it('with minAvailable as a number counts its pods, and needs no controller', () => {
    const pods = [...many(3, {}), pod('unready', { ready: false })];
    expect(allowed({ minAvailable: 2 }, pods, none)).toMatchObject({
      expectedPods: 4,
      currentHealthy: 3,
      desiredHealthy: 2,
      disruptionsAllowed: 1,
      observedGeneration: 4,
    });
  });

  it('with minAvailable as a percentage counts the replicas of controllers, and rounds up', () => {
    // 7 of 7 with 50 %: 4 stay (Kubernetes, "Rounding logic when specifying percentages").
    expect(allowed({ minAvailable: '50%' }, many(7), scales({ rs: 7 }))).toMatchObject({
      expectedPods: 7,
      desiredHealthy: 4,
      disruptionsAllowed: 3,
    });
    expect(allowed({ minAvailable: '50%' }, many(4), scales({ rs: 7 })).disruptionsAllowed).toBe(0);
  });

  it('with maxUnavailable counts the replicas of controllers, and rounds up', () => {
    expect(allowed({ maxUnavailable: 2 }, many(5), scales({ rs: 6 }))).toMatchObject({
      expectedPods: 6,
      desiredHealthy: 4,
      disruptionsAllowed: 1,
    });
    expect(allowed({ maxUnavailable: '30%' }, many(7), scales({ rs: 7 }))).toMatchObject({
      desiredHealthy: 4,
      disruptionsAllowed: 3,
    });
    expect(allowed({ maxUnavailable: 9 }, many(2), scales({ rs: 2 }))).toMatchObject({
      desiredHealthy: 0,
      disruptionsAllowed: 2,
    });
  });

  it('with neither allows all evictions', () => {
    expect(allowed({}, many(2), none)).toMatchObject({ expectedPods: 2, desiredHealthy: 0, disruptionsAllowed: 2 });
  });

  it('counts each controller once, and ignores pods without a controller', () => {
    const pods = [...many(2, { owner: 'a' }, 'a'), ...many(3, { owner: 'b' }, 'b'), pod('bare')];
    const scaleOf = scales({ a: 2, b: 4 });
    expect(allowed({ maxUnavailable: 1 }, pods, scaleOf).expectedPods).toBe(6);
    expect(allowed({ minAvailable: '100%' }, pods, scaleOf).desiredHealthy).toBe(6);
    expect(allowed({ maxUnavailable: 1 }, [pod('bare')], none)).toMatchObject({
      expectedPods: 0,
      disruptionsAllowed: 0,
    });
  });

  it.each<[string, Facts]>([
    ['is not ready', { ready: false }],
    ['is being deleted', { deleted: true }],
    ['has ended', { ready: false, phase: 'Succeeded' }],
  ])('does not count a pod as healthy that %s', (_what, facts) => {
    expect(allowed({ minAvailable: 1 }, [pod('a'), pod('b', facts)], none)).toMatchObject({
      expectedPods: 2,
      currentHealthy: 1,
      disruptionsAllowed: 0,
    });
  });

  it('allows nothing without pods', () => {
    expect(allowed({ minAvailable: 0 }, [], none)).toMatchObject({ expectedPods: 0, disruptionsAllowed: 0 });
    const pods = many(1);
    expect(allowed({ maxUnavailable: 1 }, pods, scales({ rs: 0 })).disruptionsAllowed).toBe(0);
  });

  it.each([{ maxUnavailable: 1 }, { minAvailable: '50%' }])(
    'allows nothing when the expected number of pods is unknown: %j',
    (spec) => {
      const before = {
        currentHealthy: 5,
        desiredHealthy: 3,
        expectedPods: 6,
        disruptionsAllowed: 2,
        disruptedPods: {},
      };
      const { status, failure, again } = planDisruptions(budget(spec, before), many(2), none, now);
      expect(failure).toBe('no scale of p0');
      expect(again).toBeUndefined();
      expect(status).toMatchObject({ ...before, disruptionsAllowed: 0, observedGeneration: 4 });
      expect(status.conditions?.[0]).toMatchObject({
        type: 'DisruptionAllowed',
        status: 'False',
        reason: 'SyncFailed',
      });
      expect(planDisruptions(budget(spec), many(2), none, now).status).toMatchObject({
        currentHealthy: 0,
        desiredHealthy: 0,
        expectedPods: 0,
        disruptionsAllowed: 0,
      });
    },
  );

  it('has a condition that shows whether a pod may be evicted', () => {
    const condition = (count: number) => allowed({ minAvailable: 2 }, many(count), none).conditions?.[0];
    expect(condition(3)).toMatchObject({ type: 'DisruptionAllowed', status: 'True', reason: 'SufficientPods' });
    expect(condition(2)).toMatchObject({ type: 'DisruptionAllowed', status: 'False', reason: 'InsufficientPods' });
  });

  it('never allows more unavailable pods than documented, whatever the state of the pods', () => {
    // Kubernetes, "Specifying a Disruption Budget for your Application": both percentages are of what is wanted, and rounded up.
    const stay = (spec: { minAvailable?: string; maxUnavailable?: string }, wanted: number) => {
      const share = (text: string) => Math.ceil(Number(((Number.parseInt(text, 10) / 100) * wanted).toFixed(6)));
      return spec.minAvailable ? share(spec.minAvailable) : wanted - share(spec.maxUnavailable ?? '');
    };
    const percent = fc.integer({ min: 0, max: 100 }).map((n) => `${n}%`);
    const spec = fc.oneof(
      percent.map((minAvailable) => ({ minAvailable })),
      percent.map((maxUnavailable) => ({ maxUnavailable })),
    );
    const facts = fc.constantFrom<Facts>(
      { owner: 'rs' },
      { owner: 'rs', ready: false },
      { owner: 'rs', deleted: true },
    );
    fc.assert(
      fc.property(
        spec,
        fc.integer({ min: 1, max: 60 }),
        fc.array(facts, { minLength: 1, maxLength: 60 }),
        (one, wanted, all) => {
          const pods = all.map((each, index) => pod(`p${index}`, each));
          const healthy = all.filter(({ ready = true, deleted = false }) => ready && !deleted).length;
          const { disruptionsAllowed } = allowed(one, pods, scales({ rs: wanted }));
          expect(disruptionsAllowed).toBe(Math.max(0, healthy - stay(one, wanted)));
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe('an eviction that was granted', () => {
  const granted = (secondsAgo: number) => formatTime(now - secondsAgo * 1000);
  const plan = (disruptedPods: Record<string, string>, pods: readonly Pod[]) =>
    planDisruptions(budget({ minAvailable: 1 }, { disruptedPods }), pods, none, now);

  it('counts its pod as unavailable until its deletion starts, for two minutes', () => {
    const { status, again } = plan({ a: granted(30), b: granted(119) }, [pod('a'), pod('b'), pod('c')]);
    expect(status).toMatchObject({ currentHealthy: 1, disruptionsAllowed: 0 });
    expect(status.disruptedPods).toEqual({ a: granted(30), b: granted(119) });
    expect(again).toBe(now + 1_000);
  });

  it('is dropped after two minutes', () => {
    const { status, again } = plan({ a: granted(120) }, [pod('a'), pod('b')]);
    expect(status).toMatchObject({ currentHealthy: 2, disruptionsAllowed: 1 });
    expect(status).not.toHaveProperty('disruptedPods');
    expect(again).toBeUndefined();
  });

  it('is dropped once its pod is being deleted, or does not exist', () => {
    const { status } = plan({ a: granted(1), gone: granted(1) }, [pod('a', { deleted: true }), pod('b')]);
    expect(status).toMatchObject({ currentHealthy: 1 });
    expect(status).not.toHaveProperty('disruptedPods');
  });

  it('is not confused with a pod named like a property of every object', () => {
    const { status, again } = plan({ a: granted(1) }, [pod('constructor'), pod('a')]);
    expect(status).toMatchObject({ currentHealthy: 1, disruptedPods: { a: granted(1) } });
    expect(again).toBe(now + 119_000);
  });
});
