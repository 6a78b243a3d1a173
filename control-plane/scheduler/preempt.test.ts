import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Pod, PodDisruptionBudget } from '../../shared/generated/types.ts';
import { Decider } from '../../shared/scheduling/decide.ts';
import { NodeIndex } from '../../shared/scheduling/node-index.ts';
import type { PodInfo } from '../../shared/scheduling/node-info.ts';
import { defaultPlugins } from '../../shared/scheduling/plugins/index.ts';
import { onNode, pendingPod, readyNode } from '../../test/support/scheduling.ts';
import { Budgets } from './budgets.ts';
import { findPreemption } from './preempt.ts';

const pod = (name: string, cpu: number, priority: number): Pod =>
  pendingPod(name, { cpu: `${cpu}m` }, { spec: { priority } });

/** Nodes of one cpu, each with pods of these sizes and priorities. */
function cluster(nodes: readonly (readonly (readonly [number, number])[])[]): NodeIndex {
  const index = new NodeIndex();
  for (const [at, pods] of nodes.entries()) {
    index.setNode(readyNode(`n${at}`, { cpu: '1' }));
    for (const [i, [cpu, priority]] of pods.entries())
      index.setPod(onNode(pod(`p${at}-${i}`, cpu, priority), `n${at}`));
  }
  return index;
}

interface Others {
  budgets?: Budgets;
  isRefused?: (pod: PodInfo) => boolean;
}

function preempt(index: NodeIndex, wanted: Pod, { budgets = new Budgets(), isRefused = () => false }: Others = {}) {
  const info = index.setPod(wanted);
  if (!info) throw new Error('the pod has ended');
  const input = { index, plugins: defaultPlugins, budgets, evicting: () => [], isRefused };
  const decider = new Decider(index, defaultPlugins, 1);
  const decision = decider.decide(info.shape);
  if (decision.node) return { info, decider, found: undefined, fits: true };
  return { info, decider, found: findPreemption(info, decision.rejections, input), fits: false };
}

function chosen(index: NodeIndex, wanted: Pod, others?: Others): [string, string[]] | undefined {
  const { found } = preempt(index, wanted, others);
  return found?.node && [found.node.name, found.victims.map(({ key }) => key.replace('default/', ''))];
}

describe('preemption', () => {
  it('takes the node whose victims are the least important', () => {
    const index = cluster([[[900, 5]], [[900, 3]], [[900, 8]]]);
    expect(chosen(index, pod('p', 500, 9))).toEqual(['n1', ['p1-0']]);
  });

  it('then the one with the fewest victims', () => {
    const index = cluster([
      [
        [400, 3],
        [400, 3],
      ],
      [[900, 3]],
    ]);
    expect(chosen(index, pod('p', 900, 9))).toEqual(['n1', ['p1-0']]);
  });

  it('spares the most important of those that it could evict', () => {
    const index = cluster([
      [
        [300, 1],
        [300, 4],
        [300, 2],
      ],
    ]);
    expect(chosen(index, pod('p', 300, 9))).toEqual(['n0', ['p0-0']]);
  });

  it('then the one whose most important victims started last; a pod that has not started is the youngest', () => {
    const started = (name: string, node: string, startTime?: string): Pod => ({
      ...onNode(pod(name, 900, 3), node),
      status: startTime === undefined ? {} : { startTime },
    });
    const index = cluster([[], [], []]);
    index.setPod(started('old', 'n0', '2026-01-01T00:00:00Z'));
    index.setPod(started('young', 'n1', '2026-01-02T00:00:00Z'));
    index.setPod(started('older', 'n2', '2025-01-01T00:00:00Z'));
    expect(chosen(index, pod('p', 500, 9))).toEqual(['n1', ['young']]);
    index.setPod(started('new', 'n3'));
    index.setNode(readyNode('n3', { cpu: '1' }));
    expect(chosen(index, pod('p', 500, 9))).toEqual(['n3', ['new']]);
  });

  describe('beside disruption budgets', () => {
    const labelled = (name: string, node: string, cpu: number, priority: number, app: string): Pod => {
      const one = onNode(pod(name, cpu, priority), node);
      return { ...one, metadata: { ...one.metadata, labels: { app } } };
    };
    const budget = (app: string, disruptionsAllowed: number, disruptedPods?: Record<string, string>): Budgets => {
      const budgets = new Budgets();
      const selector = { matchLabels: { app } };
      const status = { disruptionsAllowed, ...(disruptedPods ? { disruptedPods } : {}) };
      const metadata = { name: app, namespace: 'default' };
      budgets.set({ metadata, spec: { selector }, status } as unknown as PodDisruptionBudget);
      return budgets;
    };

    it('takes a more important pod that is free before one that its budget guards', () => {
      const index = cluster([[], []]);
      index.setPod(labelled('guarded', 'n0', 900, 1, 'db'));
      index.setPod(labelled('free', 'n1', 900, 5, 'web'));
      expect(chosen(index, pod('p', 500, 9), { budgets: budget('db', 0) })).toEqual(['n1', ['free']]);
      expect(chosen(index, pod('p', 500, 9), { budgets: budget('db', 1) })).toEqual(['n0', ['guarded']]);
    });

    it('spares pods guarded by a budget on a node, and evicts them only when nothing else makes room', () => {
      const index = cluster([[]]);
      index.setPod(labelled('guarded', 'n0', 400, 1, 'db'));
      index.setPod(labelled('free', 'n0', 400, 5, 'web'));
      expect(chosen(index, pod('p', 500, 9), { budgets: budget('db', 0) })).toEqual(['n0', ['free']]);
      expect(chosen(index, pod('p', 1000, 9), { budgets: budget('db', 0) })).toEqual(['n0', ['free', 'guarded']]);
    });

    it('counts as violations only evictions beyond the budget, not those granted before', () => {
      const index = cluster([[], []]);
      for (const name of ['a', 'b']) index.setPod(labelled(name, 'n0', 450, 1, 'db'));
      const violations = (budgets: Budgets) => {
        const { found } = preempt(index, pod('p', 1000, 9), { budgets });
        return found?.node && found.violations;
      };
      index.removeNode('n1');
      expect(violations(budget('db', 1))).toBe(1);
      expect(violations(budget('db', 2))).toBe(0);
      expect(violations(budget('db', 0, { a: 'x', b: 'x' }))).toBe(0);
    });
  });

  it('passes over a pod whose eviction was refused a short time ago', () => {
    const index = cluster([[[900, 1]], [[900, 5]]]);
    const isRefused = ({ key }: PodInfo): boolean => key === 'default/p0-0';
    expect(chosen(index, pod('p', 500, 9), { isRefused })).toEqual(['n1', ['p1-0']]);
  });

  it('evicts no pod of the same or a higher priority, and none where it would not help', () => {
    expect(chosen(cluster([[[900, 9]], [[900, 10]]]), pod('p', 500, 9))).toBeUndefined();
    expect(chosen(cluster([[[900, 1]]]), pod('p', 1500, 9))).toBeUndefined();
  });

  it('gives the reason for each node from which no pod was evicted', () => {
    const reasons = (nodes: Parameters<typeof cluster>[0], wanted: Pod, more?: (index: NodeIndex) => void) => {
      const index = cluster(nodes);
      more?.(index);
      const { found } = preempt(index, wanted);
      return found && 'reasons' in found ? found.reasons.flat().sort() : undefined;
    };
    const nobody = 'No preemption victims found for incoming pod';
    const taint = (index: NodeIndex) =>
      index.setNode(readyNode('tainted', {}, { spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] } }));
    expect(reasons([[[900, 9]], [[900, 10]]], pod('p', 500, 9), taint)).toEqual([
      nobody,
      nobody,
      'Preemption is not helpful for scheduling',
    ]);
    expect(
      reasons(
        [
          [
            [300, 1],
            [600, 9],
          ],
          [[900, 9]],
        ],
        pod('p', 500, 9),
      ),
    ).toEqual(['Insufficient cpu', nobody]);
  });

  it('always makes room, needs every victim, and leaves the index as it was', () => {
    const size = fc.tuple(fc.integer({ min: 100, max: 500 }), fc.integer({ min: 0, max: 5 }));
    const nodes = fc.array(fc.array(size, { maxLength: 4 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(nodes, size, (nodes, [cpu, priority]) => {
        const index = cluster(nodes);
        const { info, decider, found } = preempt(index, pod('p', 2 * cpu, priority));
        expect(decider.decide(info.shape)).toEqual(
          new Decider(cluster(nodes), defaultPlugins, 1).decide(info.shape).node
            ? { node: expect.anything(), score: expect.anything() }
            : { rejections: expect.anything() },
        );
        const used = index.slots.map((node) => node?.used.cpuMillis);
        expect(used).toEqual(nodes.map((pods) => pods.reduce((sum, [cpu]) => sum + cpu, 0)));
        if (!found?.node) return;
        const { node, victims } = found;
        expect(victims.every((victim) => victim.priority < priority)).toBe(true);
        const freed = victims.reduce((sum, victim) => sum + victim.shape.requests.cpuMillis, 0);
        const short = node.used.cpuMillis + 2 * cpu - node.allocatable.cpuMillis;
        expect(freed).toBeGreaterThanOrEqual(short);
        for (const victim of victims) expect(freed - victim.shape.requests.cpuMillis).toBeLessThan(short);
      }),
    );
  });
});
