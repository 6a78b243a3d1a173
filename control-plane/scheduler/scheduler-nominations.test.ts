import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Pod, PodDisruptionBudget } from '../../shared/generated/types.ts';
import { SchedulerScene } from '../../test/support/scheduler-scene.ts';
import { onNode, pendingPod, readyNode, terminating } from '../../test/support/scheduling.ts';

const pod = (name: string, cpu: string, priority = 0, status: Pod['status'] = undefined): Pod => {
  const made = pendingPod(name, { cpu }, { labels: { app: name }, spec: { priority } });
  return status ? { ...made, status } : made;
};
const annotated = (object: Pod, seen: string): Pod => ({
  ...object,
  metadata: { ...object.metadata, annotations: { seen } },
});
const unschedulable = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: 'another’s words' };
const node = readyNode('n', { cpu: '1' });
/** On the node, preempted, and slow to terminate. */
const leaving = terminating({
  ...onNode(pod('leaving', '600m'), 'n'),
  status: { conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler' }] },
});

let one: SchedulerScene;

beforeEach(() => {
  one = new SchedulerScene();
  void one.run();
});

afterEach(() => one.stop());

/** Whether a pod that takes so much fits on the node. */
const fits = (cpu: string, at = 'n'): boolean | undefined =>
  one.scheduler.explain(pod('asks', cpu)).nodes.find(({ node }) => node === at)?.fits;

describe('a nomination by another', () => {
  it('of a new pod keeps its room while the victims of its preemption go', async () => {
    await one.show(node, leaving, pod('waits', '500m', 5, { nominatedNodeName: 'n' }));
    await one.clock.advance(1_000);
    expect([fits('400m'), one.bound]).toEqual([false, []]);
    await one.remove('Pod', 'default/leaving');
    await one.clock.advance(3_000);
    expect(one.bound).toEqual(['waits']);
  });

  it('of a pod that waits keeps room from then on, and the pod is decided again at once', async () => {
    const waits = pod('waits', '500m');
    await one.show(node, onNode(pod('placed', '600m'), 'n'), waits);
    await one.clock.advance(3_000);
    const { decisions } = one;
    await one.show(annotated(waits, 'without a nomination'));
    expect(one.decisions).toBe(decisions);
    await one.show({ ...waits, status: { nominatedNodeName: 'n' } });
    await one.clock.advance(10);
    expect(one.decisions).toBe(decisions + 1);
  });

  it('that the pod has had for longer gives no room back that was lost since', async () => {
    const waits = pod('waits', '600m', 1, { nominatedNodeName: 'n' });
    await one.show(node, onNode(pod('placed', '500m', 1), 'n'), waits);
    await one.clock.advance(10);
    await one.remove('Pod', 'default/placed');
    await one.show(pod('high', '700m', 9));
    await one.clock.advance(10);
    expect(one.bound).toEqual(['high']);
    const { decisions } = one;
    await one.show(annotated(waits, 'later'));
    await one.clock.advance(3_000);
    expect(one.decisions).toBe(decisions);
    expect([fits('300m'), fits('400m')]).toEqual([true, false]);
  });

  it('keeps room on the node that it names for a pod that waited without one', async () => {
    const waits = pod('waits', '700m', 5, undefined);
    await one.show(node, leaving, { ...waits, spec: { ...waits.spec, preemptionPolicy: 'Never' } });
    await one.clock.advance(1_000);
    expect(fits('400m')).toBe(true);
    await one.show({
      ...waits,
      spec: { ...waits.spec, preemptionPolicy: 'Never' },
      status: { nominatedNodeName: 'n' },
    });
    await one.clock.advance(1_000);
    expect(fits('400m')).toBe(false);
  });

  it('moves no room that the pod has, and has it decided no more often', async () => {
    const waits = pod('waits', '500m', 5, { nominatedNodeName: 'n' });
    await one.show(node, leaving, waits, readyNode('m', { cpu: '1' }, { spec: { unschedulable: true } }));
    await one.clock.advance(1_000);
    const { decisions } = one;
    await one.show({ ...waits, status: { nominatedNodeName: 'm' } });
    await one.clock.advance(1_000);
    expect([fits('400m'), one.decisions]).toEqual([false, decisions]);
  });

  it('loses its room to a more important pod, which is placed at once, and is decided again', async () => {
    await one.show(node, leaving, pod('waits', '500m', 5, { nominatedNodeName: 'n' }));
    await one.clock.advance(100);
    const { decisions } = one;
    await one.show(pod('high', '400m', 9));
    await one.clock.advance(10);
    expect(one.bound).toEqual(['high']);
    // The important one twice: before the room was its, and on it.
    expect(one.decisions - decisions).toBe(3);
  });

  it.each([
    ['deleted', (waits: Pod) => one.show(terminating(waits))],
    ['gone', () => one.remove('Pod', 'default/waits')],
  ])('gives its room up with the pod once that is %s, and another that waits for it is placed', async (_, happens) => {
    const waits = pod('waits', '500m', 5, { nominatedNodeName: 'n' });
    await one.show(node, leaving, waits);
    await one.clock.advance(100);
    await one.show(pod('second', '400m'));
    await one.clock.advance(3_000);
    expect(one.bound).toEqual([]);
    await happens(waits);
    await one.clock.advance(3_000);
    expect(one.bound).toEqual(['second']);
  });
});

describe('why a pod is not placed', () => {
  const large = pod('large', '2');
  const written = () => one.patches.filter(({ name }) => name === 'large').length;

  async function unschedulableNow(): Promise<number> {
    await one.show(node, large);
    await one.clock.advance(1_000);
    return written();
  }

  it('is written again over another client’s write without it', async () => {
    expect(await unschedulableNow()).toBe(1);
    await one.show(annotated(large, 'another'));
    await one.clock.advance(1_000);
    expect(written()).toBe(2);
  });

  it('is not written again when another scheduler has written it with another message', async () => {
    expect(await unschedulableNow()).toBe(1);
    await one.show({ ...large, status: { conditions: [unschedulable] } });
    await one.clock.advance(1_000);
    expect(written()).toBe(1);
  });

  it('is written again when another has written the reason, with a node without a reservation', async () => {
    const room = { ...large, status: { nominatedNodeName: 'n' } };
    await one.show(node, room);
    await one.clock.advance(1_000);
    const before = written();
    await one.show({ ...room, status: { conditions: [unschedulable], nominatedNodeName: 'n' } });
    await one.clock.advance(1_000);
    expect(written()).toBe(before + 1);
  });

  it('is not written of a pod whose binding is under way', async () => {
    expect(await unschedulableNow()).toBe(1);
    one.answer = () => new Promise(() => undefined);
    await one.show(readyNode('m', { cpu: '2' }));
    await one.clock.advance(3_000);
    expect(one.bound).toEqual(['large']);
    await one.show(annotated(large, 'meanwhile'));
    await one.clock.advance(1_000);
    expect(written()).toBe(1);
  });

  it('is not written for a pod deleted before its turn', async () => {
    await one.show(node, large);
    await one.remove('Pod', 'default/large');
    await one.clock.advance(1_000);
    expect(one.scheduler.pending.unschedulable).toBe(0);
  });
});

describe('preemption', () => {
  const budget = (allowed: number): PodDisruptionBudget =>
    ({
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name: 'db', namespace: 'default', uid: 'pdb' },
      spec: { selector: { matchLabels: { app: 'guarded' } } },
      status: { disruptionsAllowed: allowed },
    }) as unknown as PodDisruptionBudget;
  const cluster = [
    ...[node, readyNode('m', { cpu: '1' })],
    ...[onNode(pod('guarded', '1', 1), 'n'), onNode(pod('free', '1', 2), 'm')],
  ];

  it('spares a pod that its budget guards though it is the least important', async () => {
    await one.show(...cluster, budget(0));
    await one.show(pod('high', '1', 9));
    await one.clock.advance(1_000);
    expect(one.deleted).toEqual(['free']);
  });

  it('uses the current budget: one that allows more, or is deleted, no longer guards', async () => {
    await one.show(...cluster, budget(0));
    await one.show(budget(1));
    await one.show(pod('high', '1', 9));
    await one.clock.advance(1_000);
    expect(one.deleted).toEqual(['guarded']);
  });

  it('ignores a deleted budget', async () => {
    await one.show(...cluster, budget(0));
    await one.remove('PodDisruptionBudget', 'default/db');
    await one.show(pod('high', '1', 9));
    await one.clock.advance(1_000);
    expect(one.deleted).toEqual(['guarded']);
  });
});
