import { describe, expect, it } from 'vitest';
import { makePod } from '../../test/support/hollow-agent.ts';
import { ModelPod, podOf, start } from '../../test/support/model-pod.ts';
import { containerState, exitedState, sandboxState, viewStart } from '../../test/support/pod-view.ts';
import type { ContainerState } from '../runtime/runtime.ts';
import { hashLabel } from './containers.ts';
import { markReplacing, recordDeletion, recordObserved, resetCrashBackOff } from './memory.ts';
import { newMemory, type PodMemory } from './model.ts';
import { resourcesLabel, resourcesText } from './resources.ts';

describe('the memory', () => {
  it('takes a running container that is gone for one that ended unknown, once', () => {
    const model = new ModelPod(podOf({ inits: [], apps: 1, policy: 'Always' }));
    model.settle();
    model.containers = [];
    model.plan();
    const exits = model.memory.containers.a0?.exits;
    expect(exits).toHaveLength(1);
    expect(exits?.[0]).toMatchObject({ exitCode: 137, reason: 'ContainerStatusUnknown' });
    expect(model.settle()).toBe(true);
    expect(model.running()).toEqual(['a0']);
  });

  it('knows what a container was given as it ran, until it ends', () => {
    const model = new ModelPod(podOf({ inits: [], apps: 1, policy: 'Always' }));
    model.settle();
    const [made] = model.containers;
    const [spec] = model.pod.spec.containers;
    if (!made || !spec) throw new Error('there is no container');
    model.containers = [{ ...made, labels: { ...made.labels, [resourcesLabel]: resourcesText(spec) } }];
    const resized = { ...spec, resources: { requests: { cpu: '200m' } } };
    model.pod = { ...model.pod, spec: { ...model.pod.spec, containers: [resized] } };
    const resources = 'cpu=200m/,memory=/';
    expect(model.plan()).toEqual([
      { action: 'updateContainer', container: 'a0', id: made.id, from: 'cpu=/,memory=/', resources },
    ]);
    const { a0 } = model.memory.containers;
    if (a0) model.memory = { ...model.memory, containers: { a0: { ...a0, resized: { id: made.id, resources } } } };
    expect(model.plan()).toEqual([]);
    const resizePolicy = [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' as const }];
    const back = { ...resized, resources: { requests: { cpu: '100m' } }, resizePolicy };
    model.pod = { ...model.pod, spec: { ...model.pod.spec, containers: [back] } };
    expect(model.plan()).toMatchObject([{ action: 'stopContainer', why: 'Container a0 resize requires restart' }]);
    model.endOf('a0', 143);
    model.plan();
    expect(model.memory.containers.a0?.resized).toBeUndefined();
  });

  it('is the same object when nothing changed', () => {
    const model = new ModelPod(podOf({ inits: [], apps: 2, policy: 'Always' }));
    model.settle();
    const before = model.memory;
    model.plan();
    expect(model.memory).toBe(before);
  });

  it('forgets crashes after ten minutes of running', () => {
    const model = new ModelPod(podOf({ inits: [], apps: 1, policy: 'Always' }));
    const sandbox = model.addSandbox(0);
    for (const attempt of [0, 1, 2, 3]) model.addContainer('a0', sandbox.id, 'exited', attempt, 1);
    model.plan();
    expect(model.memory.containers.a0?.crashes).toBe(4);
    model.addContainer('a0', sandbox.id, 'exited', 4, 1);
    model.containers = model.containers.map((each) =>
      each.attempt === 4 ? { ...each, startedAt: start - 600_001 } : each,
    );
    model.plan();
    expect(model.memory.containers.a0?.crashes).toBe(1);
  });
});

const now = viewStart + 60_000;
const minute = 60_000;

/** What is remembered after each of these looks at the runtime, one after another. */
function seen(...looks: ContainerState[][]): PodMemory {
  return looks.reduce(
    (memory, containers) => recordObserved(memory, { sandboxes: [sandboxState()], containers }, now),
    newMemory(viewStart),
  );
}

describe('of a container that has ended', () => {
  it('the memory has all that the status says of it later, when the runtime has it no more', () => {
    const ended = exitedState('app', 137, {
      signal: 9,
      reason: 'OOMKilled',
      message: 'out of memory',
      labels: { [hashLabel]: 'h' },
    });
    expect(seen([ended], []).containers.app).toEqual({
      nextAttempt: 1,
      crashes: 1,
      exits: [
        {
          id: 'id-app',
          sandboxId: 's',
          attempt: 0,
          hash: 'h',
          image: 'example/app:1',
          imageId: 'sha256:1',
          exitCode: 137,
          signal: 9,
          reason: 'OOMKilled',
          message: 'out of memory',
          startedAt: viewStart + 1_000,
          finishedAt: viewStart + 2_000,
        },
      ],
    });
  });

  it('the reason is Completed or Error by its exit code when the runtime gives none, and an unknown code is a failure', () => {
    const exitOf = (more: Partial<ContainerState>) => seen([exitedState('app', 0, more)]).containers.app?.exits[0];
    expect(exitOf({})).toMatchObject({ exitCode: 0, reason: 'Completed' });
    expect(exitOf({ exitCode: 2 })).toMatchObject({ exitCode: 2, reason: 'Error' });
    const { exitCode: _, ...unknown } = exitedState('app', 0);
    expect(seen([unknown]).containers.app?.exits[0]).toMatchObject({ exitCode: 255, reason: 'Error' });
    expect(exitOf({})).not.toHaveProperty('signal');
    expect(exitOf({})).not.toHaveProperty('message');
  });

  it('the end is now when the engine knows no time of it', () => {
    for (const finishedAt of [0, -62_135_596_800_000]) {
      expect(seen([exitedState('app', 137, { finishedAt })]).containers.app?.exits[0]?.finishedAt).toBe(now);
    }
    const { finishedAt: _, ...untimed } = exitedState('app', 137);
    expect(seen([untimed]).containers.app?.exits[0]?.finishedAt).toBe(now);
  });

  it('the exit is recorded once, however often it is seen, and the two newest are kept', () => {
    const ends = [0, 1, 2].map((attempt) => exitedState('app', attempt, { id: `c${attempt}`, attempt }));
    const [first, second] = ends;
    if (!first || !second) throw new Error('there are three');
    const memory = seen([first], [first], [first, second], [second], ends);
    expect(memory.containers.app).toMatchObject({ nextAttempt: 3, crashes: 3 });
    expect(memory.containers.app?.exits.map(({ attempt }) => attempt)).toEqual([2, 1]);
  });

  it('the exits have their order from the attempts, in whatever order the runtime lists them', () => {
    const ends = [2, 0, 1].map((attempt) => exitedState('app', 1, { id: `c${attempt}`, attempt }));
    const { exits, crashes } = seen(ends).containers.app ?? { exits: [] };
    expect(exits.map(({ attempt }) => attempt)).toEqual([2, 1]);
    expect(crashes).toBe(3);
  });

  it('an older one that is found beside the one that runs does not end that one', () => {
    const running = containerState('app', { id: 'new', attempt: 1 });
    const memory = seen([running], [running, exitedState('app', 1, { id: 'old', attempt: 0 })]);
    expect(memory.containers.app).toMatchObject({ live: { id: 'new' }, exits: [{ id: 'old' }], nextAttempt: 2 });
  });

  it('an older one that is found instead of the one that ran does not hide that this is gone', () => {
    const young = containerState('app', { id: 'young', attempt: 1 });
    const exits = (old: ContainerState) => seen([young], [old]).containers.app?.exits.map(({ id }) => id);
    expect(exits(exitedState('app', 1, { id: 'old' }))).toEqual(['young', 'old']);
    expect(exits(containerState('app', { id: 'old' }))).toEqual(['young']);
  });

  it('crashes are counted in a row for one definition: another one starts anew', () => {
    const ended = (attempt: number, hash: string) =>
      exitedState('app', 1, { id: `c${attempt}`, attempt, labels: { [hashLabel]: hash } });
    expect(seen([ended(0, 'a')], [ended(1, 'a')]).containers.app?.crashes).toBe(2);
    expect(seen([ended(0, 'a')], [ended(1, 'a')], [ended(2, 'b')]).containers.app?.crashes).toBe(1);
  });

  it('ten minutes of running clear the crashes, and a millisecond less does not', () => {
    const ran = (ms: number) => {
      const last = { id: 'c1', attempt: 1, startedAt: viewStart, finishedAt: viewStart + ms };
      const containers = [exitedState('app', 1, { id: 'c0' }), exitedState('app', 1, last)];
      const observed = { sandboxes: [], containers };
      return recordObserved(newMemory(viewStart), observed, viewStart + 20 * minute).containers.app?.crashes;
    };
    expect(ran(10 * minute)).toBe(1);
    expect(ran(10 * minute - 1)).toBe(2);
  });

  it('a start that never came is no run', () => {
    const { startedAt: _, ...never } = exitedState('app', 128, { id: 'c1', attempt: 1 });
    expect(seen([exitedState('app', 1)], [never]).containers.app?.crashes).toBe(2);
  });
});

describe('of a container that vanished', () => {
  const running = containerState('app', { labels: { [hashLabel]: 'h' } });

  it('the memory says that it ended with 137 for an unknown reason, as the kubelet does', () => {
    expect(seen([running], []).containers.app?.exits).toEqual([
      {
        id: 'id-app',
        sandboxId: 's',
        attempt: 0,
        hash: 'h',
        image: 'example/app:1',
        imageId: 'sha256:1',
        exitCode: 137,
        reason: 'ContainerStatusUnknown',
        message: 'The container could not be located when the pod was terminated',
        startedAt: viewStart + 1_000,
        finishedAt: now,
      },
    ]);
  });

  it('the others of the pod are untouched', () => {
    const other = containerState('other');
    const memory = seen([running, other], [other]);
    expect(memory.containers.app?.live).toBeUndefined();
    expect(memory.containers.other).toMatchObject({ live: { id: 'id-other' }, exits: [] });
  });

  it('one that never ran has no exit, and its number is not given again', () => {
    const memory = seen([containerState('app', { state: 'created' })], []);
    expect(memory.containers.app).toEqual({ nextAttempt: 1, crashes: 0, exits: [] });
  });

  it('an older one that still runs does not take the place of the newest', () => {
    const [old, young] = [containerState('app', { id: 'old' }), containerState('app', { id: 'young', attempt: 1 })];
    expect(seen([young], [old, young]).containers.app?.live?.id).toBe('young');
    expect(seen([old], [old, young]).containers.app?.live?.id).toBe('young');
  });

  it('one whose start the engine does not time has started when it was first seen', () => {
    const { startedAt: _, ...untimed } = running;
    expect(seen([untimed]).containers.app?.live?.startedAt).toBe(now);
  });
});

describe('of sandboxes', () => {
  const lookAt = (...sandboxes: Array<ReturnType<typeof sandboxState>>) =>
    recordObserved({ ...newMemory(viewStart), nextSandbox: 1 }, { sandboxes, containers: [] }, now);

  it('the next has a number that none has had, and numbers are not given again when sandboxes are gone', () => {
    expect(lookAt(sandboxState({ attempt: 4 }), sandboxState({ attempt: 2 })).nextSandbox).toBe(5);
    expect(lookAt().nextSandbox).toBe(1);
  });

  it('the address is that of the one that runs, and is kept when none does', () => {
    const dead = sandboxState({ id: 'dead', running: false, address: '10.64.3.9' });
    expect(lookAt(dead, sandboxState()).address).toBe('10.64.3.2');
    const known = lookAt(sandboxState());
    expect(recordObserved(known, { sandboxes: [dead], containers: [] }, now).address).toBe('10.64.3.2');
    const moved = sandboxState({ address: '10.64.3.7' });
    expect(recordObserved(known, { sandboxes: [moved], containers: [] }, now).address).toBe('10.64.3.7');
  });
});

it('the number of the next sandbox is news by itself', () => {
  const memory = { ...newMemory(viewStart), nextSandbox: 1, address: '10.64.3.2' };
  const sandboxes = [sandboxState({ attempt: 1 })];
  expect(recordObserved(memory, { sandboxes, containers: [] }, now).nextSandbox).toBe(2);
});

describe('a newer object of the pod', () => {
  const memory = newMemory(viewStart);
  const deleted = (graceSeconds?: number) =>
    makePod(
      'web',
      { terminationGracePeriodSeconds: 45 },
      {
        deletionTimestamp: 'x',
        ...(graceSeconds === undefined ? {} : { deletionGracePeriodSeconds: graceSeconds }),
      },
    );

  it('is no deletion for a pod that is not being deleted', () => {
    expect(recordDeletion(memory, makePod('web'), now)).toBe(memory);
  });

  it('has the grace of the deletion, or else of the pod', () => {
    expect(recordDeletion(memory, deleted(7), now).deletion).toEqual({ since: now, graceSeconds: 7 });
    expect(recordDeletion(memory, deleted(), now).deletion).toEqual({ since: now, graceSeconds: 45 });
  });

  it('has a later grace of the deletion that is shorter, from the same moment', () => {
    const going = { ...recordDeletion(memory, deleted(30), now), address: '10.64.3.2' };
    expect(recordDeletion(going, deleted(3), now + 1_000)).toEqual({
      ...going,
      deletion: { since: now, graceSeconds: 3 },
    });
  });

  it('is the same object when a deletion is seen again', () => {
    const going = recordDeletion(memory, deleted(7), now);
    expect(recordDeletion(going, deleted(7), now + 1_000)).toBe(going);
    expect(recordDeletion(going, deleted(8), now + 1_000)).toBe(going);
  });

  it('leaves a pod that was removed from the cluster one second, and no more than it had', () => {
    expect(recordDeletion(memory, undefined, now).deletion).toEqual({ since: now, graceSeconds: 1 });
    const going = recordDeletion(memory, deleted(30), now);
    const endsAt = (at: number) => {
      const { since, graceSeconds } = recordDeletion(going, undefined, at).deletion ?? { since: 0, graceSeconds: 0 };
      return since + graceSeconds * 1000 - now;
    };
    expect(endsAt(now + 10_000)).toBe(11_000);
    expect(endsAt(now + 29_500)).toBe(30_000);
    expect(endsAt(now + 40_000)).toBe(30_000);
  });

  it('never ends a deletion before it began, though the clock was set back', () => {
    const going = recordDeletion(memory, deleted(30), now);
    expect(recordDeletion(going, undefined, now - 3_600_000).deletion).toEqual({ since: now, graceSeconds: 0 });
  });
});

describe('crashes', () => {
  it('are forgotten of every container, and nothing else is', () => {
    const memory = seen([exitedState('app', 1), exitedState('other', 1)]);
    const { app, other } = resetCrashBackOff(memory).containers;
    expect(app).toEqual({ ...memory.containers.app, crashes: 0 });
    expect(other).toEqual({ ...memory.containers.other, crashes: 0 });
  });

  it('are forgotten when only one of two has crashed; where none has, the memory is the same object', () => {
    const one = seen([containerState('app'), exitedState('other', 1)]);
    expect(resetCrashBackOff(one).containers.other?.crashes).toBe(0);
    const none = seen([containerState('app')]);
    expect(resetCrashBackOff(none)).toBe(none);
  });
});

describe('a container that makes way for one of another definition', () => {
  it('ends as a replaced one, whether its exit was seen or it vanished', () => {
    const running = containerState('app');
    const marked = markReplacing(seen([running]), 'app', 'id-app');
    const look = (containers: ContainerState[]) =>
      recordObserved(marked, { sandboxes: [sandboxState()], containers }, now);
    expect(look([exitedState('app', 143)]).containers.app?.exits[0]?.replaced).toBe(true);
    expect(look([]).containers.app?.exits[0]?.replaced).toBe(true);
  });

  it('is marked once; one that is not known, or that has ended before, is not taken for it', () => {
    const memory = seen([containerState('app')]);
    const marked = markReplacing(memory, 'app', 'id-app');
    expect(markReplacing(marked, 'app', 'id-app')).toBe(marked);
    expect(markReplacing(memory, 'unknown', 'id')).toBe(memory);
    const other = markReplacing(memory, 'app', 'another');
    expect(
      recordObserved(other, { sandboxes: [], containers: [] }, now).containers.app?.exits[0]?.replaced,
    ).toBeUndefined();
  });
});

describe('after the clock was set back', () => {
  const hour = 3_600_000;
  const earlier = now - hour;
  const empty = { sandboxes: [], containers: [] };

  it('what lies ahead counts as now, so that graces and back-offs are no longer than they were', () => {
    const ended = seen([exitedState('app', 1, { finishedAt: now }), containerState('other')]);
    const terminal = { phase: 'Failed' as const, since: now, graceSeconds: 5 };
    const before: PodMemory = { ...ended, terminal, deletion: { since: now, graceSeconds: 30 } };
    const memory = recordObserved(
      before,
      { sandboxes: [sandboxState()], containers: [containerState('other')] },
      earlier,
    );
    expect(memory.containers.app?.exits[0]?.countedFrom).toBe(earlier);
    // What was reported of the end stays as it was.
    expect(memory.containers.app?.exits[0]?.finishedAt).toBe(now);
    expect(memory.deletion).toEqual({ since: earlier, graceSeconds: 30 });
    expect(memory.terminal).toEqual({ ...terminal, since: earlier });
    expect(memory.containers.other).toEqual(ended.containers.other);
    expect(memory.startTime).toBe(viewStart);
  });

  it.each([
    ['a deletion', { deletion: { since: now, graceSeconds: 30 } }, { deletion: { since: earlier, graceSeconds: 30 } }],
    ['an end', { terminal: { phase: 'Failed', since: now } }, { terminal: { phase: 'Failed', since: earlier } }],
  ] as const)('%s alone is enough', (_, before, after) => {
    expect(recordObserved({ ...newMemory(viewStart), ...before }, empty, earlier)).toMatchObject(after);
    const same = { ...newMemory(viewStart), ...before };
    expect(recordObserved(same, empty, now)).toBe(same);
  });

  it('an end without a time stays without one', () => {
    const before: PodMemory = {
      ...newMemory(viewStart),
      terminal: { phase: 'Succeeded' },
      deletion: { since: now, graceSeconds: 30 },
    };
    expect(recordObserved(before, empty, earlier).terminal).toEqual({ phase: 'Succeeded' });
  });

  it('the end of a single container is enough', () => {
    const ended = seen([exitedState('app', 1), exitedState('other', 1, { finishedAt: now })]);
    const { app, other } = recordObserved(ended, empty, now - 1_000).containers;
    expect(other?.exits[0]).toMatchObject({ countedFrom: now - 1_000, finishedAt: now });
    expect(app).toEqual(ended.containers.app);
  });

  it('an end that the engine dates ahead is now', () => {
    expect(seen([exitedState('app', 1, { finishedAt: now + hour })]).containers.app?.exits[0]?.finishedAt).toBe(now);
  });
});
