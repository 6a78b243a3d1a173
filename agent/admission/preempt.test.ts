import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Pod } from '../../shared/generated/types.ts';
import { container, makePod } from '../../test/support/hollow-agent.ts';
import { isCritical, podsToPreempt } from './preempt.ts';

type Amounts = Record<string, string>;

/** Burstable where it asks for something. */
const asking = (name: string, requests: Amounts = {}, priority?: number): Pod =>
  makePod(name, {
    containers: [container('app', { resources: { requests } })],
    ...(priority === undefined ? {} : { priority }),
  });
const guaranteed = (name: string, cpu: string, memory: string): Pod =>
  makePod(name, {
    containers: [container('app', { resources: { requests: { cpu, memory }, limits: { cpu, memory } } })],
  });
const critical = asking('p', {}, 2_000_000_000);

/** What is missing of each resource, as a node that is full. */
const short = (missing: Record<string, number>) =>
  Object.entries(missing).map(([resource, requested]) => ({ resource, requested, used: 100, capacity: 100 }));

function victims(others: Pod[], missing: Record<string, number>, pod = critical): string[] {
  const found = podsToPreempt(pod, others, short(missing));
  if (!Array.isArray(found)) throw new Error(`missing: ${JSON.stringify([...found])}`);
  return found.map(({ metadata }) => metadata.name);
}

it('a pod is critical from Kubernetes’ system-critical priority on', () => {
  expect([2_000_000_000, 2_000_001_000].map((priority) => isCritical(asking('p', {}, priority)))).toEqual([true, true]);
  expect([1_999_999_999, 0, undefined].map((priority) => isCritical(asking('p', {}, priority)))).toEqual([
    ...[false, false, false],
  ]);
});

describe('the pods that make way for a critical one', () => {
  it('are of a lower priority', () => {
    const others = [
      asking('above', { cpu: '1' }, 2_000_001_000),
      asking('same', { cpu: '1' }, 2_000_000_000),
      asking('below', { cpu: '1' }, 1_999_999_999),
    ];
    expect(victims(others, { cpu: 500 })).toEqual(['below']);
    expect(victims(others, { cpu: 1_500 }, asking('p', {}, 2_000_001_000)).sort()).toEqual(['below', 'same']);
    expect(podsToPreempt(asking('p'), [asking('q', { cpu: '1' })], short({ cpu: 500 }))).toEqual(
      new Map([['cpu', 500]]),
    );
  });

  it('free what is missing beside what is free', () => {
    const shortage = [{ resource: 'cpu', requested: 1_000, used: 1_700, capacity: 2_000 }];
    const others = [asking('a', { cpu: '700m' }), asking('b', { cpu: '699m' })];
    expect(podsToPreempt(critical, others, shortage)).toEqual([others[0]]);
  });

  it('have not to end when even all of them are not enough, and the result names what would be missing', () => {
    const others = [asking('a', { cpu: '1', memory: '1Gi', 'example.com/gpu': '2' })];
    const found = podsToPreempt(
      critical,
      others,
      short({ cpu: 1_200, memory: 2 ** 30, 'example.com/gpu': 3, pods: 1 }),
    );
    expect(found).toEqual(
      new Map([
        ['cpu', 200],
        ['example.com/gpu', 1],
      ]),
    );
  });

  it.each([
    ['cpu', { cpu: '1' }, 1_000],
    ['memory', { memory: '1Ki' }, 1_024],
    ['ephemeral-storage', { 'ephemeral-storage': '1Ki' }, 1_024],
    ['hugepages-2Mi', { 'hugepages-2Mi': '2Mi' }, 2 ** 21],
    ['example.com/gpu', { 'example.com/gpu': '1' }, 1],
  ])('are those that have %s where that is missing', (resource, requests, amount) => {
    expect(
      victims([asking('none', { 'example.com/other': '9' }), asking('some', requests)], { [resource]: amount }),
    ).toEqual(['some']);
  });

  it('are any where a place is missing, the one that asks for least', () => {
    expect(victims([asking('a', { memory: '2Mi' }), asking('b', { memory: '1Mi' })], { pods: 1 })).toEqual(['b']);
    expect(victims([asking('a', { memory: '1Mi' }), asking('b')], { pods: 2 }).sort()).toEqual(['a', 'b']);
  });

  it('are the one that fits instead of several that are smaller', () => {
    const others = ['200m', '300m', '1', '600m'].map((cpu) => asking(cpu, { cpu }));
    expect(victims(others, { cpu: 500 })).toEqual(['600m']);
    expect(victims(others, { cpu: 1_100 })).toEqual(['1', '200m']);
  });

  it('are near to what is missing of all resources together', () => {
    const much = asking('much-cpu', { cpu: '100', memory: '1Mi' });
    const some = asking('some-of-both', { cpu: '600m', memory: '600Mi' });
    const none = asking('little', { cpu: '100m', memory: '100Mi' });
    const found = victims([none, much, some], { cpu: 1_000, memory: 1_000 * 2 ** 20 - 400 * 2 ** 20 });
    expect(found[0]).toBe('some-of-both');
  });

  it('are near by the share of what is missing, not by its amount', () => {
    const others = [
      asking('memory', { memory: '1Gi' }),
      asking('both', { cpu: '1', memory: '512Mi' }),
      asking('rest', { memory: '1Gi' }),
    ];
    expect(victims(others, { cpu: 1_000, memory: 2 ** 30 })[0]).toBe('both');
  });

  it('are of equals the one with less memory, and then the one with less processor time', () => {
    const need = { 'example.com/gpu': 1 };
    const of = (name: string, memory: string, cpu: string) => asking(name, { 'example.com/gpu': '1', memory, cpu });
    expect(victims([of('a', '2Mi', '1'), of('b', '1Mi', '2')], need)).toEqual(['b']);
    expect(victims([of('a', '1Mi', '2'), of('b', '1Mi', '1')], need)).toEqual(['b']);
    expect(victims([of('a', '1Mi', '1'), of('b', '2Mi', '2')], need)).toEqual(['a']);
  });

  it('are guaranteed ones only for what all others leave missing, and burstable ones before pods without requests', () => {
    const others = [
      guaranteed('g1', '1', '1Mi'),
      guaranteed('g2', '2', '1Mi'),
      asking('burst', { cpu: '500m' }),
      asking('best'),
    ];
    expect(victims(others, { cpu: 500 })).toEqual(['burst']);
    expect(victims(others, { cpu: 600 })).toEqual(['g1']);
    expect(victims(others, { cpu: 1_600 })).toEqual(['g2']);
    expect(victims(others, { cpu: 2_500 }).sort()).toEqual(['burst', 'g2']);
    expect(victims(others, { pods: 1 })).toEqual(['best']);
    expect(victims(others, { pods: 2 })).toEqual(['best', 'burst']);
    expect(victims(others, { pods: 3 }).sort()).toEqual(['best', 'burst', 'g1']);
  });

  it('always free enough, are below it, and are no more than are needed of their class', () => {
    const pods = fc.array(
      fc.record({
        cpu: fc.integer({ min: 0, max: 6 }),
        gpu: fc.integer({ min: 0, max: 3 }),
        priority: fc.nat(3),
        whole: fc.boolean(),
      }),
      { maxLength: 8 },
    );
    const need = fc.record({ cpu: fc.integer({ min: 1, max: 12 }), gpu: fc.integer({ min: 0, max: 4 }) });
    fc.assert(
      fc.property(pods, need, (drawn, { cpu, gpu }) => {
        const others = drawn.map(({ cpu: cores, gpu: cards, priority, whole }, i) => {
          const requests: Amounts = {
            ...(cores ? { cpu: String(cores) } : {}),
            ...(cards ? { 'example.com/gpu': String(cards) } : {}),
          };
          const fixed = { cpu: String(cores || 1), memory: '1Mi' };
          return makePod(`p${i}`, {
            priority: priority === 3 ? 2_000_000_000 : priority,
            containers: [
              container('app', {
                resources: whole
                  ? { requests: { ...requests, ...fixed }, limits: { ...requests, ...fixed } }
                  : { requests },
              }),
            ],
          });
        });
        const missing = { cpu: cpu * 1_000, ...(gpu ? { 'example.com/gpu': gpu } : {}) };
        const has = (list: Pod[], name: string) =>
          list.reduce((sum, { spec }) => sum + Number(spec.containers[0]?.resources?.requests?.[name] ?? 0), 0);
        const enough = (list: Pod[]) => has(list, 'cpu') >= cpu && has(list, 'example.com/gpu') >= gpu;
        const below = others.filter(({ spec }) => (spec.priority ?? 0) < 2_000_000_000);
        const found = podsToPreempt(critical, others, short(missing));
        expect(Array.isArray(found)).toBe(enough(below));
        if (!Array.isArray(found)) return;
        expect(found.every((pod) => below.includes(pod))).toBe(true);
        expect(new Set(found).size).toBe(found.length);
        expect(enough(found)).toBe(true);
        const isGuaranteed = (pod: Pod) => pod.spec.containers[0]?.resources?.limits !== undefined;
        if (enough(below.filter((pod) => !isGuaranteed(pod)))) expect(found.some(isGuaranteed)).toBe(false);
      }),
      { numRuns: 100 },
    );
  });
});
