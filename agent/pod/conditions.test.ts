import { describe, expect, it } from 'vitest';
import type { ContainerStatus, PodCondition, PodStatus } from '../../shared/generated/types.ts';
import { container } from '../../test/support/hollow-agent.ts';
import { containerState, exitedState, type GivenView, viewOf } from '../../test/support/pod-view.ts';
import { type ConditionFacts, podConditions } from './conditions.ts';
import { resourcesLabel } from './resources.ts';

const now = Date.UTC(2026, 0, 1, 13);
const before = '2026-01-01T11:00:00Z';

const statusOf = (name: string, ready: boolean, started = true): ContainerStatus => ({
  name,
  ready,
  started,
  restartCount: 0,
  image: '',
  imageID: '',
});

function conditionsOf(given: GivenView, facts: Partial<ConditionFacts> = {}): PodCondition[] {
  const view = viewOf(given);
  return podConditions({
    view,
    phase: 'Running',
    inits: [],
    apps: [statusOf('app', true)],
    hasSandbox: true,
    previous: undefined,
    now,
    ...facts,
  });
}

function verdict(type: string, conditions: PodCondition[]): Partial<PodCondition> | undefined {
  const found = conditions.find((each) => each.type === type);
  if (!found) return undefined;
  const { type: _, lastTransitionTime: __, ...rest } = found;
  return rest;
}

const initialized = (given: GivenView, facts: Partial<ConditionFacts>) =>
  verdict('Initialized', conditionsOf(given, facts));
const ready = (given: GivenView, facts: Partial<ConditionFacts> = {}) => verdict('Ready', conditionsOf(given, facts));

describe('Initialized', () => {
  const spec = {
    initContainers: [container('one'), container('proxy', { restartPolicy: 'Always' }), container('two')],
  };
  const pending = (one: boolean, started: boolean, two: boolean) =>
    initialized(
      { spec },
      {
        phase: 'Pending',
        inits: [statusOf('one', one, false), statusOf('proxy', false, started), statusOf('two', two, false)],
      },
    );

  it('is true when the regular ones have ended well and the sidecars have started, ready or not', () => {
    expect(pending(true, true, true)).toEqual({ status: 'True' });
    expect(initialized({}, { phase: 'Pending' })).toEqual({ status: 'True' });
  });

  it('names those that have not', () => {
    const waiting = (names: string) => ({
      status: 'False',
      reason: 'ContainersNotInitialized',
      message: `containers with incomplete status: [${names}]`,
    });
    expect(pending(false, true, true)).toEqual(waiting('one'));
    expect(pending(true, false, false)).toEqual(waiting('proxy two'));
    expect(pending(false, false, false)).toEqual(waiting('one proxy two'));
  });

  it('stays true of a pod that runs, though its sandbox is made anew', () => {
    expect(initialized({ spec }, { inits: [statusOf('one', false)] })).toEqual({ status: 'True' });
  });

  it('is true of a succeeded pod, with the reason PodCompleted', () => {
    expect(initialized({ spec }, { phase: 'Succeeded' })).toEqual({ status: 'True', reason: 'PodCompleted' });
  });

  it('is false of a pod that failed before', () => {
    expect(initialized({ spec }, { phase: 'Failed', inits: [statusOf('one', false)] })?.status).toBe('False');
  });
});

describe('Ready and ContainersReady', () => {
  const spec = { initContainers: [container('one'), container('proxy', { restartPolicy: 'Always' })] };
  const unready = (names: string) => ({
    status: 'False',
    reason: 'ContainersNotReady',
    message: `containers with unready status: [${names}]`,
  });

  it('ask all app containers and sidecars, and no regular init container', () => {
    const inits = [statusOf('one', false), statusOf('proxy', true)];
    expect(ready({ spec }, { inits })).toEqual({ status: 'True' });
    expect(ready({ spec }, { inits: [statusOf('one', true), statusOf('proxy', false)] })).toEqual(unready('proxy'));
    const apps = [statusOf('app', true), statusOf('other', false), statusOf('third', false)];
    expect(ready({ spec }, { inits, apps })).toEqual(unready('other third'));
    expect(verdict('ContainersReady', conditionsOf({ spec }, { inits, apps }))).toEqual(unready('other third'));
  });

  it.each([
    ['Succeeded', 'PodCompleted'],
    ['Failed', 'PodFailed'],
  ])('are false of a pod that has %s, for the reason %s, whatever its containers were', (phase, reason) => {
    for (const type of ['Ready', 'ContainersReady']) {
      expect(verdict(type, conditionsOf({}, { phase }))).toEqual({ status: 'False', reason });
    }
  });

  it('differ by the readiness gates, each of which says what it lacks', () => {
    const gated = {
      readinessGates: [{ conditionType: 'a' }, { conditionType: 'b' }, { conditionType: 'c' }, { conditionType: 'd' }],
    };
    const status: PodStatus = {
      conditions: [
        { type: 'a', status: 'True' },
        { type: 'b', status: 'False' },
        { type: 'd', status: 'Unknown' },
      ],
    };
    expect(ready({ spec: gated, status })).toEqual({
      status: 'False',
      reason: 'ReadinessGatesNotReady',
      message: [
        'the status of pod readiness gate "b" is not "True", but False',
        'corresponding condition of pod readiness gate "c" does not exist.',
        'the status of pod readiness gate "d" is not "True", but Unknown',
      ].join(', '),
    });
    expect(verdict('ContainersReady', conditionsOf({ spec: gated, status }))).toEqual({ status: 'True' });
    const open = { conditions: ['a', 'b', 'c', 'd'].map((type) => ({ type, status: 'True' })) };
    expect(ready({ spec: gated, status: open })).toEqual({ status: 'True' });
    expect(ready({ spec: gated, status: {} })?.status).toBe('False');
  });

  it('name the containers first, where gates are closed as well', () => {
    const gated = { readinessGates: [{ conditionType: 'a' }] };
    expect(ready({ spec: gated }, { apps: [statusOf('app', false)] })).toEqual(unready('app'));
  });
});

describe('the time of a condition', () => {
  const previous: PodStatus = {
    conditions: [
      { type: 'ContainersReady', status: 'False', lastTransitionTime: '2026-01-01T10:00:00Z' },
      { type: 'Ready', status: 'True', lastTransitionTime: before },
      { type: 'Initialized', status: 'True' },
    ],
  };

  it('is kept as long as its status, and is now when that turns or when it had none', () => {
    const times = (facts: Partial<ConditionFacts>) =>
      Object.fromEntries(conditionsOf({}, { previous, ...facts }).map((each) => [each.type, each.lastTransitionTime]));
    expect(times({})).toEqual({
      PodReadyToStartContainers: '2026-01-01T13:00:00Z',
      Initialized: '2026-01-01T13:00:00Z',
      Ready: before,
      ContainersReady: '2026-01-01T13:00:00Z',
      PodScheduled: '2026-01-01T00:00:00Z',
    });
    expect(times({ apps: [statusOf('app', false)] })).toMatchObject({
      Ready: '2026-01-01T13:00:00Z',
      ContainersReady: '2026-01-01T10:00:00Z',
    });
  });
});

describe('the conditions of others', () => {
  it('are kept as they are, once each, and the node’s own are not doubled', () => {
    const scheduled = { type: 'PodScheduled', status: 'True', lastTransitionTime: before };
    const gate = { type: 'example.org/gate', status: 'False', reason: 'Closed', lastTransitionTime: before };
    const disruption = { type: 'DisruptionTarget', status: 'True', lastTransitionTime: before };
    const own = ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady'];
    const previous = {
      conditions: [gate, ...own.map((type) => ({ type, status: 'True' })), scheduled, disruption],
    };
    const conditions = conditionsOf({}, { previous });
    expect(conditions.map(({ type }) => type)).toEqual([...own, gate.type, 'PodScheduled', 'DisruptionTarget']);
    expect(conditions).toContainEqual(gate);
    expect(conditions).toContainEqual(scheduled);
    expect(conditions).toContainEqual(disruption);
  });

  it('have PodScheduled among them, since the pod was made, or since now where that is not known', () => {
    const of = (creationTimestamp: string) => {
      const view = viewOf({});
      const pod = { ...view.pod, metadata: { ...view.pod.metadata, creationTimestamp } };
      const scheduled = conditionsOf({}, { view: { ...view, pod } }).filter(({ type }) => type === 'PodScheduled');
      return scheduled.map(({ status, lastTransitionTime }) => [status, lastTransitionTime]);
    };
    expect(of('2026-01-01T00:00:00Z')).toEqual([['True', '2026-01-01T00:00:00Z']]);
    expect(of('')).toEqual([['True', '2026-01-01T13:00:00Z']]);
    expect(conditionsOf({}, { previous: { conditions: [{ type: 'example.org/gate', status: 'True' }] } })).toHaveLength(
      6,
    );
  });
});

describe('PodResizeInProgress', () => {
  const resized = container('other', { resources: { requests: { cpu: '2' } } });
  const spec = { containers: [container('app'), resized] };
  const made = { labels: { [resourcesLabel]: 'cpu=/,memory=/' } };
  const type = 'PodResizeInProgress';
  const inProgress = (given: GivenView, facts: Partial<ConditionFacts> = {}) =>
    conditionsOf(given, facts).find((each) => each.type === type);
  const both = [containerState('app', made), containerState('other', made)];

  it('is there only while a running container has not got what its spec says', () => {
    expect(inProgress({ spec, containers: both })).toEqual({
      type,
      status: 'True',
      lastTransitionTime: '2026-01-01T13:00:00Z',
    });
    expect(inProgress({ containers: both })).toBeUndefined();
    expect(inProgress({ spec, containers: [containerState('app', made)] })).toBeUndefined();
    expect(inProgress({ spec, containers: [exitedState('other', 0, made)] })).toBeUndefined();
  });

  it('is kept with its time while the resize goes on, and dropped when it is done', () => {
    const old = { type, status: 'True', lastTransitionTime: before };
    const previous = { conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: before }, old] };
    expect(inProgress({ spec, containers: both }, { previous })).toEqual(old);
    expect(conditionsOf({ spec, containers: both }, { previous }).filter((each) => each.type === type)).toHaveLength(1);
    expect(inProgress({ containers: both }, { previous })).toBeUndefined();
  });
});

it('PodReadyToStartContainers says whether there is a sandbox', () => {
  const has = (hasSandbox: boolean) => verdict('PodReadyToStartContainers', conditionsOf({}, { hasSandbox }));
  expect(has(true)).toEqual({ status: 'True' });
  expect(has(false)).toEqual({ status: 'False' });
});
