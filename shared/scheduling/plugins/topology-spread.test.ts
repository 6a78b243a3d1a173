import { describe, expect, it } from 'vitest';
import { ended, onNode, pendingPod, readyNode, terminating } from '../../../test/support/scheduling.ts';
import type { Node, Pod } from '../../generated/types.ts';
import { NodeIndex } from '../node-index.ts';
import type { NodeInfo } from '../node-info.ts';
import type { Check } from '../plugin.ts';
import { topologySpread } from './topology-spread.ts';

type Spec = Partial<Pod['spec']>;
type Constraint = NonNullable<Pod['spec']['topologySpreadConstraints']>[number];

const skewed = "node(s) didn't match pod topology spread constraints";
const unlabelled = `${skewed} (missing required label)`;

function constraint(more: Partial<Constraint> = {}): Constraint {
  const labelSelector = { matchLabels: { app: 'x' } };
  return { maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule', labelSelector, ...more };
}

const soft = (more: Partial<Constraint> = {}) => constraint({ whenUnsatisfiable: 'ScheduleAnyway', ...more });

function wanting(constraints: Constraint[], more: Spec = {}, app = 'x'): Pod {
  return pendingPod('p', {}, { labels: { app }, spec: { topologySpreadConstraints: constraints, ...more } });
}

const zoned = (name: string, zone?: string, more: { rack?: string; spec?: Node['spec'] } = {}): Node =>
  readyNode(
    name,
    {},
    {
      labels: { ...(zone ? { zone } : {}), ...(more.rack ? { rack: more.rack } : {}) },
      ...(more.spec ? { spec: more.spec } : {}),
    },
  );

/** Pods of app x: as many on each node as said. */
function pods(counts: Record<string, number>, app = 'x'): Pod[] {
  return Object.entries(counts).flatMap(([node, count]) =>
    Array.from({ length: count }, (_, i) => onNode(pendingPod(`${app}-${node}-${i}`, {}, { labels: { app } }), node)),
  );
}

function checked<T>(pod: Pod, nodes: Node[], placed: Pod[], use: (check: Check, nodes: NodeInfo[]) => T): T {
  const index = new NodeIndex();
  for (const node of nodes) index.setNode(node);
  for (const one of placed) index.setPod(one);
  return index.withShape(pod, (shape) => {
    const check = topologySpread.prepare(shape, index);
    if (!check) throw new Error('nothing to say');
    return use(
      check,
      index.slots.filter((node): node is NodeInfo => node?.node !== undefined),
    );
  });
}

/** The nodes that take the pod. */
const fitting = (pod: Pod, nodes: Node[], placed: Pod[] = []) =>
  checked(pod, nodes, placed, (check, states) =>
    states.filter((node) => !check.filter?.(node)).map(({ name }) => name),
  );
const scores = (pod: Pod, nodes: Node[], placed: Pod[] = []) =>
  checked(pod, nodes, placed, (check, states) =>
    Array.from(check.scores?.(states) ?? []).map((score) => Math.round(score * 1_000) / 1_000),
  );

const three = [zoned('a', 'za'), zoned('b', 'zb'), zoned('c', 'zc')];

describe('a hard spread', () => {
  it('lets a pod in where the skew to the emptiest domain stays within the limit', () => {
    expect(fitting(wanting([constraint()]), three, pods({ a: 1, b: 1 }))).toEqual(['c']);
    expect(fitting(wanting([constraint()]), three, pods({ a: 1, b: 1, c: 1 }))).toEqual(['a', 'b', 'c']);
    expect(fitting(wanting([constraint({ maxSkew: 2 })]), three, pods({ a: 1, b: 2 }))).toEqual(['a', 'c']);
  });

  it('counts the pods of all nodes of a domain', () => {
    const nodes = [zoned('a1', 'za'), zoned('a2', 'za'), zoned('b', 'zb')];
    expect(fitting(wanting([constraint({ maxSkew: 2 })]), nodes, pods({ a1: 1, a2: 1 }))).toEqual(['b']);
  });

  it('does not count the pod itself when the constraint does not select it', () => {
    expect(fitting(wanting([constraint()], {}, 'other'), three, pods({ a: 1 }))).toEqual(['a', 'b', 'c']);
    expect(fitting(wanting([constraint()], {}, 'other'), three, pods({ a: 2 }))).toEqual(['b', 'c']);
  });

  it('counts only pods that the constraint selects', () => {
    const placed = [...pods({ b: 3 }, 'other'), ...pods({ a: 1 })];
    expect(fitting(wanting([constraint()]), three, placed)).toEqual(['b', 'c']);
  });

  it('counts neither pods that have ended nor pods that are being deleted', () => {
    const [one, two] = pods({ a: 2 });
    if (!one || !two) throw new Error('no pods');
    expect(fitting(wanting([constraint()]), three, [one])).toEqual(['b', 'c']);
    for (const placed of [ended(one, 'Succeeded'), ended(one, 'Failed'), terminating(one)])
      expect(fitting(wanting([constraint()]), three, [placed])).toEqual(['a', 'b', 'c']);
    expect(fitting(wanting([constraint()]), three, [terminating(one), two])).toEqual(['b', 'c']);
  });

  it('takes the emptiest domain for empty while there are fewer domains than minDomains', () => {
    const placed = pods({ a: 1, b: 1, c: 1 });
    expect(fitting(wanting([constraint({ minDomains: 3 })]), three, placed)).toEqual(['a', 'b', 'c']);
    expect(fitting(wanting([constraint({ minDomains: 4 })]), three, placed)).toEqual([]);
  });

  it('rejects nodes without the label, which no removal of pods can help', () => {
    const nodes = [...three, zoned('none')];
    const rejections = checked(wanting([constraint()]), nodes, pods({ a: 1 }), (check, states) =>
      states.map((node) => check.filter?.(node)),
    );
    expect(rejections).toEqual([
      { plugin: 'PodTopologySpread', reasons: [skewed], resolvable: true },
      undefined,
      undefined,
      { plugin: 'PodTopologySpread', reasons: [unlabelled], resolvable: false },
    ]);
  });

  it('of several constraints demands each, the second too, and counts only nodes that have both labels', () => {
    const nodes = [
      zoned('a', 'za', { rack: 'r1' }),
      zoned('b', 'zb', { rack: 'r1' }),
      zoned('c', 'zc', { rack: 'r2' }),
    ];
    const both = [constraint(), constraint({ topologyKey: 'rack' })];
    expect(fitting(wanting(both), nodes, pods({ a: 1 }))).toEqual(['c']);
    expect(fitting(wanting([...both].reverse()), nodes, pods({ a: 1 }))).toEqual(['c']);
    // Without a rack the second zone is no domain, and its pods do not count.
    const partly = [zoned('a', 'za', { rack: 'r1' }), zoned('b', 'zb'), zoned('c', 'zc', { rack: 'r2' })];
    expect(fitting(wanting(both), partly, pods({ a: 1, c: 1 }))).toEqual(['a', 'c']);
    expect(fitting(wanting([constraint()]), partly, pods({ a: 1, c: 1 }))).toEqual(['b']);
  });

  it('counts only nodes that the pod’s affinity selects, unless it is to be ignored', () => {
    const spec = { nodeSelector: { rack: 'r' } };
    const nodes = [zoned('a', 'za', { rack: 'r' }), zoned('b', 'zb')];
    expect(fitting(wanting([constraint()], spec), nodes, pods({ a: 1 }))).toEqual(['a', 'b']);
    expect(fitting(wanting([constraint({ nodeAffinityPolicy: 'Ignore' })], spec), nodes, pods({ a: 1 }))).toEqual([
      'b',
    ]);
  });

  it('counts tainted nodes, unless taints are to be honoured and the pod does not tolerate them', () => {
    const nodes = [zoned('a', 'za'), zoned('b', 'zb', { spec: { taints: [{ key: 'gpu', effect: 'NoSchedule' }] } })];
    const honour = [constraint({ nodeTaintsPolicy: 'Honor' })];
    const tolerations = [{ key: 'gpu', operator: 'Exists' as const }];
    expect(fitting(wanting([constraint()]), nodes, pods({ a: 1 }))).toEqual(['b']);
    expect(fitting(wanting(honour), nodes, pods({ a: 1 }))).toEqual(['a', 'b']);
    expect(fitting(wanting(honour, { tolerations }), nodes, pods({ a: 1 }))).toEqual(['b']);
  });

  it('takes the emptiest domain for empty when none counts', () => {
    const spec = { nodeSelector: { rack: 'nowhere' } };
    expect(fitting(wanting([constraint()], spec), three, pods({ a: 1 }))).toEqual(['a', 'b', 'c']);
  });

  it('does not count what is bound to a node that does not exist', () => {
    const placed = [...pods({ a: 1, b: 1, c: 1 }), ...pods({ ghost: 3 })];
    expect(fitting(wanting([constraint()]), three, placed)).toEqual(['a', 'b', 'c']);
  });

  it('has no score of its own, and a soft one rejects nothing', () => {
    checked(wanting([constraint()]), three, [], (check) => expect(check.scores).toBeUndefined());
    checked(wanting([soft()]), three, [], (check) => expect(check.filter).toBeUndefined());
    const index = new NodeIndex();
    index.withShape(pendingPod('p'), (shape) => expect(topologySpread.prepare(shape, index)).toBeUndefined());
  });
});

describe('a soft spread', () => {
  it('is best where the fewest pods are, in proportion', () => {
    expect(scores(wanting([soft()]), three, pods({ a: 2, b: 1 }))).toEqual([0, 50, 100]);
    expect(scores(wanting([soft()]), three, pods({ a: 4, b: 3, c: 1 }))).toEqual([25, 50, 100]);
    expect(scores(wanting([soft()]), three)).toEqual([100, 100, 100]);
  });

  it('compares only the given nodes', () => {
    const found = checked(wanting([soft()]), three, pods({ a: 2, b: 1 }), (check, states) =>
      Array.from(check.scores?.(states.slice(0, 2)) ?? []),
    );
    expect(found).toEqual([50, 100]);
  });

  it('makes nodes without one of the labels the worst, and the others no better or worse', () => {
    const nodes = [
      zoned('none'),
      zoned('a', 'za', { rack: 'r' }),
      zoned('b', 'zb', { rack: 'r' }),
      zoned('half', 'zc'),
    ];
    const both = [soft(), soft({ topologyKey: 'rack' })];
    const found = scores(wanting(both), nodes, pods({ none: 9, half: 9 }));
    expect(found).toEqual([0, 100, 100, 0]);
    expect(scores(wanting([soft()]), nodes.slice(0, 3), pods({ none: 9, a: 1 }))).toEqual([0, 0, 100]);
  });

  it('gives a constraint over few domains less weight than one over many', () => {
    // Four zones, two racks: node a shares its zone, node b its rack with a pod.
    const nodes = [
      zoned('a', 'za', { rack: 'r1' }),
      zoned('b', 'zb', { rack: 'r2' }),
      zoned('c', 'zc', { rack: 'r1' }),
      zoned('d', 'zd', { rack: 'r2' }),
      zoned('in-za', 'za', { rack: 'r3' }),
      zoned('in-r2', 'ze', { rack: 'r2' }),
    ];
    const both = [soft(), soft({ topologyKey: 'rack' })];
    const [a = 0, b = 0, c] = scores(wanting(both), nodes, pods({ 'in-za': 1, 'in-r2': 1 }));
    expect(c).toBe(100);
    // ln(5 + 2) for the zones, ln(3 + 2) for the racks; the worst node shares both.
    const most = Math.log(7) + Math.log(5);
    expect(a).toBeCloseTo((100 * Math.log(5)) / most);
    expect(b).toBeCloseTo((100 * Math.log(7)) / most);
  });

  it('cares less for a difference the larger its skew may be', () => {
    const strict = scores(wanting([soft()]), three, pods({ a: 2, b: 1 }));
    const lax = scores(wanting([soft({ maxSkew: 5 })]), three, pods({ a: 2, b: 1 }));
    expect(strict[2]).toBe(100);
    expect((lax[2] ?? 0) - (lax[0] ?? 0)).toBeLessThan(100);
    // (2·ln 5 + 4) is the most, 4 the least: Kubernetes' `scoreForCount` adds maxSkew − 1.
    const most = 2 * Math.log(5) + 4;
    expect(lax[0]).toBeCloseTo((100 * 4) / most);
  });
});
