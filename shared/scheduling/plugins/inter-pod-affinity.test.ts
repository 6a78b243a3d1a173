import { describe, expect, it } from 'vitest';
import { ended, onNode, pendingPod, readyNode, terminating } from '../../../test/support/scheduling.ts';
import type { Node, Pod } from '../../generated/types.ts';
import { NodeIndex } from '../node-index.ts';
import type { NodeInfo } from '../node-info.ts';
import type { Check } from '../plugin.ts';
import { interPodAffinity } from './inter-pod-affinity.ts';

interface Terms {
  near?: Term[];
  away?: Term[];
  prefersNear?: [number, Term][];
  prefersAway?: [number, Term][];
}
interface Term {
  topologyKey: string;
  labelSelector: { matchLabels: Record<string, string> };
}

const term = (app: string, topologyKey = 'zone'): Term => ({ topologyKey, labelSelector: { matchLabels: { app } } });

function pod(name: string, app: string, { near, away, prefersNear, prefersAway }: Terms = {}): Pod {
  const weighted = (terms: [number, Term][] = []) =>
    terms.map(([weight, podAffinityTerm]) => ({ weight, podAffinityTerm }));
  const affinity = {
    podAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: near ?? [],
      preferredDuringSchedulingIgnoredDuringExecution: weighted(prefersNear),
    },
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: away ?? [],
      preferredDuringSchedulingIgnoredDuringExecution: weighted(prefersAway),
    },
  };
  return pendingPod(name, {}, { labels: { app }, spec: { affinity } });
}

const zoned = (name: string, zone?: string, rack?: string): Node =>
  readyNode(name, {}, { labels: { ...(zone ? { zone } : {}), ...(rack ? { rack } : {}) } });

function indexOf(nodes: Node[], placed: Pod[]): NodeIndex {
  const index = new NodeIndex();
  for (const node of nodes) index.setNode(node);
  for (const one of placed) index.setPod(one);
  return index;
}

function checked<T>(
  pod: Pod,
  nodes: Node[],
  placed: Pod[],
  use: (check: Check | undefined, nodes: NodeInfo[]) => T,
): T {
  const index = indexOf(nodes, placed);
  return index.withShape(pod, (shape) =>
    use(
      interPodAffinity.prepare(shape, index),
      index.slots.filter((node): node is NodeInfo => node?.node !== undefined),
    ),
  );
}

const fitting = (pod: Pod, nodes: Node[], placed: Pod[] = []) =>
  checked(pod, nodes, placed, (check, states) =>
    states.filter((node) => !check?.filter?.(node)).map(({ name }) => name),
  );
const scores = (pod: Pod, nodes: Node[], placed: Pod[] = []) =>
  checked(pod, nodes, placed, (check, states) => check?.scores && Array.from(check.scores(states)));

const nodes = [zoned('a1', 'a'), zoned('a2', 'a'), zoned('b1', 'b'), zoned('none')];

describe('required affinity', () => {
  it('holds in the whole domain of a matching pod, and can’t be helped by removals', () => {
    const placed = [onNode(pod('q', 'x'), 'a1')];
    expect(fitting(pod('p', 'y', { near: [term('x')] }), nodes, placed)).toEqual(['a1', 'a2']);
    const rejection = checked(
      pod('p', 'y', { near: [term('x')] }),
      nodes,
      placed,
      (check, [, , b1]) => b1 && check?.filter?.(b1),
    );
    const reasons = ["node(s) didn't match pod affinity rules"];
    expect(rejection).toEqual({ plugin: 'InterPodAffinity', reasons, resolvable: false });
  });

  it('is not met by pods that have ended, and still by one that is being deleted', () => {
    const wanted = pod('p', 'y', { near: [term('x')] });
    const placed = onNode(pod('q', 'x'), 'b1');
    expect(fitting(wanted, nodes, [ended(placed, 'Succeeded')])).toEqual([]);
    expect(fitting(wanted, nodes, [ended(placed, 'Failed')])).toEqual([]);
    expect(fitting(wanted, nodes, [terminating(placed)])).toEqual(['b1']);
  });

  it('of several terms demands each, met by pods that match all of them', () => {
    const racks = [zoned('a', 'z1', 'r1'), zoned('b', 'z1', 'r2'), zoned('c', 'z2', 'r1')];
    const both = pod('p', 'y', { near: [term('x'), term('x', 'rack')] });
    expect(fitting(both, racks, [onNode(pod('q', 'x'), 'a')])).toEqual(['a']);
    const apart = pod('p', 'y', { near: [term('x'), term('w')] });
    expect(fitting(apart, racks, [onNode(pod('q', 'x'), 'a'), onNode(pod('r', 'w'), 'a')])).toEqual([]);
  });

  it('lets the first of its group go anywhere with the labels, but only if it matches all its terms itself', () => {
    expect(fitting(pod('p', 'x', { near: [term('x')] }), nodes)).toEqual(['a1', 'a2', 'b1']);
    expect(fitting(pod('p', 'y', { near: [term('x')] }), nodes)).toEqual([]);
    expect(fitting(pod('p', 'x', { near: [term('x'), term('y')] }), nodes)).toEqual([]);
    expect(fitting(pod('p', 'x', { near: [term('x'), term('x', 'rack')] }), nodes)).toEqual([]);
    expect(fitting(pod('p', 'x', { near: [term('x')] }), nodes, [onNode(pod('q', 'x'), 'b1')])).toEqual(['b1']);
  });
});

describe('required anti-affinity', () => {
  const rejectionOn = (name: string, wanted: Pod, placed: Pod[]) =>
    checked(wanted, nodes, placed, (check, states) => {
      const node = states.find((state) => state.name === name);
      return node && check?.filter?.(node);
    });

  it('keeps away from the domains of matching pods, which may be removed', () => {
    const placed = [onNode(pod('q', 'x'), 'a1')];
    const wanted = pod('p', 'y', { away: [term('x')] });
    expect(fitting(wanted, nodes, placed)).toEqual(['b1', 'none']);
    const reasons = ["node(s) didn't match pod anti-affinity rules"];
    expect(rejectionOn('a2', wanted, placed)).toEqual({ plugin: 'InterPodAffinity', reasons, resolvable: true });
  });

  it('of several terms keeps away by each', () => {
    const placed = [onNode(pod('q', 'x'), 'a1'), onNode(pod('r', 'w'), 'b1')];
    expect(fitting(pod('p', 'y', { away: [term('x'), term('w')] }), nodes, placed)).toEqual(['none']);
    expect(fitting(pod('p', 'y', { away: [term('v'), term('w')] }), nodes, placed)).toEqual(['a1', 'a2', 'none']);
  });

  it('of pods that are there keeps others away that they match, until they have ended', () => {
    const shy = onNode(pod('q', 'y', { away: [term('x')] }), 'a1');
    expect(fitting(pod('p', 'x'), nodes, [shy])).toEqual(['b1', 'none']);
    expect(fitting(pod('p', 'w'), nodes, [shy])).toEqual(['a1', 'a2', 'b1', 'none']);
    const reasons = ["node(s) didn't satisfy existing pods anti-affinity rules"];
    expect(rejectionOn('a2', pod('p', 'x'), [shy])).toEqual({ plugin: 'InterPodAffinity', reasons, resolvable: true });
    expect(fitting(pod('p', 'x'), nodes, [terminating(shy)])).toEqual(['b1', 'none']);
    expect(fitting(pod('p', 'x'), nodes, [ended(shy, 'Failed')])).toEqual(['a1', 'a2', 'b1', 'none']);
  });
});

describe('preferred affinity', () => {
  it('makes nodes better by the weights of the matching pods in their domain, from the worst to the best', () => {
    const placed = [onNode(pod('q', 'x'), 'a1'), onNode(pod('r', 'x'), 'b1'), onNode(pod('s', 'x'), 'b1')];
    expect(scores(pod('p', 'y', { prefersNear: [[10, term('x')]] }), nodes, placed)).toEqual([50, 50, 100, 0]);
    expect(scores(pod('p', 'y', { prefersAway: [[10, term('x')]] }), nodes, placed)).toEqual([50, 50, 0, 100]);
  });

  it('adds several terms up, each with its weight', () => {
    const placed = [onNode(pod('q', 'x'), 'a1'), onNode(pod('r', 'w'), 'b1')];
    const wanted = pod('p', 'y', {
      prefersNear: [
        [10, term('x')],
        [4, term('w')],
      ],
      prefersAway: [[6, term('x')]],
    });
    expect(scores(wanted, nodes, placed)).toEqual([100, 100, 100, 0]);
    const other = pod('p', 'y', {
      prefersNear: [
        [10, term('x')],
        [2, term('w')],
      ],
    });
    expect(scores(other, nodes, placed)).toEqual([100, 100, 20, 0]);
  });

  it('of pods that are there counts as well, their required affinity like a preference of weight 1', () => {
    const liked = onNode(pod('q', 'y', { prefersNear: [[3, term('x')]] }), 'a1');
    const needed = onNode(pod('r', 'x', { near: [term('x')] }), 'b1');
    const disliked = onNode(pod('s', 'y', { prefersAway: [[3, term('x')]] }), 'a1');
    expect(scores(pod('p', 'x'), nodes, [liked])).toEqual([100, 100, 0, 0]);
    expect(scores(pod('p', 'x'), nodes, [disliked])).toEqual([0, 0, 100, 100]);
    expect(fitting(pod('p', 'x'), nodes, [liked, disliked])).toEqual(['a1', 'a2', 'b1', 'none']);
    const shy = onNode(pod('t', 'y', { away: [term('x')] }), 'b1');
    expect(scores(pod('p', 'x'), nodes, [liked, shy])).toEqual([100, 100, 0, 0]);
    const found = scores(pod('p', 'x'), nodes, [liked, needed]) ?? [];
    expect(found[0]).toBe(100);
    expect(found[2]).toBeCloseTo(100 / 3);
    expect(scores(pod('p', 'w'), nodes, [liked])).toBeUndefined();
  });

  it('gives equal scores where all are equal, and none when only requirements are there', () => {
    expect(scores(pod('p', 'y', { prefersNear: [[10, term('x')]] }), nodes)).toEqual([0, 0, 0, 0]);
    expect(scores(pod('p', 'y', { away: [term('x')] }), nodes)).toBeUndefined();
  });

  it('does not apply to a pod without terms that no term of others selects', () => {
    checked(pod('p', 'x'), nodes, [onNode(pod('q', 'y', { away: [term('w')] }), 'a1')], (check) =>
      expect(check).toBeUndefined(),
    );
    for (const terms of [
      { near: [term('x')] },
      { away: [term('x')] },
      { prefersNear: [[1, term('x')]] },
      { prefersAway: [[1, term('x')]] },
    ] as Terms[])
      checked(pod('p', 'y', terms), nodes, [], (check) => expect(check?.weight).toBe(2));
  });
});
