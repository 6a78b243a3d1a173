import { describe, expect, it } from 'vitest';
import type { Pod, PodStatus } from '../../shared/generated/types.ts';
import { container, makePod } from '../../test/support/hollow-agent.ts';
import { WorkerScene } from '../../test/support/worker-scene.ts';
import { newMemory } from './model.ts';

const app = (...command: string[]) => makePod('web', { containers: [container('app', { command })] });

/** The same pod as a newer version of the object. */
const changed = (pod: Pod, change: Partial<Pod['metadata']>): Pod => ({
  ...pod,
  metadata: { ...pod.metadata, resourceVersion: '2', ...change },
});

describe('a pod that had ended before the agent knew it', () => {
  it.each(['Succeeded', 'Failed'])('as %s stays so, with its words, and nothing of it is started', async (phase) => {
    const status: PodStatus = { phase, reason: 'Evicted', message: 'too much' };
    const scene = new WorkerScene({ ...app(), status });
    await scene.look();
    await scene.clock.advance(5_000);
    expect(scene.engine.sandboxes.size).toBe(0);
    expect(scene.worker.memory.terminal).toEqual({ phase, reason: 'Evicted', message: 'too much' });
    expect(scene.worker.active).toBe(false);
    expect(scene.status).toMatchObject({ phase, reason: 'Evicted', message: 'too much' });
  });

  it('without words has none', () => {
    expect(new WorkerScene({ ...app(), status: { phase: 'Failed' } }).worker.memory.terminal).toEqual({
      phase: 'Failed',
    });
  });

  it('by the agent’s memory keeps the end that is remembered', () => {
    const memory = { ...newMemory(5), terminal: { phase: 'Succeeded' as const } };
    const scene = new WorkerScene({ ...app(), status: { phase: 'Failed', reason: 'NodeLost' } }, memory);
    expect(scene.worker.memory).toBe(memory);
  });

  it('runs when it was only pending or running', () => {
    for (const phase of ['Pending', 'Running']) {
      expect(new WorkerScene({ ...app(), status: { phase } }).worker.memory.terminal).toBeUndefined();
    }
  });

  it('is remembered at once, before anything happens', () => {
    const status = { phase: 'Failed' };
    const scene = new WorkerScene({ ...app(), status });
    expect(scene.remembered).toEqual([{ memory: scene.worker.memory, status }]);
  });
});

describe('what ends a pod from outside', () => {
  it('as a failure ends it with its reason, once, and stops what runs', async () => {
    const scene = new WorkerScene(app());
    await scene.settle();
    scene.worker.fail({ reason: 'Preempting', message: 'made room' });
    scene.worker.fail({ reason: 'Other', message: '' });
    await scene.until(() => scene.status?.phase === 'Failed');
    expect(scene.status).toMatchObject({ reason: 'Preempting', message: 'made room' });
    expect(scene.running()).toEqual([]);
    expect(scene.gone).toEqual([]);
  });

  it('as an eviction leaves it a second, says why by an event, and comes once', async () => {
    const scene = new WorkerScene(app('fake.stubborn'));
    await scene.settle();
    scene.worker.evict('too much');
    scene.worker.evict('again');
    const at = scene.clock.monotonic();
    await scene.until(() => scene.status?.phase === 'Failed');
    expect(scene.status).toMatchObject({ reason: 'Evicted', message: 'too much' });
    expect(scene.clock.monotonic() - at).toBeLessThan(3_000);
    expect(scene.events.filter((event) => event.includes('Evicted'))).toEqual(['Warning Evicted: too much']);
  });

  it('as an eviction is too late for a pod that is being deleted or has ended', async () => {
    const deleted = new WorkerScene(app('fake.stubborn'));
    await deleted.settle();
    deleted.worker.assign(changed(app('fake.stubborn'), { deletionTimestamp: 'x', deletionGracePeriodSeconds: 30 }));
    deleted.worker.evict('too much');
    const ended = new WorkerScene({ ...app(), status: { phase: 'Failed' } });
    ended.worker.evict('too much');
    for (const { worker, events } of [deleted, ended]) {
      expect(worker.memory.terminal?.reason).toBeUndefined();
      expect(events.filter((event) => event.includes('Evicted'))).toEqual([]);
    }
  });

  it('is removed completely by its deletion, reports that last, and is forgotten', async () => {
    const scene = new WorkerScene(app());
    await scene.settle();
    expect(scene.worker.active).toBe(true);
    scene.worker.assign(changed(app(), { deletionTimestamp: 'x', deletionGracePeriodSeconds: 2 }));
    await scene.until(() => scene.gone.length > 0);
    expect([scene.engine.sandboxes.size, scene.engine.containers.size]).toEqual([0, 0]);
    expect(scene.reports.map(({ update }) => update.terminated)).toEqual([
      ...Array.from({ length: scene.reports.length - 1 }, () => false),
      true,
    ]);
    expect(scene.status?.phase).toBe('Succeeded');
    expect(scene.worker.active).toBe(false);
    expect(scene.worker.currentReport().terminated).toBe(true);
    const { length } = scene.remembered;
    scene.worker.inputsChanged();
    scene.worker.assign(undefined);
    await scene.clock.advance(60_000);
    expect(scene.remembered).toHaveLength(length);
    expect(scene.gone).toEqual(['uid-web']);
    expect(scene.timers).toBe(0);
  });

  it('as a deletion with less grace cuts short the stop that is under way', async () => {
    const scene = new WorkerScene(app('fake.stubborn'));
    await scene.settle();
    const deleted = (graceSeconds: number) =>
      changed(app('fake.stubborn'), { deletionTimestamp: 'x', deletionGracePeriodSeconds: graceSeconds });
    scene.worker.assign(deleted(600));
    await scene.clock.advance(5_000);
    expect(scene.running()).toEqual(['app']);
    scene.worker.assign(deleted(6));
    await scene.until(() => scene.gone.length > 0, 10_000);
  });

  it('takes no room for a pod that was refused, or whose end was reported', () => {
    const refused = { ...newMemory(0), terminal: { phase: 'Failed' as const, refused: true } };
    expect(new WorkerScene(app(), refused).worker.active).toBe(false);
    expect(new WorkerScene({ ...app(), status: { phase: 'Succeeded' } }).worker.active).toBe(false);
    expect(new WorkerScene({ ...app(), status: { phase: 'Running' } }).worker.active).toBe(true);
    const ending = { ...newMemory(0), terminal: { phase: 'Failed' as const } };
    expect(new WorkerScene(app(), ending).worker.active).toBe(true);
  });
});
