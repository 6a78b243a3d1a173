import { describe, expect, it } from 'vitest';
import type { Pod } from '../../shared/generated/types.ts';
import { planReplicas } from './replicas.ts';

const start = Date.parse('2026-01-01T00:00:00Z');
const refused = (name: string, seconds: number): Pod =>
  ({
    metadata: { name, creationTimestamp: new Date(start + seconds * 1000).toISOString() },
    spec: { containers: [] },
    status: { phase: 'Failed', reason: 'OutOfcpu', message: "Pod was rejected: Node didn't have enough resource: cpu" },
  }) as unknown as Pod;
const plan = (pods: readonly Pod[], seconds: number) =>
  planReplicas({ replicas: 2, minReadySeconds: 0, templateLabels: {}, pods, now: start + seconds * 1000 });

describe('pods that nodes refuse', () => {
  it('are replaced after a second, then after twice as long each time, up to a minute', () => {
    const pods: Pod[] = [];
    const gaps: number[] = [];
    let at = 0;
    for (let round = 0; round < 9; round++) {
      expect(plan(pods, at).create).toBe(2);
      pods.push(refused(`a-${round}`, at), refused(`b-${round}`, at));
      const { create, lookAgainMs = 0 } = plan(pods, at);
      expect(create).toBe(0);
      gaps.push(lookAgainMs / 1000);
      at += lookAgainMs / 1000;
    }
    expect(gaps).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60]);
  });

  it('of longer than an hour ago hold up nothing, nor do pods that failed after their start', () => {
    expect(plan([refused('a', 0)], 3_601).create).toBe(2);
    const failed = { ...refused('a', 0), status: { phase: 'Failed', reason: 'Evicted', message: 'x' } } as Pod;
    expect(plan([failed], 0).create).toBe(2);
  });
});
