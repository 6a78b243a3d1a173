import { describe, expect, it } from 'vitest';
import type { Node, Pod } from '../../shared/generated/types.ts';
import { evictAt, lostConditions, nodeHealth, plannedTaints, seenTaints, taintKeys } from './node-lifecycle-plan.ts';

const now = Date.parse('2026-01-01T00:01:00Z');
const node = (status: string, more: object = {}): Node =>
  ({ metadata: { name: 'n' }, spec: more, status: { conditions: [{ type: 'Ready', status }] } }) as unknown as Node;
const pod = (tolerations: object[]): Pod => ({ metadata: {}, spec: { containers: [], tolerations } }) as unknown as Pod;

describe('taints by health', () => {
  it('are none on a ready node, and those of others stay', () => {
    const foreign = { key: 'disk', effect: 'NoSchedule' };
    const before = [foreign, { key: taintKeys.unreachable, effect: 'NoExecute' }];
    expect(plannedTaints(node('True', { taints: before }), { state: 'ready' })).toEqual([foreign]);
  });

  it('date from the last heartbeat, and keep their date', () => {
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

  it('counts a toleration from when the node was last heard of', () => {
    const patient = pod([
      { key: taintKeys.unreachable, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 5 },
    ]);
    expect(evictAt(patient, taints, none)).toBe(now);
  });

  it('is at once without a toleration, and never with one that has no end', () => {
    expect(evictAt(pod([]), taints, none)).toBe(0);
    expect(evictAt(pod([{ operator: 'Exists' }]), taints, none)).toBe(Number.POSITIVE_INFINITY);
    expect(evictAt(pod([]), [{ key: 'x', effect: 'NoSchedule' as const }], none)).toBe(Number.POSITIVE_INFINITY);
  });

  it('takes the shortest of the tolerations that match', () => {
    const both = pod([
      { operator: 'Exists', tolerationSeconds: 60 },
      { key: taintKeys.unreachable, operator: 'Exists', tolerationSeconds: 3 },
    ]);
    expect(evictAt(both, taints, none)).toBe(now - 2_000);
  });

  it('counts from when a taint without a date was first seen, never from the epoch', () => {
    const undated = [{ key: 'x', effect: 'NoExecute' as const }];
    const patient = pod([{ key: 'x', operator: 'Exists', tolerationSeconds: 60 }]);
    const seen = seenTaints(undated, undefined, now);
    expect(evictAt(patient, undated, seen)).toBe(now + 60_000);
    expect(evictAt(patient, undated, seenTaints(undated, seen, now + 30_000))).toBe(now + 60_000);
    const changed = [{ ...undated[0], key: 'x', effect: 'NoExecute' as const, value: 'other' }];
    expect(evictAt(patient, changed, seenTaints(changed, seen, now + 30_000))).toBe(now + 90_000);
  });

  it('gives a pod that comes later its whole toleration', () => {
    const undated = [{ key: 'x', effect: 'NoExecute' as const }];
    const late = pod([{ key: 'x', operator: 'Exists', tolerationSeconds: 60 }]);
    const conditions = [{ type: 'PodScheduled', status: 'True', lastTransitionTime: '2026-01-01T00:03:00Z' }];
    const bound = { ...late, status: { conditions } } as Pod;
    expect(evictAt(bound, undated, seenTaints(undated, undefined, now))).toBe(now + 180_000);
  });
});

describe('a lost node', () => {
  it('is unknown in all that its agent reported, since the first time it was said', () => {
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
