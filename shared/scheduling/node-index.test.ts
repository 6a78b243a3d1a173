import { describe, expect, it } from 'vitest';
import { set, term, wanting } from '../../test/support/node-index.ts';
import { ended, onNode, pendingPod, readyNode, terminating } from '../../test/support/scheduling.ts';
import type { Namespace, Pod } from '../generated/types.ts';
import { ChangeLog } from './change-log.ts';
import { NodeIndex } from './node-index.ts';

type Labels = Record<string, string>;

describe('the index of nodes', () => {
  it('counts on hundreds of nodes, those that came after the counting began too', () => {
    const index = new NodeIndex();
    const { shape } = set(index, wanting('keeper', 'podAffinity', [term('x')]));
    const wanted = shape.affinity.required;
    const probe = set(index, pendingPod('probe', {}, { labels: { app: 'x' } }));
    index.count(wanted, shape);
    index.domains('zone');
    for (let i = 0; i < 200; i++) {
      index.setNode(readyNode(`n${i}`, {}, { labels: { zone: `z${i % 100}` } }));
      const shy = wanting(`shy-${i}`, 'podAntiAffinity', [term('x')]);
      set(index, onNode({ ...shy, metadata: { ...shy.metadata, labels: { app: 'x' } } }, `n${i}`));
    }
    const { of, count } = index.domains('zone');
    const [existing] = index.existingTerms(probe.shape);
    expect(count).toBe(100);
    expect(index.count(wanted, shape).total).toBe(200);
    for (const state of index.slots) {
      const slot = state?.slot ?? -1;
      expect(index.count(wanted, shape).perNode[slot]).toBe(1);
      expect(existing?.perNode[slot]).toBe(1);
      expect(of[slot]).toBe(slot % 100);
    }
    // A counter that is created only now has them as well.
    const late = set(index, wanting('late', 'podAffinity', [term('keeper')])).shape;
    expect(index.count(late.affinity.required, late).total).toBe(0);
    expect(index.domains('kubernetes.io/hostname').count).toBe(200);
  });

  it('starts a node that reuses an index slot from empty', () => {
    const index = new NodeIndex();
    const { shape } = set(index, wanting('keeper', 'podAffinity', [term('x')]));
    index.setNode(readyNode('old', {}, { labels: { zone: 'a' } }));
    set(index, onNode(pendingPod('p', undefined, { labels: { app: 'x' } }), 'old'));
    expect(index.count(shape.affinity.required, shape).total).toBe(1);
    index.domains('zone');
    index.removePod('default/p');
    index.removeNode('old');
    index.setNode(readyNode('new'));
    const slot = index.node('new')?.slot ?? -1;
    expect([slot, index.slots.length]).toEqual([0, 1]);
    expect(index.node('old')).toBeUndefined();
    expect(index.count(shape.affinity.required, shape).perNode[slot]).toBe(0);
    expect(index.domains('zone').of[slot]).toBe(-1);
  });

  it('keeps the pods of a deleted node until they are deleted too', () => {
    const index = new NodeIndex();
    index.setNode(readyNode('n'));
    set(index, onNode(pendingPod('p'), 'n'));
    index.removeNode('n');
    index.removeNode('n');
    expect(index.nodeCount).toBe(0);
    expect(index.node('n')?.pods.size).toBe(1);
    index.setPod(ended(onNode(pendingPod('p'), 'n'), 'Failed'));
    expect(index.node('n')).toBeUndefined();
    expect(index.pod('default/p')).toBeUndefined();
    expect(index.removePod('default/p')).toBeUndefined();
  });

  it('gives equal pods one shape as long as one of them is there', () => {
    const index = new NodeIndex();
    const [a, b] = [set(index, pendingPod('a')), set(index, pendingPod('b'))];
    expect(a.shape).toBe(b.shape);
    index.removePod('default/a');
    expect(set(index, pendingPod('c')).shape).toBe(b.shape);
    index.removePod('default/b');
    index.removePod('default/c');
    expect(set(index, pendingPod('d')).shape).not.toBe(b.shape);
    const lent = index.withShape(pendingPod('e', { cpu: '7' }), (shape) => shape);
    expect(index.withShape(pendingPod('e', { cpu: '7' }), (shape) => shape)).not.toBe(lent);
    expect(() =>
      index.withShape(pendingPod('e', { cpu: '7' }), () => {
        throw new Error('the use failed');
      }),
    ).toThrow('the use failed');
  });

  it('drops the counts of an unused shape, and keeps those of a used one', () => {
    const index = new NodeIndex();
    index.setNode(readyNode('n'));
    const one = set(index, wanting('one', 'podAffinity', [term('x')])).shape;
    const two = set(index, wanting('two', 'podAffinity', [term('x'), term('y')])).shape;
    const [x] = one.affinity.required;
    if (!x) throw new Error('no term');
    const counter = index.count([x], one);
    expect(index.count([x], two)).toBe(counter);
    index.removePod('default/one');
    expect(index.count([x], two)).toBe(counter);
    index.removePod('default/two');
    const three = set(index, wanting('three', 'podAffinity', [term('x')])).shape;
    expect(index.count([x], three)).not.toBe(counter);
  });

  it('takes a resize and new labels of a pod in, on its node too', () => {
    const index = new NodeIndex();
    index.setNode(readyNode('n'));
    const generation = (pod: Pod, generation: number): Pod => ({ ...pod, metadata: { ...pod.metadata, generation } });
    const pod = (cpu: string, labels: Labels) => onNode(pendingPod('p', { cpu }, { labels }), 'n');
    const used = () => index.node('n')?.used.cpuMillis;
    const info = set(index, generation(pod('1', { app: 'x' }), 1));
    expect(used()).toBe(1_000);
    set(index, generation(pod('2', { app: 'x' }), 2));
    expect(used()).toBe(2_000);
    // The specification is compared by its generation alone where there is one.
    set(index, generation(pod('3', { app: 'x' }), 2));
    expect(used()).toBe(2_000);
    for (const labels of [{ app: 'y' }, { app: 'y', more: '1' }, { app: 'y' }, {}] as Labels[]) {
      set(index, generation(pod('2', labels), 2));
      expect(info.shape.labels).toEqual(labels);
    }
    set(index, pod('4', {}));
    expect(used()).toBe(4_000);
    set(index, pod('5', {}));
    expect(used()).toBe(5_000);
  });

  it('reports whether a node or a namespace changed in fields that scheduling uses', () => {
    const index = new NodeIndex();
    const namespace = (labels?: Labels) =>
      ({ metadata: { name: 'default', ...(labels ? { labels } : {}) } }) as Namespace;
    expect([index.setNode(readyNode('n')), index.setNode(readyNode('n'))]).toEqual([true, false]);
    expect(index.setNode(readyNode('n', { cpu: '7' }))).toBe(true);
    expect([index.setNamespace(namespace()), index.setNamespace(namespace({}))]).toEqual([true, false]);
    expect(index.setNamespace(namespace({ team: 'red' }))).toBe(true);
    expect(index.setNamespace(namespace({ team: 'red' }))).toBe(false);
    expect([index.removeNamespace('default'), index.removeNamespace('default')]).toEqual([true, false]);
  });

  it('takes a pod off its node for a moment, with all that is counted of it', () => {
    const index = new NodeIndex();
    index.setNode(readyNode('n'));
    const { shape } = set(index, wanting('keeper', 'podAffinity', [term('x')]));
    const info = set(
      index,
      onNode(pendingPod('p', { cpu: '1' }, { labels: { app: 'x' }, spec: { priority: 3 } }), 'n'),
    );
    const node = index.node('n');
    const state = () => [node?.used.cpuMillis, index.lowestPriority, index.count(shape.affinity.required, shape).total];
    expect(state()).toEqual([1_000, 3, 1]);
    index.simulateRemoval(info);
    expect(state()).toEqual([0, Number.POSITIVE_INFINITY, 0]);
    if (node) index.undoRemoval(info, node);
    expect(state()).toEqual([1_000, 3, 1]);
  });

  it('knows when a pod was made and started, its priority, and whether a scheduler preempted it', () => {
    const index = new NodeIndex();
    const plain = set(index, pendingPod('a'));
    expect(plain).toMatchObject({ assumed: false, nominated: false });
    expect(plain).toMatchObject({ priority: 0, created: Date.UTC(2026, 0, 1), started: undefined, preempted: false });
    const running = onNode(pendingPod('b', {}, { spec: { priority: 5 } }), 'n');
    const conditions = [{ type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler' }];
    const marked = { ...running, status: { startTime: '2026-01-02T00:00:00Z', conditions } };
    expect(set(index, marked)).toMatchObject({ priority: 5, started: Date.UTC(2026, 0, 2), preempted: false });
    expect(set(index, terminating(marked))).toMatchObject({ deleting: true, preempted: true });
    expect(set(index, terminating(running))).toMatchObject({ deleting: true, preempted: false });
  });
});

describe('a pod that is assumed on a node', () => {
  it('is replaced by the node that the pod is seen on, and can then not be taken back', () => {
    const index = new NodeIndex();
    for (const name of ['a', 'b']) index.setNode(readyNode(name));
    const [a, b] = [index.node('a'), index.node('b')];
    const info = set(index, pendingPod('p'));
    if (!a || !b) throw new Error('no node');
    index.assume(info, a);
    set(index, onNode(pendingPod('p'), 'b'));
    expect([a.pods.size, b.pods.size, info.assumed]).toEqual([0, 1, false]);
    index.forget(info);
    expect(info.node).toBe(b);
    // A view from before the binding takes nothing back either.
    set(index, pendingPod('p'));
    expect([b.pods.size, info.assumed]).toEqual([1, false]);
  });

  it('is either assumed or only kept, and nothing once it is taken back', () => {
    const index = new NodeIndex();
    index.setNode(readyNode('a'));
    const a = index.node('a');
    const info = set(index, pendingPod('p'));
    if (!a) throw new Error('no node');
    index.nominate(info, a);
    expect(info).toMatchObject({ assumed: true, nominated: true, node: a });
    index.assume(info, a);
    expect(info).toMatchObject({ assumed: true, nominated: false, node: a });
    index.nominate(info, a);
    index.forget(info);
    expect(info).toMatchObject({ assumed: false, nominated: false, node: undefined });
    expect(a.pods.size).toBe(0);
    index.nominate(info, a);
    set(index, onNode(pendingPod('p'), 'a'));
    expect(info).toMatchObject({ assumed: false, nominated: false, node: a });
  });

  it('may be on a node that is not there, until it is taken back', () => {
    const index = new NodeIndex();
    const info = set(index, pendingPod('p'));
    index.nominateByName(info, 'ghost');
    expect(index.node('ghost')?.node).toBeUndefined();
    expect(index.nodeCount).toBe(0);
    index.forget(info);
    expect(index.node('ghost')).toBeUndefined();
  });
});

describe('the log of changes', () => {
  it('holds the last 4096 changes, and knows when it does not reach back far enough', () => {
    const log = new ChangeLog();
    for (let i = 0; i < 4_096; i++) log.add(i % 7);
    expect([log.head, log.covers(0), log.at(0), log.at(4_095)]).toEqual([4_096, true, 0, 0]);
    log.add(5);
    expect([log.covers(0), log.covers(1), log.at(1), log.at(4_096)]).toEqual([false, true, 1, 5]);
  });
});
