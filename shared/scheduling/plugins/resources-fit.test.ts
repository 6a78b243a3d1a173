import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ended, onNode, pendingPod, readyNode, terminating } from '../../../test/support/scheduling.ts';
import { insufficientResources } from '../insufficient-resources.ts';
import { NodeIndex } from '../node-index.ts';
import type { Rejection } from '../plugin.ts';
import { resourcesFit } from './resources-fit.ts';

const requestable = ['cpu', 'memory', 'ephemeral-storage', 'example.com/gpu'] as const;

/** Why a node with `allocatable` and a pod for each of `taken` rejects a pod that requests `asked`. */
function rejection(
  asked: Record<string, string>,
  allocatable: Record<string, string>,
  taken: readonly Record<string, string>[] = [],
): Rejection | undefined {
  const index = new NodeIndex();
  index.setNode(readyNode('n', allocatable));
  for (const [at, requests] of taken.entries()) index.setPod(onNode(pendingPod(`q${at}`, requests), 'n'));
  const node = index.node('n');
  if (!node) throw new Error('no node');
  return index.withShape(pendingPod('p', asked), (shape) => resourcesFit.prepare(shape, index)?.filter?.(node));
}

describe('room on a node', () => {
  it.each(requestable)('of %s is the node’s amount without its pods’ requests, to the last unit', (resource) => {
    const amount = (units: number) => ({ [resource]: resource === 'cpu' ? `${units}m` : `${units}` });
    expect(rejection(amount(400), amount(1_000), [amount(500), amount(100)])).toBeUndefined();
    expect(rejection(amount(401), amount(1_000), [amount(500), amount(100)])).toEqual({
      plugin: 'NodeResourcesFit',
      reasons: [`Insufficient ${resource}`],
      resolvable: true,
    });
    expect(rejection(amount(1_001), amount(1_000))).toMatchObject({ resolvable: false });
    // Who asks for none of it fits on a node that gives more than it has.
    expect(rejection({}, amount(100), [amount(500)])).toBeUndefined();
    expect(rejection(amount(0), amount(100), [amount(500)])).toBeUndefined();
  });

  it('of pods is their number', () => {
    expect(rejection({}, { pods: '2' }, [{}])).toBeUndefined();
    expect(rejection({}, { pods: '2' }, [{}, {}])).toMatchObject({ reasons: ['Too many pods'], resolvable: true });
    expect(rejection({}, { pods: '0' })).toMatchObject({ reasons: ['Too many pods'], resolvable: false });
  });

  it('is named for every resource that is short, and can’t be made when one of them never suffices', () => {
    const allocatable = { cpu: '1', memory: '1000', 'example.com/gpu': '1', pods: '1' };
    const taken = [{ cpu: '1', memory: '1000', 'example.com/gpu': '1' }];
    const all = ['Too many pods', 'Insufficient cpu', 'Insufficient memory', 'Insufficient example.com/gpu'];
    const asked = { cpu: '1', memory: '1', 'example.com/gpu': '1' };
    expect(rejection(asked, allocatable, taken)).toMatchObject({ reasons: all, resolvable: true });
    expect(rejection({ ...asked, 'example.com/gpu': '2' }, allocatable, taken)).toMatchObject({
      reasons: all,
      resolvable: false,
    });
  });

  it('is held by pods that are being deleted, and not by pods that have ended', () => {
    const index = new NodeIndex();
    index.setNode(readyNode('n', { cpu: '1' }));
    const node = index.node('n');
    const pod = (name: string) => onNode(pendingPod(name, { cpu: '1' }), 'n');
    const fits = () =>
      index.withShape(
        pendingPod('p', { cpu: '1' }),
        (shape) => node && insufficientResources(shape.requests, node).length === 0,
      );
    index.setPod(ended(pod('a'), 'Succeeded'));
    index.setPod(ended(pod('b'), 'Failed'));
    expect(fits()).toBe(true);
    index.setPod(terminating(pod('c')));
    expect(fits()).toBe(false);
    index.setPod(ended(terminating(pod('c')), 'Failed'));
    expect(fits()).toBe(true);
  });

  it('may be made on a large node, though it can’t on a small one that is short of the same', () => {
    const index = new NodeIndex();
    index.setNode(readyNode('small', { cpu: '1' }));
    index.setNode(readyNode('large', { cpu: '4' }));
    index.setPod(onNode(pendingPod('q', { cpu: '3' }), 'large'));
    index.withShape(pendingPod('p', { cpu: '2' }), (shape) => {
      const check = resourcesFit.prepare(shape, index);
      const resolvable = index.slots.map((node) => node && check?.filter?.(node)?.resolvable);
      expect(resolvable).toEqual([false, true]);
      expect(index.slots.map((node) => node && check?.filter?.(node)?.resolvable)).toEqual([false, true]);
    });
  });

  it('names the missing resources of each node', () => {
    const index = new NodeIndex();
    index.setNode(readyNode('little-cpu', { cpu: '1', memory: '100' }));
    index.setNode(readyNode('little-memory', { cpu: '2', memory: '50' }));
    index.withShape(pendingPod('p', { cpu: '2', memory: '100' }), (shape) => {
      const check = resourcesFit.prepare(shape, index);
      const reasons = index.slots.map((node) => node && check?.filter?.(node)?.reasons);
      expect(reasons).toEqual([['Insufficient cpu'], ['Insufficient memory']]);
    });
  });

  it('agrees with the list of missing resources', () => {
    const amount = fc.nat(3).map(String);
    const amounts = fc.record({ cpu: amount, memory: amount, 'ephemeral-storage': amount, 'example.com/gpu': amount });
    fc.assert(
      fc.property(amounts, amounts, amounts, fc.constantFrom('0', '1', '2'), (asked, has, taken, pods) => {
        const index = new NodeIndex();
        index.setNode(readyNode('n', { ...has, pods }));
        index.setPod(onNode(pendingPod('q', taken), 'n'));
        const node = index.node('n');
        if (!node) throw new Error('no node');
        index.withShape(pendingPod('p', asked), (shape) => {
          const short = requestable.filter(
            (name) => asked[name] !== '0' && Number(asked[name]) > Number(has[name]) - Number(taken[name]),
          );
          const full = Number(pods) < 2;
          const expected = [...(full ? ['Too many pods'] : []), ...short.map((name) => `Insufficient ${name}`)];
          const insufficient = insufficientResources(shape.requests, node).map(({ resource }) => resource);
          expect(insufficient).toEqual([...(full ? ['pods'] : []), ...short]);
          expect(resourcesFit.prepare(shape, index)?.filter?.(node)?.reasons ?? []).toEqual(expected);
        });
      }),
      { numRuns: 60 },
    );
  });
});

describe('the score of a node for room', () => {
  /** Of a node with 1000m and 1000 MiB of which its pod and the new one take these. */
  const score = (
    asked: Record<string, string>,
    taken: Record<string, string>,
    has = { cpu: '1', memory: '1000Mi' },
  ) => {
    const index = new NodeIndex();
    index.setNode(readyNode('n', has));
    index.setPod(onNode(pendingPod('q', taken), 'n'));
    const node = index.node('n');
    return index.withShape(
      pendingPod('p', asked),
      (shape) => node && resourcesFit.prepare(shape, index)?.score?.(node),
    );
  };

  it('is the mean of the shares of cpu and memory that stay free', () => {
    expect(score({ cpu: '250m', memory: '100Mi' }, { cpu: '250m', memory: '100Mi' })).toBeCloseTo(65);
    expect(score({ cpu: '500m', memory: '1Mi' }, { cpu: '500m', memory: '1Mi' })).toBeCloseTo(49.9);
    expect(score({ cpu: '900m', memory: '999Mi' }, { cpu: '900m', memory: '999Mi' })).toBe(0);
  });

  it('counts pods without requests as 100m and 200Mi', () => {
    expect(score({}, {})).toBeCloseTo((80 + 60) / 2);
  });

  it('is nothing on a node that has nothing', () => {
    expect(score({}, {}, { cpu: '0', memory: '0' })).toBe(0);
  });
});
