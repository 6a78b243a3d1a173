import { Registry } from 'prom-client';
import { afterEach, expect, it } from 'vitest';
import { ApiError } from '../../shared/errors.ts';
import { ControllerRoom } from '../../test/support/controller-room.ts';
import { type Controller, runController } from './controller.ts';
import { queueMetrics } from './queue-metrics.ts';

let room: ControllerRoom;
afterEach(() => room.stop());

interface Script {
  readonly name?: string;
  readonly workers?: number;
  readonly kinds?: Controller['kinds'];
  reconcile(key: string, signal: AbortSignal): Promise<number | undefined>;
}

async function start(script: Script): Promise<void> {
  room = await ControllerRoom.start(() => ({
    name: 'test',
    kinds: ['ConfigMap'],
    workers: 1,
    keysOf: ({ after, before }) => [(after ?? before)?.metadata.labels?.key ?? ''].filter((key) => key !== ''),
    ...script,
  }));
}
const touch = async (key: string, kind: 'ConfigMap' | 'Secret' = 'ConfigMap') => {
  await room.client.create(kind, { metadata: { generateName: 'x-', namespace: 'default', labels: { key } } });
};

it('a controller reconciles the keys that changes of its kinds map to, and no others', async () => {
  const calls: string[] = [];
  await start({ reconcile: async (key) => void calls.push(key) as undefined });
  await touch('a');
  await touch('b');
  await touch('');
  await touch('c', 'Secret');
  await room.advance(5_000);
  expect(calls).toEqual(['a', 'b']);
});

it('a key is never reconciled twice at once, and is reconciled again when it changes meanwhile', async () => {
  let running = 0;
  const most: number[] = [];
  await start({
    workers: 4,
    reconcile: async () => {
      most.push(++running);
      await room.clock.sleep(100);
      running--;
      return undefined;
    },
  });
  for (let index = 0; index < 3; index++) await touch('a');
  await room.advance(1_000);
  expect(most).toEqual([1, 1]);
});

it('as many keys are reconciled at once as there are workers', async () => {
  let [running, most] = [0, 0];
  await start({
    workers: 3,
    reconcile: async () => {
      most = Math.max(most, ++running);
      await room.clock.sleep(100);
      running--;
      return undefined;
    },
  });
  for (const key of ['a', 'b', 'c', 'd', 'e']) await touch(key);
  await room.advance(1_000);
  expect(most).toBe(3);
});

it('a key is reconciled again after the requested time, immediately if the time has passed, and otherwise not', async () => {
  const at: number[] = [];
  const answers = [500, -5, 0, undefined];
  await start({
    reconcile: async () => {
      at.push(room.clock.monotonic());
      return answers[at.length - 1];
    },
  });
  await touch('a');
  await room.advance(60_000);
  expect(at.slice(1).map((time, index) => Math.round(time - (at[index] ?? 0)))).toEqual([500, 0, 0]);
});

it.each([new ApiError('Conflict', 'x'), new Error('odd')])(
  'a key that fails (%s) is retried with a growing backoff, which a success resets',
  async (error) => {
    const at: number[] = [];
    let failures = 5;
    await start({
      reconcile: async () => {
        at.push(room.clock.monotonic());
        if (failures-- > 0) throw error;
        return undefined;
      },
    });
    await touch('a');
    await room.advance(60_000);
    expect(at).toHaveLength(6);
    const waits = at.slice(1).map((time, index) => time - (at[index] ?? 0));
    expect(waits).toEqual([...waits].sort((a, b) => a - b));
    expect(waits[0]).toBeLessThanOrEqual(10);
    expect(waits[4]).toBeGreaterThanOrEqual(80);
    failures = 1;
    await touch('a');
    await room.advance(1_000);
    expect((at[7] ?? 0) - (at[6] ?? 0)).toBeLessThanOrEqual(10);
  },
);

it('a key that fails does not delay other keys', async () => {
  const calls: string[] = [];
  await start({
    reconcile: async (key) => {
      calls.push(key);
      if (key === 'bad') throw new Error('always');
      return undefined;
    },
  });
  await touch('bad');
  await touch('good');
  await room.advance();
  expect(calls).toContain('good');
});

it('a stopped controller reconciles nothing more and leaves no timer', async () => {
  const stop = new AbortController();
  const calls: string[] = [];
  await start({ kinds: [], reconcile: async () => undefined });
  const { deps } = room;
  const controller: Controller = {
    name: 'late',
    kinds: ['ConfigMap'],
    workers: 2,
    keysOf: () => ['a'],
    reconcile: async (key, signal) => {
      calls.push(key);
      if (calls.length === 1) return 500;
      await room.clock.sleep(60_000, signal);
      return undefined;
    },
  };
  const running = runController(controller, deps, stop.signal);
  await touch('a');
  await room.advance();
  await touch('a');
  await room.advance();
  expect(calls).toHaveLength(2);
  stop.abort(new Error('enough'));
  await running;
  await touch('a');
  await room.advance(5_000);
  expect(calls).toHaveLength(2);
  const aborted = AbortSignal.abort(new Error('before'));
  await runController(controller, deps, aborted);
  expect(calls).toHaveLength(2);
});

it('the metrics of the queue show adds, depth, retries and durations', async () => {
  const registry = new Registry();
  await start({ kinds: [], reconcile: async () => undefined });
  let failures = 1;
  const controller: Controller = {
    name: 'measured',
    kinds: ['ConfigMap'],
    workers: 1,
    keysOf: ({ after }) => [after?.metadata.labels?.key ?? ''],
    reconcile: async () => {
      await room.clock.sleep(2_000);
      if (failures-- > 0) throw new Error('once');
      return undefined;
    },
  };
  const stop = new AbortController();
  const running = runController(controller, { ...room.deps, metrics: queueMetrics(registry) }, stop.signal);
  for (const key of ['a', 'b', 'c']) await touch(key);
  await room.advance(1_000);
  const value = async (name: string) =>
    (await registry.getSingleMetric(name)?.get())?.values.filter(({ labels }) => labels.name === 'measured');
  expect((await value('workqueue_adds_total'))?.[0]?.value).toBe(3);
  expect((await value('workqueue_depth'))?.[0]?.value).toBe(2);
  await room.advance(10_000);
  expect((await value('workqueue_depth'))?.[0]?.value).toBe(0);
  expect((await value('workqueue_retries_total'))?.[0]?.value).toBe(1);
  const text = await registry.metrics();
  const line = (name: string) => text.split('\n').find((one) => one.startsWith(`${name}{name="measured"} `));
  expect(line('workqueue_work_duration_seconds_count')?.split(' ')[1]).toBe('4');
  expect(line('workqueue_work_duration_seconds_sum')?.split(' ')[1]).toBe('8');
  stop.abort(new Error('enough'));
  await running;
});
