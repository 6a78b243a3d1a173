import { describe, expect, it } from 'vitest';
import type { Pod, PodDisruptionBudget } from '../../shared/generated/types.ts';
import { Decider } from '../../shared/scheduling/decide.ts';
import { NodeIndex } from '../../shared/scheduling/node-index.ts';
import type { PodInfo } from '../../shared/scheduling/node-info.ts';
import { defaultPlugins } from '../../shared/scheduling/plugins/index.ts';
import { ended, onNode, pendingPod, readyNode, terminating } from '../../test/support/scheduling.ts';
import { Budgets } from './budgets.ts';
import { findPreemption, type PreemptionInput } from './preempt.ts';

type Requests = Record<string, string>;

const pod = (
  name: string,
  priority: number,
  requests: Requests = { cpu: '1' },
  labels: Record<string, string> = {},
): Pod => pendingPod(name, requests, { labels, spec: { priority } });
const on = (node: string, name: string, priority: number, requests?: Requests, labels?: Record<string, string>): Pod =>
  onNode(pod(name, priority, requests, labels), node);

function indexOf(nodes: Record<string, Requests>, placed: readonly Pod[]): NodeIndex {
  const index = new NodeIndex();
  for (const [name, allocatable] of Object.entries(nodes)) index.setNode(readyNode(name, allocatable));
  for (const one of placed) index.setPod(one);
  return index;
}

function entryOf(index: NodeIndex, wanted: Pod): PodInfo {
  const info = index.setPod(wanted);
  if (!info) throw new Error('the pod has ended');
  return info;
}

function preempt(index: NodeIndex, wanted: Pod, more: Partial<PreemptionInput> = {}) {
  const info = entryOf(index, wanted);
  const { node, rejections = [] } = new Decider(index, defaultPlugins, 1).decide(info.shape) as {
    node?: unknown;
    rejections?: Parameters<typeof findPreemption>[1];
  };
  expect(node).toBeUndefined();
  const input = { index, plugins: defaultPlugins, budgets: new Budgets(), evicting: () => [], isRefused: () => false };
  return findPreemption(info, rejections, { ...input, ...more });
}

const nameOf = ({ key }: PodInfo) => key.slice('default/'.length);

function chosen(index: NodeIndex, wanted: Pod, more?: Partial<PreemptionInput>) {
  const found = preempt(index, wanted, more);
  return found.node ? [found.node.name, found.victims.map(nameOf)] : found.reasons;
}

function budgetsOf(allowed: Record<string, number>): Budgets {
  const budgets = new Budgets();
  for (const [app, disruptionsAllowed] of Object.entries(allowed)) {
    const metadata = { name: app, namespace: 'default' };
    const spec = { selector: { matchLabels: { app } } };
    budgets.set({ metadata, spec, status: { disruptionsAllowed } } as unknown as PodDisruptionBudget);
  }
  return budgets;
}

const one = { cpu: '1' };
const noVictims = ['No preemption victims found for incoming pod'];

describe('victims', () => {
  it.each<[string, Requests, Requests, Requests]>([
    ['cpu', { cpu: '1' }, { cpu: '900m' }, { cpu: '500m' }],
    ['memory', { memory: '100' }, { memory: '60' }, { memory: '60' }],
    ['ephemeral storage', { 'ephemeral-storage': '100' }, { 'ephemeral-storage': '60' }, { 'ephemeral-storage': '41' }],
    [
      'a resource of the node’s own',
      { 'example.com/gpu': '1' },
      { 'example.com/gpu': '1' },
      { 'example.com/gpu': '1' },
    ],
    ['the number of pods', { pods: '2' }, { cpu: '1m' }, {}],
  ])('are those that hold %s that is short', (_, has, holds, asks) => {
    const index = indexOf({ n: has }, [on('n', 'holds', 1, holds), on('n', 'other', 0, { cpu: '1m' })]);
    if (!has.pods) {
      expect(chosen(index, pod('p', 9, asks))).toEqual(['n', ['holds']]);
    } else {
      expect(chosen(index, pod('p', 9, asks))).toEqual(['n', ['other']]);
    }
  });

  it('are those that hold a host port of the same protocol', () => {
    const port = (name: string, priority: number, protocol: 'TCP' | 'UDP') =>
      pendingPod(name, {}, { spec: { priority }, ports: [{ hostPort: 53, containerPort: 53, protocol }] });
    const index = indexOf({ n: {} }, [onNode(port('tcp', 1, 'TCP'), 'n'), onNode(port('udp', 0, 'UDP'), 'n')]);
    expect(chosen(index, port('p', 9, 'TCP'))).toEqual(['n', ['tcp']]);
  });

  it('are those that an anti-affinity or a spread constraint selects, if their priority is lower', () => {
    const term = { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'x' } } };
    const affinity = { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } };
    const placed = [on('a', 'x1', 1, {}, { app: 'x' }), on('b', 'x2', 3, {}, { app: 'x' }), on('a', 'y', 0, {})];
    const shy = pendingPod('p', {}, { spec: { priority: 2, affinity } });
    expect(chosen(indexOf({ a: {}, b: {} }, placed), shy)).toEqual(['a', ['x1']]);
    const topologySpreadConstraints = [{ ...term, maxSkew: 1, whenUnsatisfiable: 'DoNotSchedule' as const }];
    const spread = pendingPod('q', {}, { labels: { app: 'x' }, spec: { priority: 2, topologySpreadConstraints } });
    const index = indexOf({ a: {}, b: { pods: '0' } }, placed.slice(0, 1));
    expect(chosen(index, spread)).toEqual(['a', ['x1']]);
  });

  it('are no pods that have ended, and no pods whose placement is being stored', () => {
    const index = indexOf({ n: one }, [ended(on('n', 'ended', 0), 'Failed'), on('n', 'equal', 9)]);
    expect(chosen(index, pod('p', 9))).toEqual([noVictims]);
    const other = indexOf({ n: one }, []);
    const assumed = entryOf(other, pod('assumed', 1));
    const node = other.node('n');
    if (!node) throw new Error('no node');
    other.assume(assumed, node);
    expect(chosen(other, pod('p', 9))).toEqual([noVictims]);
    // The room of a nominated pod of lower priority is given up.
    other.nominate(assumed, node);
    expect(chosen(other, pod('p', 9))).toEqual(['n', ['assumed']]);
  });

  it('come in the order of their importance: priority, then the longest running, then the oldest, then the name', () => {
    const at = (made: Pod, created: string, startTime?: string): Pod => ({
      ...made,
      metadata: { ...made.metadata, creationTimestamp: created },
      status: startTime ? { startTime } : {},
    });
    const [early, late] = ['2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'];
    const fifth = { cpu: '200m' };
    const placed = [
      at(on('n', 'low', 1, fifth), early, early),
      at(on('n', 'young-start', 2, fifth), early, late),
      at(on('n', 'old-start', 2, fifth), late, early),
      at(on('n', 'b', 2, fifth), early),
      at(on('n', 'a', 2, fifth), late),
    ];
    const all = ['old-start', 'young-start', 'b', 'a', 'low'];
    for (const order of [placed, [...placed].reverse()])
      expect(chosen(indexOf({ n: one }, order), pod('p', 9))).toEqual(['n', all]);
    // The most important are put back first: for four fifths the most important one stays.
    expect(chosen(indexOf({ n: one }, placed), pod('p', 9, { cpu: '800m' }))).toEqual(['n', all.slice(1)]);
    const same = [at(on('n', 'y', 2), early), at(on('n', 'x', 2), early)];
    expect(chosen(indexOf({ n: { cpu: '2' } }, same), pod('p', 9, { cpu: '2' }))).toEqual(['n', ['x', 'y']]);
  });

  it('are first those that go anyway, and places that are only kept before those', () => {
    const half = { cpu: '500m' };
    const placed = [on('n', 'running', 1, half), terminating(on('n', 'going', 5, half))];
    expect(chosen(indexOf({ n: one }, placed), pod('p', 9, half))).toEqual(['n', ['going']]);
    const index = indexOf({ n: one }, [terminating(on('n', 'going', 1, half))]);
    const kept = entryOf(index, pod('kept', 5, half));
    const node = index.node('n');
    if (!node) throw new Error('no node');
    index.nominate(kept, node);
    expect(chosen(index, pod('p', 9, half))).toEqual(['n', ['kept']]);
  });

  it('leave the index as it was, whether there are some or not', () => {
    const index = indexOf({ a: one, b: one }, [on('a', 'low', 1), on('b', 'equal', 9)]);
    const state = () => index.slots.map((node) => node && [node.name, node.used.cpuMillis, [...node.pods].map(nameOf)]);
    const before = state();
    expect(chosen(index, pod('p', 9))).toEqual(['a', ['low']]);
    expect(state()).toEqual(before);
    const vain = indexOf({ n: { cpu: '2' } }, [on('n', 'high', 9), on('n', 'low', 1)]);
    expect(chosen(vain, pod('p', 5, { cpu: '2' }))).toEqual([['Insufficient cpu']]);
    expect(vain.node('n')?.used.cpuMillis).toBe(2_000);
    expect(vain.node('n')?.pods.size).toBe(2);
  });
});

describe('the node to make room on', () => {
  it('is the one with the fewest violations of budgets, however important the victims of another', () => {
    const placed = [
      on('a', 'a1', 1, { cpu: '500m' }, { app: 'db' }),
      on('a', 'a2', 1, { cpu: '500m' }, { app: 'db' }),
      on('b', 'b1', 8, one, { app: 'web' }),
    ];
    const nodes = { a: one, b: one };
    const wanted = pod('p', 9);
    expect(chosen(indexOf(nodes, placed), wanted, { budgets: budgetsOf({ db: 1, web: 0 }) })).toEqual([
      'a',
      ['a1', 'a2'],
    ]);
    expect(chosen(indexOf(nodes, placed), wanted, { budgets: budgetsOf({ db: 0, web: 0 }) })).toEqual(['b', ['b1']]);
    const found = preempt(indexOf(nodes, placed), wanted, { budgets: budgetsOf({ db: 0, web: 0 }) });
    expect(found.node && found.violations).toBe(1);
  });

  it('counts pending evictions against the budgets', () => {
    const placed = [
      on('a', 'guarded', 1, one, { app: 'db' }),
      on('b', 'free', 5),
      on('c', 'other', 9, one, { app: 'db' }),
    ];
    const index = indexOf({ a: one, b: one, c: one }, placed);
    const other = index.pod('default/other');
    const budgets = budgetsOf({ db: 1 });
    expect(chosen(index, pod('p', 9), { budgets })).toEqual(['a', ['guarded']]);
    expect(chosen(index, pod('p', 9), { budgets, evicting: () => (other ? [other] : []) })).toEqual(['b', ['free']]);
  });

  it('is of equally important victims the one with the least sum of priorities, then with the fewest', () => {
    const half = { cpu: '500m' };
    const nodes = { a: one, b: one };
    const placed = [on('a', 'a1', 5, half), on('a', 'a2', 3, half), on('b', 'b1', 5, half), on('b', 'b2', 2, half)];
    expect(chosen(indexOf(nodes, placed), pod('p', 9))).toEqual(['b', ['b1', 'b2']]);
    expect(chosen(indexOf(nodes, [...placed.slice(0, 2), on('b', 'b', 5)]), pod('p', 9))).toEqual(['b', ['b']]);
    // Negative priorities do not make more victims cheaper than one.
    const negative = [on('a', 'a1', -5, half), on('a', 'a2', -7, half), on('b', 'b', -5)];
    expect(chosen(indexOf(nodes, negative), pod('p', 9))).toEqual(['b', ['b']]);
  });

  it('is the one whose pods go anyway, before any that costs something', () => {
    const index = indexOf({ a: one, b: one }, [on('a', 'running', 1), terminating(on('b', 'going', 8))]);
    expect(chosen(index, pod('p', 9))).toEqual(['b', ['going']]);
    const reversed = indexOf({ b: one, a: one }, [on('a', 'running', 1), terminating(on('b', 'going', 8))]);
    expect(chosen(reversed, pod('p', 9))).toEqual(['b', ['going']]);
  });

  it('is of equals the first, and of the longest running victims the one that started last', () => {
    const at = (node: string, name: string, startTime: string, priority = 3): Pod => ({
      ...on(node, name, priority, { cpu: '500m' }),
      status: { startTime },
    });
    const nodes = { a: one, b: one };
    // The earliest start of the most important victims counts, not that of the others.
    const placed = [
      at('a', 'a1', '2026-01-05T00:00:00Z'),
      at('a', 'a2', '2026-01-02T00:00:00Z'),
      at('b', 'b1', '2026-01-03T00:00:00Z'),
      at('b', 'b2', '2026-01-03T00:00:00Z'),
    ];
    expect(chosen(indexOf(nodes, placed), pod('p', 9))).toEqual(['b', ['b1', 'b2']]);
    const minor = [
      at('a', 'a1', '2026-01-05T00:00:00Z', 5),
      at('a', 'a2', '2026-01-01T00:00:00Z', 3),
      at('b', 'b1', '2026-01-04T00:00:00Z', 5),
      at('b', 'b2', '2026-01-04T00:00:00Z', 3),
    ];
    expect(chosen(indexOf(nodes, minor), pod('p', 9))).toEqual(['a', ['a1', 'a2']]);
    const equal = [at('a', 'a1', '2026-01-05T00:00:00Z'), at('b', 'b1', '2026-01-05T00:00:00Z')];
    expect(chosen(indexOf(nodes, equal), pod('p', 9))).toEqual(['a', ['a1']]);
  });

  it('is looked for on a hundred nodes at most where a plugin of scope cluster applies', () => {
    const many = Array.from({ length: 102 }, (_, at) => `n${at}`);
    const nodes = Object.fromEntries(many.map((name) => [name, one]));
    const placed = many.map((name, at) => on(name, `q${at}`, at === 0 ? 9 : 5 - Math.floor(at / 100)));
    // n0 has no candidates and does not count; n1 … n99 and n100 are tried, n101, which is no worse than n100, is not.
    const spread = { topologyKey: 'kubernetes.io/hostname', maxSkew: 9, whenUnsatisfiable: 'DoNotSchedule' as const };
    const labelSelector = { matchLabels: { app: 'x' } };
    const wide = pendingPod('p', one, {
      spec: { priority: 9, topologySpreadConstraints: [{ ...spread, labelSelector }] },
    });
    placed[101] = on('n101', 'q101', 1);
    expect(chosen(indexOf(nodes, placed), wide)).toEqual(['n100', ['q100']]);
    expect(chosen(indexOf(nodes, placed), pod('p', 9))).toEqual(['n101', ['q101']]);
  });
});

describe('a pod that no removal helps', () => {
  it('learns of each node whether there are no victims or whether removals do not help', () => {
    const index = indexOf({ small: { cpu: '500m' }, full: one }, [on('full', 'equal', 9)]);
    expect(chosen(index, pod('p', 9))).toEqual([['Preemption is not helpful for scheduling'], noVictims]);
    const mixed = indexOf({ small: { cpu: '500m' }, full: one, other: {} }, [
      on('full', 'equal', 9),
      on('other', 'low', 1, {}),
    ]);
    mixed.setNode(readyNode('other', {}, { spec: { unschedulable: true } }));
    expect(chosen(mixed, pod('p', 9))).toEqual([
      ['Preemption is not helpful for scheduling'],
      noVictims,
      ['Preemption is not helpful for scheduling'],
    ]);
  });

  it('learns that all candidates were refused a short time ago', () => {
    const index = indexOf({ n: one }, [on('n', 'low', 1)]);
    expect(chosen(index, pod('p', 9), { isRefused: () => true })).toEqual([noVictims]);
  });
});
