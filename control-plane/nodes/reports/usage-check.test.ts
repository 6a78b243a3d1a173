import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatTime } from '../../../shared/clock.ts';
import type { Pod } from '../../../shared/generated/types.ts';
import { formatGoDuration } from '../../../shared/go-duration.ts';
import { quantityOf } from '../../../shared/quantity.ts';
import type { UsageReport } from '../../../shared/session.ts';
import { boundedUsage, checkedUsage } from './usage-check.ts';

const now = 1_764_000_000_000;
const pods = [
  { metadata: { uid: 'u' }, spec: { containers: [{ name: 'c' }], initContainers: [{ name: 'i' }] } },
] as Pod[];
const used = { cpuNanoCores: 5, memoryBytes: 7 };
const report = (more: Partial<UsageReport> = {}): UsageReport => ({
  at: now - 10,
  node: { ...used, windowMs: 15_000 },
  pods: [{ uid: 'u', windowMs: 15_000, containers: [{ name: 'c', ...used }] }],
  ...more,
});

describe('a report of usage', () => {
  it('is taken as it is when it can be', () => {
    expect(checkedUsage(report(), pods, now)).toEqual(report());
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, -1, 0, 8.64e15 + 1, now + 1, now - 60_001])(
    'with the time %d has that of its arrival',
    (at) => {
      expect(checkedUsage(report({ at }), pods, now).at).toBe(now);
    },
  );

  it.each([Number.NaN, -1, 1e16, Number.POSITIVE_INFINITY])(
    'with the impossible number %d has no measurement for it',
    (wrong) => {
      for (const amount of [
        { ...used, cpuNanoCores: wrong },
        { ...used, memoryBytes: wrong },
      ]) {
        expect(checkedUsage(report({ node: { ...amount, windowMs: 1 } }), pods, now).node.windowMs).toBe(0);
        const pod = {
          uid: 'u',
          windowMs: 1,
          containers: [
            { name: 'c', ...used },
            { name: 'i', ...amount },
          ],
        };
        expect(checkedUsage(report({ pods: [pod] }), pods, now).pods).toEqual([]);
      }
      expect(checkedUsage(report({ node: { ...used, windowMs: wrong } }), pods, now).node.windowMs).toBe(0);
    },
  );

  it('has no pods of other nodes, no containers that do not exist, and none twice', () => {
    const [pod] = report().pods;
    const of = (one: object) => checkedUsage(report({ pods: [{ ...pod, ...one }] as never }), pods, now).pods;
    expect(of({ uid: 'theirs' })).toEqual([]);
    expect(of({ containers: [{ name: 'x', ...used }] })).toEqual([]);
    expect(
      of({
        containers: [
          { name: 'c', ...used },
          { name: 'c', ...used },
        ],
      }),
    ).toEqual([]);
    expect(checkedUsage(report({ pods: Array.from({ length: 9 }, () => pod as never) }), pods, now).pods).toEqual([
      pod,
    ]);
  });

  it('can always be shown, for any numbers in it', () => {
    const number = fc.oneof(fc.double(), fc.maxSafeInteger(), fc.constantFrom(2 ** 63, -(2 ** 63), 1e300));
    const amount = { cpuNanoCores: number, memoryBytes: number };
    const any = fc.record({
      at: number,
      node: fc.record({ ...amount, windowMs: number }),
      pods: fc.array(
        fc.record({
          uid: fc.constantFrom('u', 'x'),
          windowMs: number,
          containers: fc.array(fc.record({ name: fc.constantFrom('c', 'x'), ...amount })),
        }),
      ),
    });
    fc.assert(
      fc.property(any, (said) => {
        for (const { at, node, pods: kept } of [checkedUsage(said, pods, now), boundedUsage(said, now)]) {
          expect(() => formatTime(at)).not.toThrow();
          for (const { windowMs } of [node, ...kept]) expect(formatGoDuration(windowMs * 1e6)).not.toContain('NaN');
          for (const { cpuNanoCores, memoryBytes } of [node, ...kept.flatMap(({ containers }) => containers)]) {
            expect(() => [BigInt(Math.round(cpuNanoCores)), quantityOf(memoryBytes, 'BinarySI')]).not.toThrow();
          }
        }
      }),
    );
  });
});
