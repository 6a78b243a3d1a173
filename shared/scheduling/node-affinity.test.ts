import { describe, expect, it } from 'vitest';
import type { PodSpec } from '../generated/types.ts';
import { nodeFilter } from './node-affinity.ts';

const node = { name: 'n1', labels: { zone: 'a', disk: 'ssd' } };
const required = (...terms: Record<string, string>[]) => ({
  nodeAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: {
      nodeSelectorTerms: terms.map((labels) => ({
        matchExpressions: Object.entries(labels).map(([key, value]) => ({ key, operator: 'In', values: [value] })),
      })),
    },
  },
});
const takes = (spec: object) => nodeFilter(spec as PodSpec)?.(node);

describe('the nodes that a pod takes', () => {
  it('are any, when it says nothing, or only what it would like', () => {
    const preferred = { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] } };
    expect([takes({}), takes({ affinity: {} }), takes({ affinity: preferred })]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('have all labels of its node selector', () => {
    expect([takes({ nodeSelector: { zone: 'a', disk: 'ssd' } }), takes({ nodeSelector: {} })]).toEqual([true, true]);
    expect([takes({ nodeSelector: { zone: 'a', disk: 'hdd' } }), takes({ nodeSelector: { gpu: '' } })]).toEqual([
      false,
      false,
    ]);
  });

  it('are of one of the terms of its affinity', () => {
    expect(takes({ affinity: required({ zone: 'b' }, { zone: 'a', disk: 'ssd' }) })).toBe(true);
    expect(takes({ affinity: required({ zone: 'b' }, { zone: 'a', disk: 'hdd' }) })).toBe(false);
    expect(takes({ affinity: required({}) })).toBe(false);
  });

  it('are selected by both', () => {
    const affinity = required({ zone: 'a' });
    expect(takes({ nodeSelector: { disk: 'ssd' }, affinity })).toBe(true);
    expect(takes({ nodeSelector: { disk: 'hdd' }, affinity })).toBe(false);
    expect(takes({ nodeSelector: { disk: 'ssd' }, affinity: required({ zone: 'b' }) })).toBe(false);
  });
});
