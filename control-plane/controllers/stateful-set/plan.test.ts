import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Pod, StatefulSet } from '../../../shared/generated/types.ts';
import { maxUnavailable, planStatefulSet, type StatefulSetState } from './plan.ts';

const start = Date.parse('2026-01-01T00:00:00Z');
const time = (ms: number) => new Date(start + ms).toISOString();

interface PodFacts {
  revision?: string;
  phase?: string;
  ready?: boolean;
  /** Milliseconds after the start. */
  since?: number;
  deleted?: boolean;
}

function pod(ordinal: number, { revision = 'r1', phase = 'Running', ready = true, since = 0, deleted }: PodFacts = {}) {
  return {
    metadata: {
      name: `web-${ordinal}`,
      uid: `uid-${ordinal}`,
      labels: { 'controller-revision-hash': revision },
      ...(deleted ? { deletionTimestamp: time(0) } : {}),
    },
    spec: { containers: [] },
    status: {
      phase,
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: time(since) }],
    },
  } as unknown as Pod;
}

function set(spec: object = {}): StatefulSet {
  return { metadata: { name: 'web', generation: 3 }, spec: { replicas: 3, ...spec } } as unknown as StatefulSet;
}

const plan = (more: Partial<StatefulSetState>) =>
  planStatefulSet({
    set: set(),
    currentRevision: 'r1',
    updateRevision: 'r1',
    pods: [],
    now: start,
    endedBackoffMs: () => 0,
    ...more,
  });
const names = (pods: readonly Pod[]) => pods.map(({ metadata }) => metadata.name);
const created = (state: Partial<StatefulSetState>) => plan(state).create.map(({ ordinal }) => ordinal);
const deleted = (state: Partial<StatefulSetState>) => names(plan(state).delete);
const rolling = (rollingUpdate: object) => ({ updateStrategy: { type: 'RollingUpdate', rollingUpdate } });
const parallel = { podManagementPolicy: 'Parallel' };

describe('OrderedReady', () => {
  it('creates one pod after the other, each when those before it are ready and available', () => {
    expect(created({})).toEqual([0]);
    expect(created({ pods: [pod(0, { ready: false })] })).toEqual([]);
    expect(created({ pods: [pod(0)] })).toEqual([1]);
    const late = set({ minReadySeconds: 10 });
    expect(plan({ set: late, pods: [pod(0)], now: start + 4_000 })).toMatchObject({
      create: [],
      requeueAfterMs: 6_000,
    });
    expect(created({ set: late, pods: [pod(0)], now: start + 10_000 })).toEqual([1]);
  });

  it('starts at the start ordinal, and brings pods below it down', () => {
    const shifted = set({ ordinals: { start: 2 }, replicas: 2 });
    expect(created({ set: shifted })).toEqual([2]);
    expect(deleted({ set: shifted, pods: [pod(0), pod(1), pod(2), pod(3)] })).toEqual(['web-1']);
  });

  it('waits for a pod that is being deleted to be gone before its successor is created', () => {
    expect(plan({ pods: [pod(0, { deleted: true })] })).toMatchObject({ create: [], delete: [] });
  });

  it('replaces pods that failed or succeeded, with a backoff', () => {
    for (const phase of ['Failed', 'Succeeded']) {
      expect(deleted({ pods: [pod(0), pod(1, { phase })] })).toEqual(['web-1']);
      expect(plan({ pods: [pod(0, { phase })], endedBackoffMs: () => 700 })).toMatchObject({
        delete: [],
        requeueAfterMs: 700,
      });
    }
  });

  it('scales down by the highest pod, one at a time, when all that stay are available', () => {
    const one = set({ replicas: 1 });
    expect(deleted({ set: one, pods: [pod(0), pod(1), pod(2)] })).toEqual(['web-2']);
    expect(deleted({ set: one, pods: [pod(0), pod(1), pod(2, { deleted: true })] })).toEqual([]);
    expect(deleted({ set: one, pods: [pod(0, { ready: false }), pod(1), pod(2)] })).toEqual([]);
  });

  it('halts a scale-down while several pods are not available, and takes the only one of them', () => {
    const none = set({ replicas: 0 });
    expect(deleted({ set: none, pods: [0, 1, 2].map((each) => pod(each, { ready: false })) })).toEqual([]);
    expect(deleted({ set: none, pods: [pod(0), pod(1), pod(2, { ready: false })] })).toEqual(['web-2']);
  });
});

describe('Parallel', () => {
  it('creates and deletes all at once, ready or not', () => {
    expect(created({ set: set(parallel), pods: [pod(1, { ready: false })] })).toEqual([0, 2]);
    const pods = [pod(0, { ready: false }), pod(1), pod(2, { ready: false })];
    expect(deleted({ set: set({ ...parallel, replicas: 0 }), pods })).toEqual(['web-2', 'web-1', 'web-0']);
  });
});

describe('a rolling update', () => {
  const all = [pod(0), pod(1), pod(2)];

  it('replaces the highest pod of another revision, and waits for its successor', () => {
    expect(deleted({ updateRevision: 'r2', pods: all })).toEqual(['web-2']);
    expect(deleted({ updateRevision: 'r2', pods: [pod(0), pod(1), pod(2, { revision: 'r2', ready: false })] })).toEqual(
      [],
    );
    expect(deleted({ updateRevision: 'r2', pods: [pod(0), pod(1), pod(2, { revision: 'r2' })] })).toEqual(['web-1']);
  });

  it('keeps ordinals below the partition on the current revision, which new pods of theirs get', () => {
    const canary = set(rolling({ partition: 2 }));
    const pods = [pod(0), pod(1), pod(2, { revision: 'r2' })];
    expect(plan({ set: canary, updateRevision: 'r2', pods })).toMatchObject({ create: [], delete: [] });
    expect(plan({ set: canary, updateRevision: 'r2', pods: pods.slice(1) }).create).toEqual([
      { ordinal: 0, revision: 'r1' },
    ]);
    expect(plan({ set: canary, updateRevision: 'r2', pods: pods.slice(0, 2) }).create).toEqual([
      { ordinal: 2, revision: 'r2' },
    ]);
  });

  it('takes as many pods as maxUnavailable leaves; a percentage is rounded down, and at least one', () => {
    const two = (policy: object) => set({ ...policy, replicas: 4, ...rolling({ maxUnavailable: 2 }) });
    const pods = [pod(0), pod(1), pod(2), pod(3)];
    expect(deleted({ set: two({}), updateRevision: 'r2', pods })).toEqual(['web-3', 'web-2']);
    const starting = [...pods.slice(0, 3), pod(3, { revision: 'r2', ready: false })];
    expect(deleted({ set: two(parallel), updateRevision: 'r2', pods: starting })).toEqual(['web-2']);
    const limit = (value: number | string) =>
      maxUnavailable(set({ replicas: 10, ...rolling({ maxUnavailable: value }) }));
    expect([limit('39%'), limit('5%'), limit(4)]).toEqual([3, 1, 4]);
  });

  it('replaces a broken pod by the fix without a wait for it, whether the fix is new or the revision before', () => {
    const broken = (revision: string) => [pod(0), pod(1), pod(2, { revision, ready: false })];
    expect(deleted({ updateRevision: 'r3', pods: broken('r2') })).toEqual(['web-2']);
    expect(deleted({ updateRevision: 'r1', pods: broken('r2') })).toEqual(['web-2']);
    const first = [pod(0, { ready: false })];
    expect(deleted({ updateRevision: 'r2', pods: first })).toEqual(['web-0']);
    const pods = [0, 1, 2].map((each) => pod(each, { ready: false }));
    expect(deleted({ set: set(parallel), updateRevision: 'r2', pods })).toEqual(['web-0', 'web-1', 'web-2']);
    const surplus = [pod(0, { revision: 'r3' }), ...[1, 2].map((each) => pod(each, { revision: 'r2', ready: false }))];
    expect(deleted({ set: set({ replicas: 1 }), updateRevision: 'r3', pods: surplus })).toEqual(['web-2']);
  });

  it('is left to the user with OnDelete: pods that the user deletes come back with the present template', () => {
    const onDelete = set({ updateStrategy: { type: 'OnDelete' } });
    expect(
      deleted({ set: onDelete, updateRevision: 'r2', pods: [...all.slice(0, 2), pod(2, { ready: false })] }),
    ).toEqual([]);
    expect(plan({ set: onDelete, updateRevision: 'r2', pods: all.slice(0, 2) }).create).toEqual([
      { ordinal: 2, revision: 'r2' },
    ]);
  });
});

describe('the status', () => {
  it('counts pods: all, ready, available, of the current and of the present revision', () => {
    const pods = [
      pod(0),
      pod(1, { since: 8_000 }),
      pod(2, { revision: 'r2', ready: false }),
      pod(3, { deleted: true }),
    ];
    const { status } = plan({ set: set({ minReadySeconds: 5 }), updateRevision: 'r2', pods, now: start + 10_000 });
    expect(status).toEqual({
      observedGeneration: 3,
      replicas: 4,
      readyReplicas: 3,
      availableReplicas: 2,
      currentReplicas: 2,
      updatedReplicas: 1,
      currentRevision: 'r1',
      updateRevision: 'r2',
      collisionCount: 0,
    });
  });

  it('makes the present revision the current one when all wanted pods are of it and ready, except with OnDelete', () => {
    const pods = [0, 1, 2].map((each) => pod(each, { revision: 'r2' }));
    expect(plan({ updateRevision: 'r2', pods }).status).toMatchObject({ currentRevision: 'r2', currentReplicas: 3 });
    expect(plan({ updateRevision: 'r2', pods: [...pods, pod(3)] }).status.currentRevision).toBe('r1');
    const onDelete = set({ updateStrategy: { type: 'OnDelete' } });
    expect(plan({ set: onDelete, updateRevision: 'r2', pods }).status.currentRevision).toBe('r1');
  });
});

/** Pods of even revisions never become ready. */
const isBroken = ({ metadata }: Pod) => Number(metadata.labels?.['controller-revision-hash']?.slice(1)) % 2 === 0;

/** A set in an exact world, where each write is checked against what the set promises. */
class World {
  pods: Pod[] = [];
  now = start;
  spec: Record<string, unknown>;
  template = 1;
  current: string | undefined;

  constructor(spec: object) {
    this.spec = { ...spec };
  }

  get set(): StatefulSet {
    return set(this.spec);
  }

  get state(): StatefulSetState {
    const used = this.pods.map(({ metadata }) => metadata.labels?.['controller-revision-hash'] ?? '').sort();
    return {
      set: this.set,
      currentRevision: this.current ?? used[0] ?? this.update,
      updateRevision: this.update,
      pods: this.pods,
      now: this.now,
      endedBackoffMs: () => 0,
    };
  }

  get update(): string {
    return `r${this.template}`;
  }

  range() {
    const { spec } = this.set;
    const first = spec.ordinals?.start ?? 0;
    return { first, last: first + (spec.replicas ?? 1) - 1, partition: first + this.partition };
  }

  get partition(): number {
    return this.set.spec.updateStrategy?.rollingUpdate?.partition ?? 0;
  }

  isAvailable(ordinal: number): boolean {
    const one = this.pods.find(({ metadata }) => metadata.name === `web-${ordinal}`);
    const ready = one?.status?.conditions?.[0];
    if (one?.status?.phase !== 'Running' || one.metadata.deletionTimestamp || ready?.status !== 'True') return false;
    return Date.parse(ready.lastTransitionTime ?? '') + (this.set.spec.minReadySeconds ?? 0) * 1000 <= this.now;
  }

  unavailable(): number {
    const { first, last } = this.range();
    return Array.from({ length: last - first + 1 }, (_, i) => first + i).filter((each) => !this.isAvailable(each))
      .length;
  }

  /** Carries out the first `writes` of a plan: then the controller crashes, before it writes the status. Returns what it did. */
  reconcile(writes = Number.POSITIVE_INFINITY): number {
    const { state } = this;
    const { create, delete: gone, status } = planStatefulSet(state);
    for (const each of create.slice(0, writes)) this.create(each.ordinal, each.revision, state.currentRevision);
    for (const each of gone.slice(0, Math.max(0, writes - create.length))) this.delete(each, state.currentRevision);
    if (writes > create.length + gone.length) this.current = status.currentRevision;
    return create.length + gone.length;
  }

  create(ordinal: number, revision: string, current: string): void {
    const { first, last, partition } = this.range();
    // Never two pods of one ordinal.
    expect(names(this.pods)).not.toContain(`web-${ordinal}`);
    expect(ordinal >= first && ordinal <= last).toBe(true);
    const isRolling = this.set.spec.updateStrategy?.type !== 'OnDelete';
    expect(revision).toBe(isRolling && ordinal < partition ? current : this.update);
    if (this.set.spec.podManagementPolicy !== 'Parallel') {
      // OrderedReady: ordinal n exists only after 0..n-1 are ready and available.
      for (let before = first; before < ordinal; before++) expect(this.isAvailable(before)).toBe(true);
    }
    this.pods.push(pod(ordinal, { revision, phase: 'Pending', ready: false }));
  }

  delete(one: Pod, current: string): void {
    const ordinal = Number(one.metadata.name.slice(4));
    const { first, last, partition } = this.range();
    const isWanted = ordinal >= first && ordinal <= last;
    const revision = one.metadata.labels?.['controller-revision-hash'];
    const hasEnded = one.status?.phase === 'Failed';
    if (!isWanted && this.set.spec.podManagementPolicy !== 'Parallel') {
      // Deletes only the highest, when no other goes.
      const others = this.pods
        .map(({ metadata }) => Number(metadata.name.slice(4)))
        .filter((o) => o < first || o > last);
      expect(ordinal).toBe(Math.max(...others));
      for (let each = first; each <= last; each++) expect(this.isAvailable(each)).toBe(true);
    }
    if (isWanted && !hasEnded) {
      // OnDelete: pods that run stay.
      expect(this.set.spec.updateStrategy?.type).not.toBe('OnDelete');
      // Partition: ordinals below it keep the current revision.
      expect(ordinal < partition && revision === current).toBe(false);
      if (this.isAvailable(ordinal)) {
        expect(revision).not.toBe(this.update);
        expect(ordinal >= partition).toBe(true);
        // Never more than maxUnavailable unavailable because of the update.
        expect(this.unavailable()).toBeLessThan(maxUnavailable(this.set));
      }
    }
    this.change(one, {}, { deletionTimestamp: time(0) });
  }

  change(one: Pod | undefined, status: object, metadata: object = {}): void {
    if (!one) return;
    const changed = { ...one, metadata: { ...one.metadata, ...metadata }, status: { ...one.status, ...status } };
    this.pods = this.pods.map((each) => (each.metadata.name === one.metadata.name ? (changed as Pod) : each));
  }

  /** What happens to a pod by itself. */
  happens(one: Pod | undefined, what: string): void {
    if (!one) return;
    const ready = (status: string) => ({
      conditions: [{ type: 'Ready', status, lastTransitionTime: time(this.now - start) }],
    });
    if (what === 'fail') this.change(one, { phase: 'Failed', ...ready('False') });
    else if (what === 'gone') this.pods = this.pods.filter((each) => each !== one || !one.metadata.deletionTimestamp);
    else if (one.status?.phase === 'Failed') return;
    else if (what === 'ready' && !isBroken(one)) {
      if (one.status?.conditions?.[0]?.status !== 'True') this.change(one, { phase: 'Running', ...ready('True') });
    } else if (what === 'unready') this.change(one, { phase: 'Running', ...ready('False') });
  }
}

const what = fc.constantFrom('ready', 'ready', 'ready', 'gone', 'gone', 'unready', 'fail');
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ what, which: fc.nat(6) }) },
  { weight: 6, arbitrary: fc.constant({ reconcile: Number.POSITIVE_INFINITY }) },
  { weight: 2, arbitrary: fc.record({ reconcile: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ replicas: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ template: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ partition: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ maxUnavailable: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ seconds: fc.integer({ min: 1, max: 12 }) }) },
);
const scenario = fc.record({
  policy: fc.constantFrom('OrderedReady', 'Parallel'),
  strategy: fc.constantFrom('RollingUpdate', 'RollingUpdate', 'OnDelete'),
  replicas: fc.nat(5),
  first: fc.constantFrom(0, 0, 2),
  minReadySeconds: fc.constantFrom(0, 0, 5),
  steps: fc.array(step, { maxLength: 60 }),
});

it('keeps all promises of a set under crashes at any write, and comes to the last template without a manual delete', () => {
  fc.assert(
    fc.property(scenario, ({ policy, strategy, replicas, first, minReadySeconds, steps }) => {
      const world = new World({
        replicas,
        minReadySeconds,
        podManagementPolicy: policy,
        ordinals: { start: first },
        updateStrategy: { type: strategy },
      });
      const setRolling = (more: object) => {
        if (strategy === 'OnDelete') return;
        const { rollingUpdate } = world.set.spec.updateStrategy ?? {};
        Object.assign(world.spec, rolling({ ...rollingUpdate, ...more }));
      };
      for (const one of steps) {
        if ('what' in one) world.happens(world.pods[one.which % Math.max(1, world.pods.length)], one.what);
        else if ('reconcile' in one) world.reconcile(one.reconcile);
        else if ('replicas' in one) world.spec.replicas = one.replicas;
        else if ('template' in one) world.template = one.template;
        else if ('seconds' in one) world.now += one.seconds * 1000;
        else setRolling(one);
      }
      // The fix: a template whose pods become ready.
      world.template = 7;
      setRolling({ partition: 0 });
      for (let round = 0; round < 200; round++) {
        for (const one of world.pods) world.happens(one, one.metadata.deletionTimestamp ? 'gone' : 'ready');
        // With OnDelete the user deletes pods of broken revisions.
        if (strategy === 'OnDelete') world.pods = world.pods.filter((one) => !isBroken(one));
        world.now += 10_000;
        const stays = world.pods.every(({ metadata }) => !metadata.deletionTimestamp);
        if (world.reconcile() === 0 && stays && round > 0) break;
      }
      const wanted = Number(world.spec.replicas);
      expect(names(world.pods).sort()).toEqual(Array.from({ length: wanted }, (_, i) => `web-${first + i}`).sort());
      if (strategy === 'OnDelete') return;
      expect(world.unavailable()).toBe(0);
      expect(world.pods.every(({ metadata }) => metadata.labels?.['controller-revision-hash'] === 'r7')).toBe(true);
      expect(wanted === 0 || planStatefulSet(world.state).status.currentRevision === 'r7').toBe(true);
    }),
    { numRuns: 300 },
  );
});
