import { afterEach, describe, expect, it } from 'vitest';
import { ApiError } from '../../shared/errors.ts';
import type { EventRecorder } from '../../shared/event-recorder.ts';
import type { Pod } from '../../shared/generated/types.ts';
import { silentLog } from '../../shared/log.ts';
import { keyOf } from '../../shared/object.ts';
import { seededRandom } from '../../shared/random.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { onNode, pendingPod, terminating } from '../../test/support/scheduling.ts';
import { Evictions } from './evictions.ts';

const victim = (name: string, uid?: string): Pod => onNode(pendingPod(name, {}, uid ? { uid } : {}), 'n');
const high = pendingPod('high', {}, { spec: { priority: 9 } });

function setUp() {
  const clock = new VirtualClock();
  const stop = new AbortController();
  const pods = new Map<string, Pod>();
  const calls: unknown[] = [];
  const told: string[] = [];
  const refusals: string[] = [];
  /** Answers deletions while it is set. */
  const state: { remove?: (name: string) => Promise<void>; isNominated: (preemptor: Pod, node: string) => boolean } = {
    isNominated: () => true,
  };
  const recorder = {
    event: (pod: Pod, type: string, reason: string, message: string, action: { related?: Pod }) =>
      told.push(`${type} ${reason} ${pod.metadata.name}: ${message}, for ${action.related?.metadata.name}`),
  } as unknown as EventRecorder;
  const client = {
    patch: async (_: string, name: string, patch: { body: unknown }, options: unknown) => {
      calls.push(['patch', name, patch.body, options]);
    },
    delete: async (_: string, name: string, options: unknown) => {
      calls.push(['delete', name, options]);
      await state.remove?.(name);
    },
  } as unknown as ConstructorParameters<typeof Evictions>[0]['client'];
  const evictions = new Evictions(
    {
      client,
      clock,
      random: seededRandom(1),
      recorder,
      log: silentLog,
      podOf: (key) => pods.get(key),
      isNominated: (preemptor, node) => state.isNominated(preemptor, node),
      refused: ({ metadata }) => refusals.push(metadata.name),
    },
    stop.signal,
  );
  const add = (pod: Pod): string => {
    pods.set(keyOf(pod), pod);
    return keyOf(pod);
  };
  const deleted = () =>
    calls.filter((call) => Array.isArray(call) && call[0] === 'delete').map((call) => (call as unknown[])[1]);
  return { clock, stop, pods, calls, told, refusals, state, evictions, add, deleted };
}

let all: ReturnType<typeof setUp>[] = [];
function start() {
  const one = setUp();
  all.push(one);
  return one;
}

describe('evictions', () => {
  afterEach(() => {
    for (const { stop } of all) stop.abort();
    all = [];
  });

  it('mark the victim, delete exactly that pod, and name the preemptor in an event', async () => {
    const { clock, evictions, add, calls, told } = start();
    const key = add(victim('low'));
    evictions.evict(key, high, 'n');
    expect(evictions.has(key)).toBe(true);
    expect([...evictions.keys()]).toEqual([key]);
    expect(calls).toEqual([]);
    await clock.advance(0);
    const condition = {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'PreemptionByScheduler',
      message: 'default-scheduler: preempting to accommodate a higher priority pod',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    };
    const body = { metadata: { uid: 'uid-low' }, status: { conditions: [condition] } };
    expect(calls).toEqual([
      ['patch', 'low', body, { namespace: 'default', subresource: 'status' }],
      ['delete', 'low', { namespace: 'default', preconditions: { uid: 'uid-low' } }],
    ]);
    expect(told).toEqual(['Normal Preempted low: Preempted by pod uid-high on node n, for high']);
    expect(evictions.has(key)).toBe(false);
  });

  it('do not mark a victim twice', async () => {
    const { clock, evictions, add, calls, deleted } = start();
    const conditions = [{ type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler' }];
    evictions.evict(add({ ...victim('low'), status: { conditions } }), high, 'n');
    await clock.advance(0);
    expect([calls.length, deleted()]).toEqual([1, ['low']]);
  });

  it.each<[string, (one: ReturnType<typeof setUp>, key: string) => void]>([
    ['has gone', ({ pods }, key) => pods.delete(key)],
    ['is another of the same name', ({ pods }, key) => pods.set(key, victim('low', 'another'))],
    ['is being deleted', ({ pods }, key) => pods.set(key, terminating(victim('low')))],
    ['is on another node', ({ pods }, key) => pods.set(key, onNode(victim('low'), 'm'))],
  ])('leave a pod alone that %s by the time its turn comes', async (_, change) => {
    const one = start();
    const key = one.add(victim('low'));
    one.evictions.evict(key, high, 'n');
    change(one, key);
    await one.clock.advance(0);
    expect([one.calls, one.refusals, one.evictions.has(key)]).toEqual([[], [], false]);
    expect(one.evictions.isRefused('uid-low')).toBe(false);
  });

  it('spare the victim when the pod no longer waits for its room, but not another’s', async () => {
    const { clock, evictions, add, deleted, state } = start();
    const asked: unknown[] = [];
    state.isNominated = (by, node) => {
      asked.push([by.metadata.name, node]);
      return by.metadata.name === 'high';
    };
    evictions.evict(add(victim('a')), pendingPod('placed'), 'n');
    evictions.evict(add(victim('b')), high, 'n');
    await clock.advance(0);
    expect(asked).toEqual([
      ['placed', 'n'],
      ['high', 'n'],
    ]);
    expect(deleted()).toEqual(['b']);
  });

  it('ignore a pod that is not there', async () => {
    const { clock, evictions, calls } = start();
    evictions.evict('default/nobody', high, 'n');
    expect(evictions.has('default/nobody')).toBe(false);
    await clock.advance(0);
    expect(calls).toEqual([]);
  });

  it('count an already deleted victim as evicted', async () => {
    const { clock, evictions, add, state, refusals } = start();
    state.remove = () => Promise.reject(new ApiError('NotFound', 'gone'));
    evictions.evict(add(victim('low')), high, 'n');
    await clock.advance(0);
    expect(refusals).toEqual([]);
    expect(evictions.isRefused('uid-low')).toBe(false);
  });

  it.each(['ServiceUnavailable', 'Timeout'] as const)(
    'are tried up to five times while the API answers %s',
    async (reason) => {
      const { clock, evictions, add, state, deleted, refusals } = start();
      state.remove = () => Promise.reject(new ApiError(reason, 'away'));
      evictions.evict(add(victim('low')), high, 'n');
      await clock.advance(0);
      expect(deleted()).toHaveLength(1);
      await clock.advance(2_000);
      expect(deleted()).toHaveLength(5);
      expect(refusals).toEqual(['high']);
      expect(evictions.isRefused('uid-low')).toBe(true);
    },
  );

  it('are done when the API comes back in time', async () => {
    const { clock, evictions, add, state, refusals, told } = start();
    state.remove = () => Promise.reject(new ApiError('ServiceUnavailable', 'away'));
    evictions.evict(add(victim('low')), high, 'n');
    await clock.advance(0);
    state.remove = async () => undefined;
    await clock.advance(100);
    expect([told.length, refusals]).toEqual([1, []]);
    expect(evictions.isRefused('uid-low')).toBe(false);
  });

  it('are not tried again at once when refused: the preemptor has to choose another victim', async () => {
    const { clock, evictions, add, state, deleted, refusals, told } = start();
    state.remove = (name) =>
      name === 'a' ? Promise.reject(new ApiError('Forbidden', 'not this one')) : Promise.resolve();
    const key = add(victim('a'));
    evictions.evict(key, high, 'n');
    evictions.evict(add(victim('b')), high, 'n');
    await clock.advance(0);
    expect(deleted()).toEqual(['a', 'b']);
    expect([refusals, told.length, evictions.has(key)]).toEqual([['high'], 1, false]);
    expect([evictions.isRefused('uid-a'), evictions.isRefused('uid-b')]).toEqual([true, false]);
  });

  it('remember a refusal for 5 s at first, twice as long each further time, and for 5 min at most', async () => {
    const { clock, evictions, add, state } = start();
    state.remove = () => Promise.reject(new ApiError('Forbidden', 'not this one'));
    const key = add(victim('low'));
    for (const [at, full] of [5, 10, 20, 40, 80, 160, 300, 300].entries()) {
      evictions.evict(key, high, 'n');
      await clock.advance(0);
      const from = clock.monotonic();
      await clock.advance(full * 500 - 1);
      expect([at, evictions.isRefused('uid-low')]).toEqual([at, true]);
      await clock.advanceUntil(() => !evictions.isRefused('uid-low'), 400_000, 250);
      expect(clock.monotonic() - from).toBeLessThanOrEqual(full * 1_000 + 500);
    }
    evictions.evict(add(victim('other')), high, 'n');
    await clock.advance(0);
    await clock.advance(5_000);
    expect(evictions.isRefused('uid-other')).toBe(false);
  });

  it('do not lose the wish of a second pod for a victim while it is being evicted for a first', async () => {
    const { clock, evictions, add, state, deleted, told } = start();
    state.remove = () => Promise.reject(new ApiError('ServiceUnavailable', 'away'));
    const key = add(victim('low'));
    const higher = pendingPod('higher');
    state.isNominated = (by) => by.metadata.name === 'high';
    evictions.evict(key, high, 'n');
    await clock.advance(0);
    expect(deleted()).toHaveLength(1);
    // The room is now kept for a more important pod, and the first no longer waits for it.
    state.isNominated = (by) => by.metadata.name === 'higher';
    state.remove = async () => undefined;
    evictions.evict(key, higher, 'n');
    await clock.advance(1_000);
    expect(told).toEqual(['Normal Preempted low: Preempted by pod uid-higher on node n, for higher']);
    expect(evictions.has(key)).toBe(false);
  });

  it('start again after a pause, and after an error', async () => {
    const { clock, evictions, add, deleted, state } = start();
    evictions.evict(add(victim('a')), high, 'n');
    await clock.advance(1_000);
    state.isNominated = () => {
      throw new Error('a fault');
    };
    evictions.evict(add(victim('b')), high, 'n');
    await clock.advance(1_000);
    state.isNominated = () => true;
    evictions.evict(add(victim('c')), high, 'n');
    await clock.advance(1_000);
    expect(deleted()).toEqual(['a', 'b', 'c']);
  });

  it('hold no more than a thousand that wait', () => {
    const { evictions, add } = start();
    for (let i = 0; i < 1_001; i++) evictions.evict(add(victim(`v${i}`)), high, 'n');
    expect([...evictions.keys()]).toHaveLength(1_000);
    expect([evictions.has('default/v999'), evictions.has('default/v1000')]).toEqual([true, false]);
  });

  it('remember the ten thousand newest refusals, of which a repeated one is new', async () => {
    const { clock, evictions, add, state } = start();
    state.remove = () => Promise.reject(new ApiError('Forbidden', 'not this one'));
    const refuse = async (from: number, to: number): Promise<void> => {
      for (let i = from; i < to; i++) {
        evictions.evict(add(victim(`v${i}`)), high, 'n');
        if (i % 1_000 === 999) await clock.advance(0);
      }
      await clock.advance(0);
    };
    await refuse(0, 10_000);
    expect([evictions.isRefused('uid-v0'), evictions.isRefused('uid-v1')]).toEqual([true, true]);
    await refuse(0, 1);
    await refuse(10_000, 10_001);
    const refused = [0, 1, 2, 9_999, 10_000].filter((i) => evictions.isRefused(`uid-v${i}`));
    expect(refused).toEqual([0, 2, 9_999, 10_000]);
  });

  it('stop when they are aborted', async () => {
    const { clock, stop, evictions, add, calls, refusals } = start();
    evictions.evict(add(victim('a')), high, 'n');
    stop.abort();
    await clock.advance(10_000);
    expect([calls, refusals]).toEqual([[], []]);
  });
});
