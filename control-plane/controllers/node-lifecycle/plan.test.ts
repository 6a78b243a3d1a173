import { describe, expect, it } from 'vitest';
import type { Node, Pod } from '../../../shared/generated/types.ts';
import { evictAt, lostConditions, nodeHealth, plannedTaints, seenTaints, taintKeys } from './plan.ts';

const now = Date.parse('2026-01-01T00:01:00Z');
const node = (status: string, more: object = {}): Node =>
  ({ metadata: { name: 'n' }, spec: more, status: { conditions: [{ type: 'Ready', status }] } }) as unknown as Node;
const pod = (tolerations: object[]): Pod => ({ metadata: {}, spec: { containers: [], tolerations } }) as unknown as Pod;

describe('the health of a node', () => {
  const since = (status: string | undefined, lastTransitionTime?: string): Node =>
    ({
      metadata: { name: 'n' },
      spec: {},
      status: {
        conditions: [
          { type: 'Odd', status: 'True' },
          ...(status ? [{ type: 'Ready', status, lastTransitionTime }] : []),
        ],
      },
    }) as unknown as Node;

  it('is its Ready condition, since its transition', () => {
    expect(nodeHealth(since('True'), undefined, now)).toEqual({ state: 'ready' });
    const unready = { state: 'unready', since: now - 30_000 };
    expect(nodeHealth(since('False', '2026-01-01T00:00:30Z'), undefined, now)).toEqual(unready);
    expect(nodeHealth(since('Unknown', '2026-01-01T00:00:30Z'), undefined, now)).toEqual(unready);
  });

  it('is not ready since now when the condition has no time, or does not exist', () => {
    const unready = { state: 'unready', since: now };
    expect(nodeHealth(since('False'), undefined, now)).toEqual(unready);
    expect(nodeHealth(since(undefined), undefined, now)).toEqual(unready);
    expect(nodeHealth({ metadata: { name: 'n' }, spec: {} } as unknown as Node, undefined, now)).toEqual(unready);
  });

  it('is lost without a lease, whatever its last status, even at time 0', () => {
    expect(nodeHealth(since('True'), 5, now)).toEqual({ state: 'lost', since: 5 });
    expect(nodeHealth(since('True'), 0, now)).toEqual({ state: 'lost', since: 0 });
  });
});

describe('taints by health', () => {
  it('distinguish a not-ready from an unreachable node, and replace each other', () => {
    const unready = plannedTaints(node('False'), { state: 'unready', since: now });
    expect(unready.map(({ key, effect }) => `${key}:${effect}`)).toEqual([
      'node.kubernetes.io/not-ready:NoSchedule',
      'node.kubernetes.io/not-ready:NoExecute',
    ]);
    const lost = plannedTaints(node('False', { taints: unready }), { state: 'lost', since: now });
    expect(lost.map(({ key, effect }) => `${key}:${effect}`)).toEqual([
      'node.kubernetes.io/unreachable:NoSchedule',
      'node.kubernetes.io/unreachable:NoExecute',
    ]);
  });

  it('keep the taint of a cordon', () => {
    const cordon = { key: taintKeys.unschedulable, effect: 'NoSchedule', timeAdded: '2025-12-31T00:00:00Z' };
    const planned = plannedTaints(node('False', { unschedulable: true, taints: [cordon] }), {
      state: 'unready',
      since: now,
    });
    expect(planned).toHaveLength(3);
    expect(planned[0]).toEqual(cordon);
  });

  it('are absent on a ready node, and taints of others are kept', () => {
    const foreign = { key: 'disk', effect: 'NoSchedule' };
    const before = [foreign, { key: taintKeys.unreachable, effect: 'NoExecute' }];
    expect(plannedTaints(node('True', { taints: before }), { state: 'ready' })).toEqual([foreign]);
  });

  it('have the time of the last heartbeat, and keep their time', () => {
    const lost = nodeHealth(node('True'), now - 5_000, now);
    const taints = plannedTaints(node('True'), lost);
    expect(taints.map(({ effect, timeAdded }) => [effect, timeAdded])).toEqual([
      ['NoSchedule', '2026-01-01T00:00:55Z'],
      ['NoExecute', '2026-01-01T00:00:55Z'],
    ]);
    expect(plannedTaints(node('True', { taints }), { state: 'lost', since: now })).toEqual(taints);
  });

  it('follow a cordon', () => {
    expect(plannedTaints(node('True', { unschedulable: true }), { state: 'ready' })).toEqual([
      { key: taintKeys.unschedulable, effect: 'NoSchedule' },
    ]);
  });
});

describe('eviction', () => {
  const none = new Map<string, number>();
  const taints = [{ key: taintKeys.unreachable, effect: 'NoExecute' as const, timeAdded: '2026-01-01T00:00:55Z' }];

  it('counts a toleration from the last heartbeat', () => {
    const patient = pod([
      { key: taintKeys.unreachable, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 5 },
    ]);
    expect(evictAt(patient, taints, none)).toBe(now);
  });

  it('is immediate without a toleration, and never happens with an unlimited one', () => {
    expect(evictAt(pod([]), taints, none)).toBe(0);
    expect(evictAt(pod([{ operator: 'Exists' }]), taints, none)).toBe(Number.POSITIVE_INFINITY);
    expect(evictAt(pod([]), [{ key: 'x', effect: 'NoSchedule' as const }], none)).toBe(Number.POSITIVE_INFINITY);
  });

  it('uses the shortest of the matching tolerations', () => {
    const both = pod([
      { operator: 'Exists', tolerationSeconds: 60 },
      { key: taintKeys.unreachable, operator: 'Exists', tolerationSeconds: 3 },
    ]);
    expect(evictAt(both, taints, none)).toBe(now - 2_000);
  });

  it('counts from when a taint without a time was first observed, never from time 0', () => {
    const undated = [{ key: 'x', effect: 'NoExecute' as const }];
    const patient = pod([{ key: 'x', operator: 'Exists', tolerationSeconds: 60 }]);
    const seen = seenTaints(undated, undefined, now);
    expect(evictAt(patient, undated, seen)).toBe(now + 60_000);
    expect(evictAt(patient, undated, seenTaints(undated, seen, now + 30_000))).toBe(now + 60_000);
    const changed = [{ ...undated[0], key: 'x', effect: 'NoExecute' as const, value: 'other' }];
    expect(evictAt(patient, changed, seenTaints(changed, seen, now + 30_000))).toBe(now + 90_000);
  });

  it('gives a pod that is bound later its whole toleration', () => {
    const undated = [{ key: 'x', effect: 'NoExecute' as const }];
    const late = pod([{ key: 'x', operator: 'Exists', tolerationSeconds: 60 }]);
    const conditions = [{ type: 'PodScheduled', status: 'True', lastTransitionTime: '2026-01-01T00:03:00Z' }];
    const bound = { ...late, status: { conditions } } as Pod;
    expect(evictAt(bound, undated, seenTaints(undated, undefined, now))).toBe(now + 180_000);
  });
});

describe('a toleration', () => {
  const added = '2026-01-01T00:00:00Z';
  const taint = { key: 'x', effect: 'NoExecute' as const, timeAdded: added };
  const start = Date.parse(added);
  const tolerating = (tolerationSeconds: number | undefined, key = 'x') => ({
    key,
    operator: 'Exists',
    ...(tolerationSeconds === undefined ? {} : { tolerationSeconds }),
  });
  const none = new Map<string, number>();

  it('of zero or negative length ends immediately', () => {
    expect(evictAt(pod([tolerating(0)]), [taint], none)).toBe(start);
    expect(evictAt(pod([tolerating(-5)]), [taint], none)).toBe(start);
  });

  it('counts for each taint separately: the first to end evicts the pod', () => {
    const other = { key: 'y', effect: 'NoExecute' as const, timeAdded: '2026-01-01T00:00:10Z' };
    const patient = pod([tolerating(60), tolerating(30, 'y')]);
    expect(evictAt(patient, [taint, other], none)).toBe(start + 40_000);
    expect(evictAt(patient, [other, taint], none)).toBe(start + 40_000);
    expect(evictAt(pod([tolerating(60)]), [taint, other], none)).toBe(0);
  });

  it('of a taint without NoExecute has no effect', () => {
    const soft = [{ key: 'y', effect: 'NoSchedule' as const }, taint];
    expect(evictAt(pod([tolerating(60)]), soft, none)).toBe(start + 60_000);
  });

  it('counts from the pod’s binding, or else from its creation', () => {
    const created = '2026-01-01T00:02:00Z';
    const young = { ...pod([tolerating(60)]), metadata: { creationTimestamp: created } } as unknown as Pod;
    expect(evictAt(young, [taint], none)).toBe(Date.parse(created) + 60_000);
    const waiting = {
      ...young,
      status: { conditions: [{ type: 'PodScheduled', status: 'False', lastTransitionTime: '2026-01-01T00:09:00Z' }] },
    };
    expect(evictAt(waiting as Pod, [taint], none)).toBe(Date.parse(created) + 60_000);
    const bound = {
      ...young,
      status: { conditions: [{ type: 'PodScheduled', status: 'True', lastTransitionTime: '2026-01-01T00:03:00Z' }] },
    };
    expect(evictAt(bound as Pod, [taint], none)).toBe(Date.parse('2026-01-01T00:04:00Z'));
  });

  it('list that is absent is the same as one without a match', () => {
    const bare = { metadata: {}, spec: { containers: [] } } as unknown as Pod;
    expect(evictAt(bare, [taint], none)).toBe(0);
    expect(evictAt(bare, [], none)).toBe(Number.POSITIVE_INFINITY);
  });
});

it('only NoExecute taints without a time get an observed time, by key, value and effect', () => {
  const taints = [
    { key: 'a', effect: 'NoExecute' as const },
    { key: 'a', value: 'v', effect: 'NoExecute' as const },
    { key: 'b', effect: 'NoSchedule' as const },
    { key: 'c', effect: 'NoExecute' as const, timeAdded: '2026-01-01T00:00:00Z' },
  ];
  expect([...seenTaints(taints, undefined, now)]).toEqual([
    ['a=:NoExecute', now],
    ['a=v:NoExecute', now],
  ]);
  expect([...seenTaints(taints.slice(0, 1), new Map([['z=:NoExecute', 1]]), now)]).toEqual([['a=:NoExecute', now]]);
});

describe('a lost node', () => {
  it('keeps conditions that were Unknown before, with their times, and conditions of others', () => {
    const unknown = { type: 'Ready', status: 'Unknown', reason: 'Odd', lastTransitionTime: '2026-01-01T00:00:00Z' };
    const odd = { type: 'Odd', status: 'True' };
    const never = {
      type: 'DiskPressure',
      status: 'Unknown',
      reason: 'NodeStatusNeverUpdated',
      lastTransitionTime: '2026-01-01T00:00:01Z',
    };
    const subject = { ...node('True'), status: { conditions: [unknown, odd, never] } } as unknown as Node;
    const planned = lostConditions(subject, now);
    expect(planned[0]).toMatchObject({ ...unknown, reason: 'NodeStatusUnknown' });
    expect(planned.slice(1, 3)).toEqual([odd, never]);
    expect(planned[3]).toMatchObject({ type: 'MemoryPressure', status: 'Unknown' });
    expect(lostConditions(node('True'), now)[0]).toMatchObject({ lastTransitionTime: '2026-01-01T00:01:00Z' });
  });

  it('without a status is Unknown in all conditions', () => {
    const silent = lostConditions({ metadata: { name: 'n' }, spec: {} } as unknown as Node, now);
    expect(silent.map(({ reason }) => reason)).toEqual(Array(4).fill('NodeStatusNeverUpdated'));
  });

  it('is Unknown in all conditions of its agent, since the first transition', () => {
    const first = lostConditions(node('True'), now);
    expect(first.find(({ type }) => type === 'Ready')).toMatchObject({
      status: 'Unknown',
      reason: 'NodeStatusUnknown',
      message: 'Kubelet stopped posting node status.',
    });
    expect(first.find(({ type }) => type === 'PIDPressure')).toMatchObject({
      status: 'Unknown',
      reason: 'NodeStatusNeverUpdated',
      message: 'Kubelet never posted node status.',
    });
    expect(first.map(({ type }) => type).sort()).toEqual(['DiskPressure', 'MemoryPressure', 'PIDPressure', 'Ready']);
    const again = lostConditions({ ...node('True'), status: { conditions: first } }, now + 60_000);
    expect(again).toEqual(first);
  });
});
