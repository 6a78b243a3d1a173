import { afterEach, describe, expect, it } from 'vitest';
import { ApiError } from '../../shared/errors.ts';
import type { EventRecorder } from '../../shared/event-recorder.ts';
import type { Pod, PodDisruptionBudget } from '../../shared/generated/types.ts';
import { silentLog } from '../../shared/log.ts';
import { keyOf } from '../../shared/object.ts';
import { seededRandom } from '../../shared/random.ts';
import { Decider } from '../../shared/scheduling/decide.ts';
import { NodeIndex } from '../../shared/scheduling/node-index.ts';
import type { NodeInfo, PodInfo } from '../../shared/scheduling/node-info.ts';
import { defaultPlugins } from '../../shared/scheduling/plugins/index.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { onNode, pendingPod, readyNode, terminating } from '../../test/support/scheduling.ts';
import { Budgets } from './budgets.ts';
import { Preemptor } from './preemptor.ts';
import type { QueuedPod } from './queue.ts';

type Spec = Partial<Pod['spec']>;

const stops: AbortController[] = [];

/** A preemptor over nodes of one cpu. */
function setUp(nodes: readonly string[], placed: readonly Pod[], budgets = new Budgets()) {
  const clock = new VirtualClock();
  const stop = new AbortController();
  stops.push(stop);
  const index = new NodeIndex();
  const pods = new Map<string, Pod>();
  const deleted: string[] = [];
  const activated: string[] = [];
  const answers: { remove?: () => Promise<void> } = {};
  for (const name of nodes) index.setNode(readyNode(name, { cpu: '1' }));
  const set = (pod: Pod): PodInfo => {
    pods.set(keyOf(pod), pod);
    const info = index.setPod(pod);
    if (!info) throw new Error('the pod has ended');
    return info;
  };
  for (const pod of placed) set(pod);
  const client = {
    patch: async () => undefined,
    delete: async (_: string, name: string) => {
      deleted.push(name);
      await answers.remove?.();
    },
  } as unknown as ConstructorParameters<typeof Preemptor>[0]['client'];
  const recorder = { event: () => undefined } as unknown as EventRecorder;
  const preemptor = new Preemptor(
    {
      client,
      clock,
      random: seededRandom(1),
      recorder,
      log: silentLog,
      index,
      plugins: defaultPlugins,
      budgets,
      podOf: (key) => pods.get(key),
      activate: (key) => activated.push(key),
    },
    stop.signal,
  );
  const queued = (pod: Pod): QueuedPod => ({ info: set(pod), pod }) as QueuedPod;
  /** As the scheduling cycle: the nomination is reverted, and the pod is found unschedulable. */
  const preempt = ({ info, pod }: QueuedPod) => {
    const kept = info.nominated ? info.node : undefined;
    if (kept) index.forget(info);
    const decision = new Decider(index, defaultPlugins, 1).decide(info.shape);
    if (decision.node) throw new Error(`${info.key} fits`);
    return preemptor.preempt({ info, pod } as QueuedPod, decision.rejections, kept);
  };
  const node = (name: string): NodeInfo => {
    const state = index.node(name);
    if (!state) throw new Error(`no node ${name}`);
    return state;
  };
  return { clock, index, pods, deleted, activated, answers, set, queued, preempt, preemptor, node };
}

const pod = (name: string, priority: number, cpu = '1', spec: Spec = {}): Pod =>
  pendingPod(name, { cpu }, { spec: { priority, ...spec } });
const preempted = (victim: Pod): Pod => {
  const conditions = [{ type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler' }];
  return terminating({ ...victim, status: { conditions } });
};

describe('the preemptor', () => {
  afterEach(() => {
    for (const stop of stops.splice(0)) stop.abort();
  });

  it('reserves the capacity for the pod and evicts the victims', async () => {
    const { clock, preempt, queued, deleted, node } = setUp(['n'], [onNode(pod('low', 1), 'n')]);
    const high = queued(pod('high', 9));
    expect(preempt(high)).toEqual({ message: '', fits: false });
    expect(high.info).toMatchObject({ node: node('n'), assumed: true, nominated: true });
    await clock.advance(0);
    expect(deleted).toEqual(['low']);
  });

  it('reports why it does not help, and nothing when there are no nodes', () => {
    const { preempt, preemptor, queued } = setUp(['n'], [onNode(pod('equal', 9), 'n')]);
    const high = queued(pod('high', 9));
    expect(preempt(high)).toEqual({
      message: ' preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.',
      fits: false,
    });
    expect(high.info.node).toBeUndefined();
    expect(preemptor.preempt(high, [], undefined)).toEqual({ message: '', fits: false });
  });

  it('evicts nothing for a pod whose policy is Never, and keeps an existing nomination', async () => {
    const { clock, preempt, queued, deleted, index, node } = setUp(['n'], [onNode(pod('low', 1), 'n')]);
    const modest = queued(pod('modest', 9, '1', { preemptionPolicy: 'Never' }));
    const message = ' preemption: not eligible due to preemptionPolicy=Never.';
    expect(preempt(modest)).toEqual({ message, fits: false });
    expect(modest.info).toMatchObject({ node: undefined, assumed: false, nominated: false });
    index.nominate(modest.info, node('n'));
    expect(preempt(modest)).toEqual({ message, fits: false });
    expect(modest.info).toMatchObject({ node: node('n'), nominated: true });
    await clock.advance(10);
    expect(deleted).toEqual([]);
  });

  it('waits on its room while the victims go, and evicts no others meanwhile', async () => {
    const placed = [onNode(pod('low', 1), 'n'), onNode(pod('other', 2), 'm')];
    const { clock, preempt, queued, deleted, set, node } = setUp(['n', 'm'], placed);
    const high = queued(pod('high', 9));
    const waiting = {
      message: ' preemption: not eligible due to a terminating pod on the nominated node.',
      fits: false,
    };
    preempt(high);
    // The eviction is decided and not done yet.
    expect(preempt(high)).toEqual(waiting);
    await clock.advance(0);
    set(preempted(onNode(pod('low', 1), 'n')));
    expect(preempt(high)).toEqual(waiting);
    expect(high.info).toMatchObject({ node: node('n'), nominated: true });
    await clock.advance(10);
    expect(deleted).toEqual(['low']);
  });

  it('nominates another node when a deleted pod was not its victim, or when no eviction helps on it any more', async () => {
    const placed = [terminating(onNode(pod('going', 1), 'n')), onNode(pod('other', 2), 'm')];
    const { clock, preempt, queued, deleted, index, node } = setUp(['n', 'm'], placed);
    const high = queued(pod('high', 9));
    index.nominate(high.info, node('n'));
    // It goes by itself: Kubernetes tries to preempt activated, and the cheapest is what goes anyway.
    expect(preempt(high)).toEqual({ message: '', fits: false });
    expect(high.info.node).toBe(node('n'));
    await clock.advance(0);
    expect(deleted).toEqual([]);
    index.setPod(preempted(onNode(pod('going', 1), 'n')));
    index.setNode(readyNode('n', { cpu: '1' }, { spec: { unschedulable: true } }));
    expect(preempt(high)).toEqual({ message: '', fits: false });
    expect(high.info.node).toBe(node('m'));
    await clock.advance(0);
    expect(deleted).toEqual(['other']);
  });

  it('waits on its room though other nodes can’t take the pod at all', async () => {
    const { preempt, queued, index } = setUp(['cordoned', 'n'], [onNode(pod('low', 1), 'n')]);
    index.setNode(readyNode('cordoned', { cpu: '1' }, { spec: { unschedulable: true } }));
    const high = queued(pod('high', 9));
    preempt(high);
    expect(preempt(high).message).toContain('a terminating pod on the nominated node');
  });

  it('counts its pending evictions against the budgets of the next victims', () => {
    const budgets = new Budgets();
    const status = { disruptionsAllowed: 1 };
    const metadata = { name: 'db', namespace: 'default' };
    const selector = { matchLabels: { app: 'db' } };
    budgets.set({ metadata, spec: { selector }, status } as unknown as PodDisruptionBudget);
    const guarded = (name: string) => ({
      ...pod(name, 1),
      metadata: { ...pod(name, 1).metadata, labels: { app: 'db' } },
    });
    const placed = [onNode(guarded('g1'), 'n'), onNode(guarded('g2'), 'm'), onNode(pod('free', 5), 'o')];
    const { preempt, queued } = setUp(['n', 'm', 'o'], placed, budgets);
    const [first, second] = [queued(pod('first', 9)), queued(pod('second', 9))];
    preempt(first);
    preempt(second);
    expect([first.info.node?.name, second.info.node?.name]).toEqual(['n', 'o']);
  });

  it('does not wait on its room for a preempted pod of its own priority', () => {
    const { preempt, queued, index, node } = setUp(['n'], [preempted(onNode(pod('equal', 9), 'n'))]);
    const high = queued(pod('high', 9));
    index.nominate(high.info, node('n'));
    expect(preempt(high).message).toContain('No preemption victims');
  });

  it('takes a room that is only kept for a less important pod, which is decided again', async () => {
    const { clock, preempt, queued, deleted, activated, index, node } = setUp(['n'], []);
    const low = queued(pod('low', 1));
    index.nominate(low.info, node('n'));
    const high = queued(pod('high', 9));
    expect(preempt(high)).toEqual({ message: '', fits: true });
    expect(activated).toEqual(['default/low']);
    expect([low.info.node, high.info.node?.name, high.info.nominated]).toEqual([undefined, 'n', true]);
    await clock.advance(0);
    expect(deleted).toEqual([]);
  });

  it('takes over the victims of a less important pod together with its room', async () => {
    const { clock, preempt, queued, deleted, activated, set } = setUp(['n'], [onNode(pod('victim', 1), 'n')]);
    const middle = queued(pod('middle', 5));
    preempt(middle);
    const high = queued(pod('high', 9));
    expect(preempt(high)).toEqual({ message: '', fits: false });
    expect(activated).toEqual(['default/middle']);
    expect([middle.info.node, high.info.node?.name]).toEqual([undefined, 'n']);
    await clock.advance(0);
    expect(deleted).toEqual(['victim']);
    // A victim that is being deleted is not deleted again.
    set(preempted(onNode(pod('victim', 1), 'n')));
    const highest = queued(pod('highest', 10));
    expect(preempt(highest)).toEqual({ message: '', fits: false });
    await clock.advance(0);
    expect(deleted).toEqual(['victim']);
  });

  it('evicts nothing for a pod that lost its nomination, was bound or deleted before the eviction', async () => {
    const changes: ((one: ReturnType<typeof setUp>, info: PodInfo) => void)[] = [
      ({ index }, info) => index.forget(info),
      ({ index, node }, info) => index.assume(info, node('n')),
      ({ index, node }, info) => index.nominate(info, node('m')),
      ({ index }, info) => index.removePod(info.key),
      ({ set, index, node }) => index.nominate(set(pendingPod('high', { cpu: '1' }, { uid: 'another' })), node('n')),
    ];
    for (const change of changes) {
      const one = setUp(['n', 'm'], [onNode(pod('low', 1), 'n'), onNode(pod('equal', 9), 'm')]);
      const high = one.queued(pod('high', 9));
      one.preempt(high);
      expect(high.info.node?.name).toBe('n');
      change(one, high.info);
      await one.clock.advance(10);
      expect(one.deleted).toEqual([]);
    }
  });

  it('has the pod decided again when an eviction is refused, and takes the other victim then', async () => {
    const placed = [onNode(pod('refused', 1), 'n'), onNode(pod('other', 2), 'm')];
    const { clock, preempt, queued, deleted, activated, answers } = setUp(['n', 'm'], placed);
    const high = queued(pod('high', 9));
    answers.remove = () => Promise.reject(new ApiError('Forbidden', 'not this one'));
    preempt(high);
    await clock.advance(0);
    expect([deleted, activated]).toEqual([['refused'], ['default/high']]);
    preempt(high);
    expect(high.info.node?.name).toBe('m');
    await clock.advance(0);
    expect(deleted).toEqual(['refused', 'other']);
    // After the time of the refusal the cheaper one is a victim again.
    await clock.advance(20_000);
    preempt(high);
    expect(high.info.node?.name).toBe('n');
  });

  it('does not have a pod decided again that no longer keeps the room of a refused eviction', async () => {
    const { clock, preempt, queued, activated, answers, index } = setUp(['n'], [onNode(pod('low', 1), 'n')]);
    const high = queued(pod('high', 9));
    let refuse = (): void => undefined;
    answers.remove = () => new Promise((_, reject) => (refuse = () => reject(new ApiError('Forbidden', 'no'))));
    preempt(high);
    await clock.advance(0);
    index.forget(high.info);
    refuse();
    await clock.advance(0);
    expect(activated).toEqual([]);
  });

  it('nominates another node when the nominated node is deleted with its victims', () => {
    const placed = [preempted(onNode(pod('going', 1), 'n')), onNode(pod('other', 2), 'm')];
    const { preempt, queued, index, node } = setUp(['n', 'm'], placed);
    const high = queued(pod('high', 9));
    index.nominate(high.info, node('n'));
    index.removeNode('n');
    expect(preempt(high)).toEqual({ message: '', fits: false });
    expect(high.info.node?.name).toBe('m');
  });

  it('continues with the next evictions when the preemptor of the first is deleted', async () => {
    const placed = [onNode(pod('low', 1), 'n'), onNode(pod('other', 2), 'm')];
    const { clock, preempt, queued, deleted, index } = setUp(['n', 'm'], placed);
    const first = queued(pod('first', 9));
    preempt(first);
    preempt(queued(pod('second', 9)));
    index.removePod(first.info.key);
    await clock.advance(0);
    expect(deleted).toEqual(['other']);
  });

  it('continues with the next evictions when one is refused for a deleted pod', async () => {
    const placed = [onNode(pod('low', 1), 'n'), onNode(pod('other', 2), 'm')];
    const { clock, preempt, queued, deleted, answers, activated, index } = setUp(['n', 'm'], placed);
    const first = queued(pod('first', 9));
    let refuse = (): void => undefined;
    answers.remove = () => new Promise((_, reject) => (refuse = () => reject(new ApiError('Forbidden', 'no'))));
    preempt(first);
    preempt(queued(pod('second', 9)));
    await clock.advance(0);
    index.removePod(first.info.key);
    refuse();
    await clock.advance(0);
    expect([deleted, activated]).toEqual([['low', 'other'], []]);
  });
});
