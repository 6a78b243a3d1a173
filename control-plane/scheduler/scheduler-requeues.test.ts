import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Namespace, Node, Pod } from '../../shared/generated/types.ts';
import { SchedulerScene } from '../../test/support/scheduler-scene.ts';
import { ended, onNode, pendingPod, readyNode, terminating } from '../../test/support/scheduling.ts';

type Spec = Partial<Pod['spec']>;

const labelled = (name: string, app: string, cpu: string, spec: Spec = {}): Pod =>
  pendingPod(name, { cpu }, { labels: { app }, spec });
const term = { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'x' } } };
const near = labelled('p', 'p', '100m', {
  affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } },
});
const spread = labelled('p', 'x', '100m', {
  topologySpreadConstraints: [{ ...term, topologyKey: 'zone', maxSkew: 1, whenUnsatisfiable: 'DoNotSchedule' }],
});
const large = labelled('p', 'p', '2');
const picky = labelled('p', 'p', '100m', { nodeSelector: { disk: 'ssd' } });
const node = readyNode('n', { cpu: '1' });
const placed = onNode(labelled('q', 'x', '100m'), 'n');
const foreign = labelled('f', 'y', '100m', { schedulerName: 'other' });
const namespace = (more: Partial<Namespace['metadata']>): Namespace =>
  ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default', uid: 'ns', ...more } }) as Namespace;
const relabelled = (pod: Pod, app: string): Pod => ({ ...pod, metadata: { ...pod.metadata, labels: { app } } });
const annotated = <T extends Pod | Node>(object: T): T => ({
  ...object,
  metadata: { ...object.metadata, annotations: { seen: 'yes' } },
});

describe('an unschedulable pod', () => {
  let one: SchedulerScene;

  beforeEach(() => {
    one = new SchedulerScene();
    void one.run();
  });

  afterEach(() => one.stop());

  /** Shows the cluster with the pod in it, and returns how often it is decided once `happens` has. */
  async function decided(pod: Pod, before: readonly Pod[], happens: () => Promise<void>): Promise<number> {
    await one.show(namespace({}), node, ...before);
    await one.show(pod);
    await one.clock.advance(3_000);
    expect(one.scheduler.pending).toMatchObject({ active: 0, unschedulable: 1 });
    const { decisions } = one;
    await happens();
    await one.clock.advance(3_000);
    return one.decisions - decisions;
  }

  type Happens = () => Promise<void>;
  const goes = (key: string) => () => one.remove('Pod', key);
  const shown =
    (...objects: (Pod | Node | Namespace)[]): Happens =>
    () =>
      one.show(...objects);

  it.each<[string, Pod, readonly Pod[], Happens]>([
    ['for want of cpu', large, [], shown(placed)],
    ['for want of cpu', large, [placed], shown(terminating(placed))],
    ['for want of cpu', large, [placed], shown(namespace({ labels: { team: 'red' } }))],
    ['by its node selector', picky, [placed], goes('default/q')],
    ['by its node selector', picky, [], shown(placed)],
    ['by its affinity', near, [relabelled(placed, 'y')], shown(terminating(relabelled(placed, 'y')))],
  ])('%s is not decided again for an event that cannot help it (%#)', async (_, pod, before, happens) => {
    expect(await decided(pod, before, happens)).toBe(0);
  });

  it.each<[string, readonly Pod[], Happens]>([
    ['comes to a node', [], shown(placed)],
    ['is bound by another scheduler', [foreign], shown(onNode(foreign, 'n'))],
    ['on a node gets other labels', [placed], shown(relabelled(placed, 'y'))],
    ['on a node begins to be deleted', [placed], shown(terminating(placed))],
    ['on a node ends', [placed], shown(ended(placed))],
    ['on a node goes', [placed], goes('default/q')],
    ['on a node is replaced', [placed], shown({ ...foreign, metadata: { ...foreign.metadata, name: 'q' } })],
  ])('by its spread is decided again when a pod that %s', async (_, before, happens) => {
    expect(await decided(spread, before, happens)).toBe(1);
  });

  it('by its topology spread is decided again when the labels of a namespace change, or it is deleted', async () => {
    expect(await decided(spread, [], shown(namespace({ labels: { team: 'red' } })))).toBe(1);
    const { decisions } = one;
    await one.remove('Namespace', 'default');
    await one.clock.advance(3_000);
    expect(one.decisions - decisions).toBe(1);
  });

  it.each<[string, readonly Pod[], Happens]>([
    ['a pod on a node changes in nothing that counts', [placed], shown(annotated(placed))],
    ['a pod that is being deleted already changes', [terminating(placed)], shown(annotated(terminating(placed)))],
    ['a pod on no node comes', [], shown(foreign)],
    ['a pod on no node gets other labels', [foreign], shown(relabelled(foreign, 'x'))],
    ['a pod on no node begins to be deleted', [foreign], shown(terminating(foreign))],
    ['a pod on no node ends', [foreign], shown(ended(foreign))],
    ['a pod on no node goes', [foreign], goes('default/f')],
    ['a node changes in nothing that counts', [], shown(annotated(node))],
    ['a namespace keeps its labels', [], shown(namespace({ annotations: { seen: 'yes' } }))],
    ['it changes itself in nothing that counts', [], shown(annotated(spread))],
  ])('by its spread is not decided again when %s', async (_, before, happens) => {
    expect(await decided(spread, before, happens)).toBe(0);
  });

  it('is decided again when it gets other labels itself', async () => {
    expect(await decided(large, [], shown(relabelled(large, 'y')))).toBe(1);
  });

  it.each<[string, Happens]>([
    ['is being deleted', shown(terminating(large))],
    ['is bound by another', shown(onNode(large, 'n'))],
    ['has ended', shown(ended(large))],
    ['is another scheduler’s', shown({ ...large, spec: { ...large.spec, schedulerName: 'other' } })],
    ['is gated', shown({ ...large, spec: { ...large.spec, schedulingGates: [{ name: 'example.com/g' }] } })],
    ['has gone', goes('default/p')],
  ])('no longer waits once it %s', async (_, happens) => {
    expect(await decided(large, [], happens)).toBe(0);
    expect(one.scheduler.pending).toEqual({ active: 0, unschedulable: 0, inFlight: 0 });
  });

  it('gets an event that is counted when it repeats the last one', async () => {
    await decided(large, [], () => one.clock.advance(70_000));
    await one.show(readyNode('m', { cpu: '1' }));
    await one.clock.advance(3_000);
    const again = one.events.map(({ reason, action }) => [reason, action?.again]);
    expect(again).toEqual([
      ['FailedScheduling', false],
      ['FailedScheduling', true],
      ['FailedScheduling', false],
    ]);
  });

  it('since there is no node is placed soon after the first one comes', async () => {
    await one.show(picky);
    await one.clock.advance(3_000);
    await one.show(readyNode('ssd', {}, { labels: { disk: 'ssd' } }));
    await one.clock.advance(3_000);
    expect(one.bound).toEqual(['p']);
  });

  it('is not bound to a deleted node', async () => {
    await one.show(node);
    await one.remove('Node', 'n');
    await one.show(labelled('p', 'p', '100m'));
    await one.clock.advance(1_000);
    expect([one.bound, one.scheduler.explain(large).nodes]).toEqual([[], []]);
    expect(one.scheduler.pending.unschedulable).toBe(1);
  });

  it('is placed when a placement that took its room could not be stored', async () => {
    const first = labelled('first', 'a', '1');
    one.answer = async (bindings) =>
      bindings.map(({ name, guardVersion }) =>
        name === 'first' ? { ok: false, reason: 'Forbidden', message: 'no' } : { ok: true, guardVersion },
      );
    await one.show(node);
    await one.show(first, labelled('second', 'b', '1'));
    await one.clock.advance(5_000);
    expect(one.bound).toContain('second');
  });

  it('is not decided again when a placement is stored though its answer was lost', async () => {
    const first = labelled('first', 'a', '600m');
    let lose = (): void => undefined;
    one.answer = () => new Promise((_, reject) => (lose = () => reject(new Error('no answer'))));
    const happens = async (): Promise<void> => {
      await one.show(onNode(first, 'n'));
      lose();
    };
    expect(await decided(large, [first], happens)).toBe(0);
    expect(one.scheduler.explain(labelled('b', 'b', '500m')).nodes).toMatchObject([{ node: 'n', fits: false }]);
  });
});

describe('a pod', () => {
  let one: SchedulerScene;

  beforeEach(() => {
    one = new SchedulerScene();
  });

  afterEach(() => one.stop());

  it('that the informers hold at the start is placed, and counted where it is', async () => {
    const waits = labelled('waits', 'a', '500m');
    const guard = { ...node, kind: 'NodeGuard', metadata: { ...node.metadata, uid: 'g' } };
    one.put(node, guard as unknown as Node, onNode(labelled('q', 'q', '500m'), 'n'), waits, namespace({}));
    void one.run();
    await one.clock.advance(100);
    expect(one.bound).toEqual(['waits']);
    expect(one.scheduler.explain(labelled('b', 'b', '100m')).nodes).toMatchObject([{ node: 'n', fits: false }]);
  });

  it('is not looked at before the first state is complete', async () => {
    one.revision = 0;
    one.put(node, labelled('waits', 'a', '500m'));
    void one.run();
    await one.clock.advance(100);
    expect([one.decisions, one.scheduler.explain(large).nodes]).toEqual([0, []]);
  });

  it('is not bound a second time when an older state of it is seen after its binding', async () => {
    void one.run();
    const waits = labelled('waits', 'a', '500m');
    await one.show(node, waits);
    await one.clock.advance(100);
    await one.show(annotated(waits));
    await one.clock.advance(5_000);
    expect([one.bound, one.scheduler.pending.active]).toEqual([['waits'], 0]);
  });

  it('that is being deleted when it is first seen is not placed', async () => {
    void one.run();
    await one.show(node, terminating(labelled('going', 'a', '100m')));
    await one.clock.advance(1_000);
    expect(one.bound).toEqual([]);
  });

  it('of the same name as one whose binding is under way waits on when that one is bound', async () => {
    void one.run();
    let bind = (): void => undefined;
    one.answer = (bindings) =>
      new Promise((resolve) => {
        bind = () => resolve(bindings.map(({ guardVersion }) => ({ ok: true, guardVersion })));
      });
    await one.show(node, labelled('a', 'a', '500m'));
    await one.clock.advance(10);
    await one.show(pendingPod('a', { cpu: '2' }, { uid: 'second' }));
    await one.clock.advance(10);
    bind();
    await one.clock.advance(10);
    expect(one.scheduler.pending).toEqual({ active: 0, unschedulable: 1, inFlight: 0 });
  });
});

describe('a scheduler', () => {
  it('sends its decisions before it has decided on all of many slow pods', async () => {
    const one = new SchedulerScene();
    void one.run();
    const sentAfter: number[] = [];
    one.answer = async (bindings) => {
      sentAfter.push(one.decisions);
      return bindings.map(({ guardVersion }) => ({ ok: true, guardVersion }));
    };
    one.decisionMs = 1;
    const names = Array.from({ length: 50 }, (_, i) => `p${i}`);
    await one.show(readyNode('n', { cpu: '100' }), ...names.map((name) => labelled(name, 'a', '100m')));
    await one.clock.advance(1_000);
    expect([...one.bound].sort()).toEqual([...names].sort());
    expect(sentAfter[0]).toBeLessThanOrEqual(20);
    await one.stop();
  });

  it('ends with the error of a plugin', async () => {
    const prepare = (): never => {
      throw new Error('a fault');
    };
    const one = new SchedulerScene({ plugins: [{ name: 'Broken', scope: 'node', events: [], prepare }] });
    const running = one.run();
    const ends = expect(running).rejects.toThrow('a fault');
    await one.show(node, labelled('a', 'a', '100m'));
    await one.clock.advance(10);
    await ends;
  });
});
