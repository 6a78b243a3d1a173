import { describe, expect, it } from 'vitest';
import type { PodSpec } from '../../shared/generated/types.ts';
import { container } from '../../test/support/hollow-agent.ts';
import {
  containerState,
  exitedState,
  type GivenView,
  sandboxState,
  viewOf,
  viewStart,
} from '../../test/support/pod-view.ts';
import type { ContainerProgress, PodMemory } from './model.ts';
import { planPod } from './plan.ts';
import type { Step } from './steps.ts';

const now = viewStart + 100_000;
const since = now - 10_000;
const preStop = { preStop: { sleep: { seconds: 1 } } };
const sidecar = (name: string, more: object = {}) => container(name, { restartPolicy: 'Always', ...more });

const planOf = (given: GivenView): Step[] => planPod(viewOf(given), now);
const deleted = (graceSeconds = 30): Partial<PodMemory> => ({ deletion: { since, graceSeconds } });
const ended = (more: Partial<NonNullable<PodMemory['terminal']>> = {}): Partial<PodMemory> => ({
  terminal: { phase: 'Failed', ...more },
});
const stopOf = (name: string, deadline: number): Step => ({
  action: 'stopContainer',
  container: name,
  id: `id-${name}`,
  deadline,
  why: `Stopping container ${name}`,
});

describe('a deleted pod', () => {
  it('has its containers stopped by the end of its grace period, which started when the agent received the deletion', () => {
    const spec = { containers: [container('app'), container('other')], ephemeralContainers: [container('debug')] };
    const containers = ['app', 'other', 'debug'].map((name) => containerState(name));
    expect(planOf({ spec, containers, memory: deleted() })).toEqual(
      ['app', 'other', 'debug'].map((name) => stopOf(name, since + 30_000)),
    );
  });

  it('that had ended before has no longer grace than it had then', () => {
    const deadline = (memory: Partial<PodMemory>, spec: Partial<PodSpec> = {}) =>
      planOf({ spec, memory, containers: [containerState('app')] }).map((step) => 'deadline' in step && step.deadline);
    expect(deadline({ ...deleted(), ...ended({ since, graceSeconds: 1 }) })).toEqual([since + 1_000]);
    expect(deadline({ ...deleted(), ...ended({ since }) }, { terminationGracePeriodSeconds: 7 })).toEqual([
      since + 7_000,
    ]);
    expect(deadline({ ...deleted(3), ...ended({ since }) })).toEqual([since + 3_000]);
    expect(deadline({ ...deleted(), ...ended() })).toEqual([since + 30_000]);
  });

  it('loses its sandboxes when nothing runs, then containers that have none, then the last of it', () => {
    const containers = [
      exitedState('app', 0),
      exitedState('lost', 0, { sandboxId: 'gone' }),
      containerState('unstarted', { state: 'created', sandboxId: 'gone' }),
    ];
    const sandboxes = [sandboxState(), sandboxState({ id: 't', running: false })];
    const orphans: Step[] = ['lost', 'unstarted'].map((name) => ({
      action: 'removeContainer',
      container: name,
      id: `id-${name}`,
    }));
    expect(planOf({ containers, sandboxes, memory: deleted() })).toEqual([
      { action: 'removeSandbox', id: 's' },
      { action: 'removeSandbox', id: 't' },
      ...orphans,
    ]);
    expect(planOf({ sandboxes: [], containers: containers.slice(1), memory: deleted() })).toEqual(orphans);
    expect(planOf({ sandboxes: [], memory: deleted() })).toEqual([{ action: 'cleanup' }]);
  });

  it('is cleaned up though it had ended before, and its volumes were given back', () => {
    const memory = { ...deleted(), ...ended() };
    expect(planOf({ sandboxes: [], memory, progress: { volumesReleased: true } })).toEqual([{ action: 'cleanup' }]);
  });
});

describe('a pod that has ended', () => {
  it('has what runs stopped by its own grace from its end, or by that which the end gave it', () => {
    const deadline = (memory: Partial<PodMemory>) =>
      planOf({ spec: { terminationGracePeriodSeconds: 9 }, memory, containers: [containerState('app')] });
    expect(deadline(ended({ since }))).toEqual([stopOf('app', since + 9_000)]);
    expect(deadline(ended({ since, graceSeconds: 1 }))).toEqual([stopOf('app', since + 1_000)]);
    expect(deadline(ended())).toEqual([stopOf('app', now + 9_000)]);
  });

  it('gives its volumes back once, and keeps its sandbox and its containers for their logs', () => {
    const given = { containers: [exitedState('app', 0)], memory: ended() };
    expect(planOf(given)).toEqual([{ action: 'releaseVolumes' }]);
    expect(planOf({ ...given, progress: { volumesReleased: true } })).toEqual([]);
  });
});

describe('sidecars of a terminating pod', () => {
  const spec = {
    initContainers: [
      sidecar('first', { lifecycle: preStop }),
      sidecar('second'),
      sidecar('third', { lifecycle: preStop }),
    ],
  };
  const deadline = since + 30_000;
  const hook = (name: string): Step => ({ action: 'preStop', container: name, id: `id-${name}`, deadline });
  const wait: Step = { action: 'wait', until: deadline };
  const running = (...names: string[]) => names.map((name) => containerState(name));
  const done = (attempt: number, preStopped: boolean): ReadonlyMap<string, ContainerProgress> =>
    new Map(['first', 'third'].map((name) => [name, { attempt, preStopped }]));

  it('run their hooks while the others end, and are not stopped', () => {
    const containers = running('first', 'second', 'third', 'app');
    expect(planOf({ spec, containers, memory: deleted() })).toEqual([
      ...[hook('first'), wait, wait, hook('third'), wait],
      stopOf('app', deadline),
    ]);
  });

  it('run each hook once, and again only in another container of the name', () => {
    const containers = running('first', 'app');
    const steps = (attempt: number, preStopped: boolean) =>
      planOf({ spec, containers, memory: deleted(), progress: { containers: done(attempt, preStopped) } });
    expect(steps(0, true)).toEqual([wait, stopOf('app', deadline)]);
    expect(steps(0, false)).toEqual([hook('first'), wait, stopOf('app', deadline)]);
    expect(steps(1, true)).toEqual([hook('first'), wait, stopOf('app', deadline)]);
  });

  it('are stopped one by one, the last of the spec first, whatever the order of the list', () => {
    const progress = { containers: done(0, true) };
    const stops = (...names: string[]) => planOf({ spec, containers: running(...names), memory: deleted(), progress });
    expect(stops('second', 'third', 'first')).toEqual([wait, stopOf('third', deadline), wait]);
    expect(stops('second', 'first')).toEqual([stopOf('second', deadline), wait]);
    expect(stops('first')).toEqual([stopOf('first', deadline)]);
  });

  it('wait for init containers and for containers that the spec has no more', () => {
    const inits = { initContainers: [...spec.initContainers, container('init')] };
    for (const name of ['init', 'unknown']) {
      const steps = planOf({ spec: inits, containers: running('second', name), memory: deleted() });
      expect(steps).toEqual([wait, stopOf(name, deadline)]);
    }
  });

  it('wait no longer than the grace: then all are stopped at once', () => {
    const at = (graceSeconds: number) =>
      planOf({ spec, containers: running('second', 'app'), memory: deleted(graceSeconds) });
    expect(at(10)).toEqual([stopOf('second', now), stopOf('app', now)]);
    expect(at(11)).toEqual([{ action: 'wait', until: now + 1_000 }, stopOf('app', now + 1_000)]);
  });
});
