import { describe, expect, it } from 'vitest';
import type { ContainerStatus, Pod, PodStatus } from '../../shared/generated/types.ts';
import { recordObserved } from './memory.ts';
import { memoryFromStatus } from './memory-from-status.ts';

const now = Date.UTC(2026, 0, 2);
const at = (second: number) => `2026-01-01T00:00:0${second}Z`;
const ms = (second: number) => Date.UTC(2026, 0, 1, 0, 0, second);

function container(name: string, status: Partial<ContainerStatus>): ContainerStatus {
  return { name, ready: false, restartCount: 0, image: 'i:1', imageID: 'fake://sha', ...status } as ContainerStatus;
}

function memory(status: Partial<PodStatus> | undefined) {
  return memoryFromStatus({ status } as Pod, now);
}

const ended = (id: string, from: number) => ({
  terminated: {
    exitCode: 3,
    reason: 'Error',
    startedAt: at(from),
    finishedAt: at(from + 1),
    containerID: `fake://${id}`,
  },
});

describe('what is remembered of a pod that this agent has no record of', () => {
  it('is nothing when no status was reported: it starts now', () => {
    expect(memory(undefined)).toEqual({ startTime: now, nextSandbox: 0, containers: {} });
    expect(memory({ containerStatuses: [container('new', { state: { waiting: {} } })] }).containers).toEqual({});
  });

  it('is the start that was reported', () => {
    expect(memory({ startTime: at(5) }).startTime).toBe(ms(5));
  });

  it('is the running container, with its restarts and its last exit; when it is gone, it has ended in an unknown way', () => {
    const running = container('main', {
      restartCount: 2,
      containerID: 'fake://c2',
      state: { running: { startedAt: at(4) } },
      lastState: ended('c1', 1),
    });
    const before = memory({ containerStatuses: [running] });
    expect(before.containers.main).toMatchObject({
      nextAttempt: 3,
      live: { id: 'c2', attempt: 2, startedAt: ms(4), image: 'i:1', imageId: 'fake://sha' },
      exits: [{ id: 'c1', attempt: 1, exitCode: 3, startedAt: ms(1), finishedAt: ms(2) }],
    });
    const [lost, first] = recordObserved(before, { sandboxes: [], containers: [] }, now).containers.main?.exits ?? [];
    expect([lost?.reason, lost?.attempt, first?.id]).toEqual(['ContainerStatusUnknown', 2, 'c1']);
  });

  it('is the exit of one that ended, and the one before it', () => {
    const both = container('main', { restartCount: 1, state: ended('c1', 4), lastState: ended('c0', 1) });
    const { nextAttempt, live, exits } = memory({ containerStatuses: [both] }).containers.main ?? {};
    expect([nextAttempt, live, exits?.map(({ id, attempt }) => [id, attempt])]).toEqual([
      2,
      undefined,
      [
        ['c1', 1],
        ['c0', 0],
      ],
    ]);
  });

  it('is the exit of one that waits to be restarted', () => {
    const waiting = container('main', { restartCount: 4, state: { waiting: {} }, lastState: ended('c4', 1) });
    const { nextAttempt, exits } = memory({ containerStatuses: [waiting] }).containers.main ?? {};
    expect([nextAttempt, exits?.map(({ attempt }) => attempt)]).toEqual([5, [4]]);
  });

  it('is of init and ephemeral containers, too', () => {
    const status = {
      initContainerStatuses: [container('init', { state: ended('i0', 1) })],
      ephemeralContainerStatuses: [container('debug', { state: ended('d0', 1) })],
    };
    expect(Object.keys(memory(status).containers)).toEqual(['init', 'debug']);
  });

  it('learns from the runtime which sandbox a container was in: an init container that is done does not run again', () => {
    const states = [{ state: ended('i0', 1) }, { containerID: 'fake://i1', state: { running: { startedAt: at(2) } } }];
    const initContainerStatuses = states.map((state, i) => container(`init${i}`, state));
    const there = { sandboxId: 's', labels: { 'coracle.io/container-hash': 'h' }, image: 'i:1', imageId: 'fake://sha' };
    const containers = (['exited', 'running'] as const).map((state, i) => {
      return { ...there, id: `i${i}`, name: `init${i}`, attempt: 0, state, exitCode: 0 } as never;
    });
    const { init0, init1 } = recordObserved(
      memory({ initContainerStatuses }),
      { sandboxes: [], containers },
      now,
    ).containers;
    expect(init0?.exits).toMatchObject([{ id: 'i0', sandboxId: 's', hash: 'h', finishedAt: ms(2) }]);
    expect(init1?.live).toMatchObject({ id: 'i1', sandboxId: 's', hash: 'h' });
  });

  it('takes no absent time for the year 1970', () => {
    const bare = container('main', { state: { terminated: { exitCode: 0 } as never } });
    const running = container('other', { containerID: 'fake://o', state: { running: {} } });
    const { main, other } = memory({ containerStatuses: [bare, running] }).containers;
    expect([main?.exits[0]?.finishedAt, main?.exits[0]?.startedAt, main?.exits[0]?.reason]).toEqual([
      now,
      undefined,
      'Completed',
    ]);
    expect(other?.live?.startedAt).toBe(now);
  });
});
