import { describe, expect, it } from 'vitest';
import { onNode, pendingPod, readyNode } from '../../test/support/scheduling.ts';
import { Decider } from './decide.ts';
import { NodeIndex } from './node-index.ts';
import type { NodeInfo } from './node-info.ts';
import type { Check, Plugin } from './plugin.ts';
import type { PodShape } from './pod-shape.ts';
import { ShapeResults } from './shape-results.ts';

/** Rules that record for which nodes they are called. */
function counted() {
  const asked: string[] = [];
  const full = new Set<string>();
  const scores = new Map<string, number>();
  const fixed: Check = {
    filter(node) {
      asked.push(`node ${node.name}`);
      return node.unschedulable ? { plugin: 'fixed', reasons: ['cordoned'], resolvable: false } : undefined;
    },
    score: () => 1,
    weight: 10,
  };
  const local: Check = {
    filter(node) {
      asked.push(`local ${node.name}`);
      return full.has(node.name) ? { plugin: 'local', reasons: ['full'], resolvable: true } : undefined;
    },
    score: (node) => scores.get(node.name) ?? 0,
  };
  const take = () => asked.splice(0);
  return { take, full, scores, fixed, local };
}

function setUp(names: readonly string[]) {
  const rules = counted();
  const index = new NodeIndex();
  for (const name of names) index.setNode(readyNode(name));
  const info = index.setPod(pendingPod('p'));
  if (!info) throw new Error('the pod has ended');
  const results = new ShapeResults(index, info.shape, [rules.fixed], [rules.local], 1);
  const node = (name: string): NodeInfo => {
    const state = index.node(name);
    if (!state) throw new Error(`no node ${name}`);
    return state;
  };
  let placed = 0;
  /** A pod comes to the node. */
  const touch = (name: string) => index.setPod(onNode(pendingPod(`q${placed++}`), name));
  return { ...rules, index, results, node, touch };
}

const cordoned = (name: string) => readyNode(name, {}, { spec: { unschedulable: true } });

describe('the cached results of one shape', () => {
  it('is the best node, with the weighted sum of its scores', () => {
    const { results, scores, node } = setUp(['a', 'b', 'c']);
    scores.set('b', 5);
    expect(results.best()).toBeUndefined();
    results.refresh();
    expect(results.best()).toBe(node('b'));
    expect([results.score(node('a')), results.score(node('b'))]).toEqual([10, 15]);
    expect(results.rejections()).toEqual([]);
  });

  it('asks only about nodes that changed, and about the object’s rules only when the object did', () => {
    const { results, index, take, touch } = setUp(['a', 'b', 'c', 'd', 'e']);
    results.refresh();
    expect(take()).toHaveLength(10);
    results.refresh();
    expect(take()).toEqual([]);
    touch('b');
    results.refresh();
    expect(take()).toEqual(['local b']);
    index.setNode(readyNode('c', { cpu: '7' }));
    results.refresh();
    expect(take()).toEqual(['node c', 'local c']);
    // More changes than nodes: all are visited, and still only changed ones are filtered.
    for (let i = 0; i < 9; i++) touch('a');
    results.refresh();
    expect(take()).toEqual(['local a']);
    for (let i = 0; i < 50; i++) touch('e');
    results.refresh();
    expect(take()).toEqual(['local e']);
  });

  it('looks at no node that did not change, unless there are more changes than nodes', () => {
    const { results, node, touch } = setUp(['a', 'b', 'c', 'd', 'e']);
    results.refresh();
    let looks = 0;
    for (const name of ['a', 'c', 'd', 'e']) {
      const state = node(name);
      const { version } = state;
      Object.defineProperty(state, 'version', {
        get() {
          looks++;
          return version;
        },
      });
    }
    results.refresh();
    for (let i = 0; i < 4; i++) {
      touch('b');
      results.refresh();
    }
    expect(looks).toBe(0);
    for (let i = 0; i < 100; i++) touch('b');
    results.refresh();
    expect(looks).toBe(4);
  });

  it('proposes no node that is gone while pods on it remain', () => {
    const { results, index, scores, touch } = setUp(['a', 'b', 'c', 'd', 'e']);
    scores.set('a', 5);
    touch('a');
    results.refresh();
    expect(results.best()?.name).toBe('a');
    index.removeNode('a');
    results.refresh();
    expect(results.best()?.name).not.toBe('a');
    index.setNode(readyNode('a'));
    results.refresh();
    expect(results.best()?.name).toBe('a');
  });

  it('forgets a rejection when what it rests on has changed, and a score too', () => {
    const { results, index, full, scores, node, touch } = setUp(['a', 'b', 'c']);
    full.add('a');
    index.setNode(cordoned('b'));
    scores.set('c', -5);
    results.refresh();
    expect(results.rejection(node('a'))?.reasons).toEqual(['full']);
    expect(results.rejection(node('b'))?.reasons).toEqual(['cordoned']);
    expect(results.rejections().map(([{ name }, { reasons }]) => [name, ...reasons])).toEqual([
      ['a', 'full'],
      ['b', 'cordoned'],
    ]);
    expect([results.best()?.name, results.score(node('a')), results.score(node('b'))]).toEqual(['c', 0, 0]);
    full.delete('a');
    index.setNode(readyNode('b'));
    scores.set('b', 7);
    touch('a');
    results.refresh();
    expect(results.rejections()).toEqual([]);
    expect([results.best()?.name, results.score(node('b'))]).toEqual(['b', 17]);
    scores.set('a', 9);
    touch('a');
    results.refresh();
    expect(results.best()?.name).toBe('a');
    full.add('a');
    touch('a');
    results.refresh();
    expect(results.best()?.name).toBe('b');
  });

  it('loses a node that goes, knows one that comes, and takes one in the place of another for new', () => {
    const { results, index, scores, full, node, take } = setUp(['a', 'b', 'c', 'd']);
    scores.set('a', 5);
    full.add('a');
    results.refresh();
    const gone = node('a');
    index.removeNode('a');
    results.refresh();
    expect(results.rejections()).toEqual([]);
    expect(results.rejection(gone)).toBeUndefined();
    scores.set('new', 9);
    index.setNode(readyNode('new'));
    take();
    results.refresh();
    expect(take()).toEqual(['node new', 'local new']);
    expect(node('new').slot).toBe(gone.slot);
    expect(results.best()?.name).toBe('new');
    index.removeNode('new');
    results.refresh();
    expect(['b', 'c', 'd']).toContain(results.best()?.name);
  });

  it('proposes no node that only pods speak of, nor rejects it', () => {
    const { results, full, take, touch, index } = setUp(['a']);
    touch('ghost');
    full.add('ghost');
    take();
    results.refresh();
    expect(take()).toEqual(['node a', 'local a']);
    expect(results.best()?.name).toBe('a');
    index.removeNode('a');
    results.refresh();
    expect(results.best()).toBeUndefined();
    expect(results.rejections()).toEqual([]);
  });

  it('breaks ties in one order, that of the best node too', () => {
    const names = Array.from({ length: 30 }, (_, at) => `n${at}`);
    const { results, node, index } = setUp(names);
    results.refresh();
    const order: string[] = [];
    for (let best = results.best(); best; best = results.best()) {
      order.push(best.name);
      index.setNode(cordoned(best.name));
      results.refresh();
    }
    expect([...order].sort()).toEqual([...names].sort());
    for (const [at, name] of order.entries()) {
      const next = order[at + 1];
      if (next === undefined) continue;
      expect(results.comesBefore(node(name), node(next))).toBe(true);
      expect(results.comesBefore(node(next), node(name))).toBe(false);
    }
    const other = new ShapeResults(index, { key: 'another shape' } as PodShape, [], [], 1);
    other.refresh();
    expect(other.best()?.name).not.toBe(order[0]);
  });
});

describe('the shapes whose results are kept', () => {
  it('are the 256 used last', () => {
    let prepared = 0;
    const plugin: Plugin = {
      name: 'counts',
      scope: 'node',
      events: [],
      prepare() {
        prepared++;
        return {};
      },
    };
    const index = new NodeIndex();
    index.setNode(readyNode('n'));
    const decider = new Decider(index, [plugin], 1);
    const shapes = Array.from({ length: 257 }, (_, at) => {
      const info = index.setPod(pendingPod(`p${at}`, { cpu: `${at + 1}m` }));
      if (!info) throw new Error('the pod has ended');
      return info.shape;
    });
    const [first, second, ...others] = shapes;
    const last = others.pop();
    if (!first || !second || !last) throw new Error('no shapes');
    for (const shape of [first, second, ...others]) decider.decide(shape);
    expect(prepared).toBe(256);
    decider.decide(first);
    expect(prepared).toBe(256);
    decider.decide(last);
    decider.decide(first);
    expect(prepared).toBe(257);
    decider.decide(second);
    expect(prepared).toBe(258);
  });
});

describe('a decision that compares nodes', () => {
  const rejecting = (scope: Plugin['scope'], name: string, nodes: string[], check: Partial<Check> = {}): Plugin => ({
    name,
    scope,
    events: [],
    prepare: () => ({
      filter: (node) => (nodes.includes(node.name) ? { plugin: name, reasons: [name], resolvable: true } : undefined),
      ...check,
    }),
  });
  const decide = (names: string[], plugins: Plugin[], ghost = false) => {
    const index = new NodeIndex();
    for (const name of names) index.setNode(readyNode(name));
    if (ghost) index.setPod(onNode(pendingPod('q'), 'ghost'));
    return index.withShape(pendingPod('p'), (shape) => {
      const decider = new Decider(index, plugins, 1);
      const decision = decider.decide(shape);
      const fits = [...names, ...(ghost ? ['ghost'] : [])].filter((name) => {
        const node = index.node(name);
        return node && decider.fits(shape, node);
      });
      return {
        fits,
        result: decision.node
          ? [decision.node.name, decision.score]
          : decision.rejections.map(([{ name }, { reasons }]) => [name, ...reasons]),
      };
    });
  };

  it('adds what the comparison says, by its weight, to the nodes’ own scores', () => {
    const own = rejecting('local', 'own', [], { score: ({ name }) => ({ a: 10, b: 4, c: 0 })[name] ?? 0 });
    const compares = (weight: number) =>
      rejecting('cluster', 'compares', [], {
        weight,
        scores: (nodes) => nodes.map(({ name }) => ({ a: 0, b: 1, c: 3 })[name] ?? 0),
      });
    const silent = rejecting('cluster', 'silent', []);
    expect(decide(['a', 'b', 'c'], [own, compares(1), silent]).result).toEqual(['a', 10]);
    expect(decide(['a', 'b', 'c'], [own, silent, compares(5)]).result).toEqual(['c', 15]);
    const plain = rejecting('cluster', 'plain', [], { scores: (nodes) => nodes.map(() => 2) });
    expect(decide(['a', 'b', 'c'], [own, compares(5), plain]).result).toEqual(['c', 17]);
  });

  it('takes no node that a rule of either kind rejects, and says why of each', () => {
    const plugins = [rejecting('local', 'own', ['a', 'b']), rejecting('cluster', 'together', ['b', 'c'])];
    expect(decide(['a', 'b', 'c', 'd'], plugins, true)).toEqual({ fits: ['d'], result: ['d', 0] });
    expect(decide(['a', 'b', 'c'], plugins, true)).toEqual({
      fits: [],
      result: [
        ['a', 'own'],
        ['b', 'own'],
        ['c', 'together'],
      ],
    });
    expect(decide(['a', 'b'], [rejecting('local', 'own', ['a', 'b'])], true)).toEqual({
      fits: [],
      result: [
        ['a', 'own'],
        ['b', 'own'],
      ],
    });
  });

  it('breaks ties as a decision without comparison does', () => {
    const names = Array.from({ length: 12 }, (_, at) => `n${at}`);
    const [alone] = decide(names, []).result;
    expect(decide(names, [rejecting('cluster', 'silent', [])]).result).toEqual([alone, 0]);
    expect(decide([...names].reverse(), [rejecting('cluster', 'silent', [])]).result).toEqual([alone, 0]);
  });
});
