import { describe, expect, it } from 'vitest';
import type { PodStatus } from '../../shared/generated/types.ts';
import { container } from '../../test/support/hollow-agent.ts';
import {
  containerExit,
  containerState,
  exitedState,
  type GivenView,
  sandboxState,
  viewOf,
  viewStart,
} from '../../test/support/pod-view.ts';
import { podStatus } from './status.ts';

const context = { hostIP: '192.0.2.1', runtimeName: 'docker' };

function statusOf(given: GivenView & { readonly previous?: PodStatus }): PodStatus {
  return podStatus(viewOf(given), given.previous, context, viewStart + 5_000);
}

const phaseOf = (given: GivenView & { readonly previous?: PodStatus }) => statusOf(given).phase;
const two = { containers: [container('app'), container('other')] };
const deletion = { since: viewStart, graceSeconds: 30 };

describe('the phase of a pod that goes on', () => {
  /** Kubernetes, "Pod phase": Pending until all containers have been made; then Running, be they restarting. */
  it('is Pending until every app container has run', () => {
    expect(phaseOf({ spec: two, sandboxes: [] })).toBe('Pending');
    expect(phaseOf({ spec: two })).toBe('Pending');
    expect(phaseOf({ spec: two, containers: [containerState('app')] })).toBe('Pending');
    expect(phaseOf({ spec: two, containers: [containerState('other')] })).toBe('Pending');
    const unstarted = containerState('other', { state: 'created' });
    expect(phaseOf({ spec: two, containers: [containerState('app'), unstarted] })).toBe('Pending');
    expect(phaseOf({ spec: two, containers: [containerState('app'), containerState('other')] })).toBe('Running');
  });

  it('is Running while containers restart, even when all of them do', () => {
    const ends = [exitedState('app', 1, { attempt: 3 }), exitedState('other', 0)];
    expect(phaseOf({ spec: two, containers: ends })).toBe('Running');
    expect(phaseOf({ spec: two, containers: [exitedState('app', 1), containerState('other')] })).toBe('Running');
    const exits = [containerExit('app', 1)];
    const memory = { containers: { app: { nextAttempt: 1, crashes: 4, exits } } };
    expect(phaseOf({ memory })).toBe('Running');
  });

  it('is Running while some have ended and are not started again', () => {
    const spec = { ...two, restartPolicy: 'Never' as const };
    expect(phaseOf({ spec, containers: [exitedState('app', 1), containerState('other')] })).toBe('Running');
  });

  it('is Pending again while a new sandbox is initialised', () => {
    const spec = { initContainers: [container('one')] };
    const containers = [exitedState('one', 0, { sandboxId: 'old' }), exitedState('app', 1, { sandboxId: 'old' })];
    expect(phaseOf({ spec, containers })).toBe('Pending');
    expect(phaseOf({ spec, containers, sandboxes: [] })).toBe('Running');
    expect(phaseOf({ spec, containers: [...containers, exitedState('one', 0, { id: 'again', attempt: 1 })] })).toBe(
      'Running',
    );
  });
});

describe('the phase of a pod that is deleted', () => {
  it('is Running as long as anything of it runs', () => {
    const containers = [exitedState('app', 0), containerState('other')];
    expect(phaseOf({ spec: two, memory: { deletion }, containers })).toBe('Running');
  });

  it.each([
    [0, 0, 'Succeeded'],
    [0, 143, 'Failed'],
    [143, 0, 'Failed'],
    [137, 143, 'Failed'],
  ])('follows from the codes %i and %i of its containers: %s', (app, other, phase) => {
    const containers = [exitedState('app', app), exitedState('other', other)];
    const memory = (given: GivenView) => ({ ...viewOf(given).memory, deletion });
    expect(phaseOf({ spec: two, containers, memory: memory({ containers }) })).toBe(phase);
  });

  it('is no end as long as one of its containers has never run', () => {
    const containers = [exitedState('app', 0)];
    const { memory } = viewOf({ spec: two, containers });
    expect(phaseOf({ spec: two, containers, memory: { ...memory, deletion } })).toBe('Pending');
  });

  it('is Pending when it never ran', () => {
    expect(phaseOf({ spec: two, memory: { deletion } })).toBe('Pending');
  });
});

describe('the phase of a pod that has ended', () => {
  it.each(['Succeeded', 'Failed'])(
    'is final: a pod that was reported as %s stays so, whatever is seen of it',
    (phase) => {
      for (const given of [{}, { containers: [containerState('app')] }, { memory: { deletion } }, { sandboxes: [] }]) {
        expect(phaseOf({ ...given, previous: { phase } })).toBe(phase);
      }
      const terminal = { phase: phase === 'Failed' ? ('Succeeded' as const) : ('Failed' as const) };
      expect(phaseOf({ memory: { terminal }, previous: { phase } })).toBe(phase);
    },
  );

  it('is not reported before the last of two containers has stopped', () => {
    const terminal = { phase: 'Failed' as const };
    const running = [exitedState('app', 0), containerState('other')];
    expect(phaseOf({ spec: two, memory: { terminal }, containers: running })).toBe('Running');
    const ends = [exitedState('app', 0), exitedState('other', 0)];
    expect(phaseOf({ spec: two, memory: { terminal }, containers: ends })).toBe('Failed');
  });
});

describe('the address of a pod', () => {
  const previous = { podIP: '10.64.3.9' };
  const addresses = ({ podIP, podIPs }: PodStatus) => [podIP, podIPs];
  const none = [undefined, undefined];

  it('is that of its sandbox, and none while it has none', () => {
    expect(addresses(statusOf({ previous }))).toEqual(['10.64.3.2', [{ ip: '10.64.3.2' }]]);
    expect(addresses(statusOf({ sandboxes: [], previous }))).toEqual(none);
    expect(addresses(statusOf({ sandboxes: [sandboxState({ running: false })], previous }))).toEqual(none);
    expect(addresses(statusOf({ spec: { hostNetwork: true }, sandboxes: [], previous }))).toEqual(none);
  });

  it.each(['Succeeded', 'Failed'] as const)('is kept when it has %s', (phase) => {
    const kept = statusOf({ sandboxes: [], memory: { terminal: { phase } }, previous });
    expect(addresses(kept)).toEqual(['10.64.3.9', [{ ip: '10.64.3.9' }]]);
    expect(addresses(statusOf({ sandboxes: [], memory: { terminal: { phase } } }))).toEqual(none);
  });
});

describe('the lists of containers', () => {
  const spec = { initContainers: [container('one')], ephemeralContainers: [container('debug')] };

  it('have each container of the spec in its list, and no list that is empty but that of app containers', () => {
    const names = (status: PodStatus) =>
      [status.initContainerStatuses, status.containerStatuses, status.ephemeralContainerStatuses].map((list) =>
        list?.map(({ name }) => name),
      );
    expect(names(statusOf({ spec }))).toEqual([['one'], ['app'], ['debug']]);
    expect(names(statusOf({}))).toEqual([undefined, ['app'], undefined]);
  });

  it('are left out of a pod that was refused: nothing of it was ever made', () => {
    const terminal = { phase: 'Failed' as const, reason: 'OutOfcpu', message: 'no room', refused: true };
    const status = statusOf({ spec, sandboxes: [], memory: { terminal } });
    expect(status).toMatchObject({ phase: 'Failed', reason: 'OutOfcpu', message: 'no room' });
    expect(status).not.toHaveProperty('initContainerStatuses');
    expect(status).not.toHaveProperty('containerStatuses');
  });
});
