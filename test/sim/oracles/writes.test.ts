import { describe, expect, it } from 'vitest';
import { acknowledgedIsStored } from './acknowledged.ts';
import { onlyTheLeaderActs } from './leaders.ts';
import { ownersKeepDependents } from './owners.ts';
import { statusesMoveForward } from './statuses.ts';
import { deleted, managedBy, Story } from './story.ts';

const map = { kind: 'ConfigMap', key: 'default/m' } as const;
const marked = (number: number) => ({ data: { 'mark-a': String(number) } });
const mark = (number: number) => ({ field: 'mark-a', number });

describe('the oracle of acknowledged writes', () => {
  const written = (number: number) => {
    const story = new Story();
    for (let i = 1; i <= number; i++)
      story.put('ConfigMap', map.key, marked(i)).ask({ ...map, verb: 'write', mark: mark(i) });
    return story;
  };

  it('is content with writes that are stored as they were answered, and undone by deletion only', () => {
    const story = written(3)
      .remove('ConfigMap', map.key)
      .put('ConfigMap', map.key, { ...marked(1), metadata: { uid: 'n' } });
    expect(acknowledgedIsStored(story)).toEqual([]);
  });

  it('sees an acknowledged write that is not stored, or stored otherwise', () => {
    const nowhere = written(1);
    nowhere.steps.pop();
    expect(acknowledgedIsStored(nowhere)).toEqual([expect.stringContaining('nothing of it is stored')]);
    const other = written(1);
    Object.assign(other.requests[0] as object, { answer: { ...other.requests[0]?.answer, data: {} } });
    expect(acknowledgedIsStored(other)).toEqual([expect.stringContaining('another object is stored')]);
  });

  it('sees a write that undoes another, and two that count to the same number', () => {
    expect(acknowledgedIsStored(written(3).put('ConfigMap', map.key, marked(2)))).toHaveLength(1);
    expect(acknowledgedIsStored(written(3).put('ConfigMap', map.key, { data: {} }))).toHaveLength(1);
    const twice = written(2)
      .put('ConfigMap', map.key, marked(2))
      .ask({ ...map, verb: 'write', mark: mark(2) });
    expect(acknowledgedIsStored(twice)).toEqual([expect.stringContaining('acknowledged twice')]);
  });

  it('sees a refused write that is stored all the same', () => {
    const story = written(1).put('ConfigMap', map.key, marked(2));
    story.ask({ ...map, verb: 'write', mark: mark(2), outcome: 'refused' });
    expect(acknowledgedIsStored(story)).toHaveLength(1);
    Object.assign(story.requests[1] as object, { outcome: 'unknown' });
    expect(acknowledgedIsStored(story)).toEqual([]);
  });
});

describe('the oracle of owners', () => {
  const owned = (story: Story) => {
    const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: 'owner' }];
    return story.put('ConfigMap', 'default/owner').put('ConfigMap', 'default/owned', { metadata: { ownerReferences } });
  };

  it('lets dependents go soon after their owner, or when a user asks', () => {
    const story = owned(new Story())
      .remove('ConfigMap', 'default/owner')
      .later(1_000)
      .remove('ConfigMap', 'default/owned');
    expect(ownersKeepDependents(story.later(60_000).put('ConfigMap', 'default/x'))).toEqual([]);
    const asked = owned(new Story()).ask({ kind: 'ConfigMap', key: 'default/owned', verb: 'delete', uid: 'owned' });
    expect(ownersKeepDependents(asked.remove('ConfigMap', 'default/owned'))).toEqual([]);
  });

  it('sees a dependent that is deleted while its owner lives', () => {
    expect(ownersKeepDependents(owned(new Story()).put('ConfigMap', 'default/owned', deleted))).toHaveLength(1);
  });

  it('sees a dependent that stays, though another owner of the same name has come', () => {
    const story = owned(new Story()).remove('ConfigMap', 'default/owner');
    story
      .put('ConfigMap', 'default/owner', { metadata: { uid: 'another' } })
      .later(20_000)
      .put('ConfigMap', 'default/x');
    expect(ownersKeepDependents(story)).toEqual([]);
    expect(ownersKeepDependents(story.later(6_000).put('ConfigMap', 'default/y'))).toHaveLength(1);
  });

  it('does not count the time in which no server leads', () => {
    const story = owned(new Story())
      .remove('ConfigMap', 'default/owner')
      .remove('Lease', 'kube-system/coracle-controllers');
    expect(ownersKeepDependents(story.later(600_000).put('ConfigMap', 'default/x'))).toEqual([]);
  });
});

describe('the oracle of statuses', () => {
  const container = (restartCount: number, startedAt: string, containerID = 'c') => ({
    containerStatuses: [{ name: 'main', restartCount, containerID, state: { running: { startedAt } } }],
  });
  const told = (...statuses: object[]) => {
    const story = new Story();
    for (const status of statuses) story.put('Pod', 'default/a', { spec: { nodeName: 'n' }, status });
    return story;
  };

  it('lets a pod run, restart and end', () => {
    const story = told({}, container(0, '10:00'), container(1, '10:01', 'd'), {
      ...container(1, '10:01', 'd'),
      phase: 'Failed',
    });
    expect(statusesMoveForward(story)).toEqual([]);
  });

  const end = (finishedAt: string) => ({ terminated: { containerID: 'c', exitCode: 0, finishedAt } });
  const last = (state: object, lastState: object) => ({
    containerStatuses: [{ name: 'main', restartCount: 0, state, lastState }],
  });

  it.each([
    ['an end that is reported otherwise', last(end('10:00'), {}), last(end('09:00'), {})],
    ['a last end that is reported otherwise', last(end('10:00'), {}), last({}, end('09:00'))],
    ['an ended pod that runs again', { phase: 'Succeeded' }, { phase: 'Running' }],
    ['an ended pod that ends otherwise', { phase: 'Failed' }, { phase: 'Succeeded' }],
    ['another start of the pod', { startTime: '10:00' }, { startTime: '10:01' }],
    ['fewer restarts', container(2, '10:00'), container(1, '10:00')],
    ['an earlier start of the next container', container(0, '10:00'), container(1, '09:59', 'd')],
    ['a container whose status went away', container(0, '10:00'), {}],
    [
      'a container that ended and runs',
      { containerStatuses: [{ name: 'main', restartCount: 0, containerID: 'c', state: { terminated: {} } }] },
      container(0, '10:00'),
    ],
  ])('sees %s', (_what, before, after) => {
    expect(statusesMoveForward(told(before, after))).toHaveLength(1);
  });

  it('takes no start for too early on a node whose clock was set back', () => {
    const story = told(container(0, '10:00'), container(1, '09:59', 'd'));
    story.setBack.add('n');
    expect(statusesMoveForward(story)).toEqual([]);
  });

  it('sees an observed generation that goes back, or that is ahead of the generation', () => {
    const observed = (observedGeneration: number) => ({ metadata: { generation: 3 }, status: { observedGeneration } });
    const story = new Story().put('Deployment', 'default/d', observed(2)).put('Deployment', 'default/d', observed(1));
    expect(statusesMoveForward(story)).toHaveLength(1);
    const ahead = new Story().put('Deployment', 'default/d', observed(3)).put('Deployment', 'default/d', observed(4));
    expect(statusesMoveForward(ahead)).toHaveLength(1);
  });
});

describe('the oracle of leaders', () => {
  const lease = 'kube-system/coracle-controllers';
  const taken = (story: Story, holderIdentity: string) => story.put('Lease', lease, { spec: { holderIdentity } });

  it('lets each server do what the leader does while it leads', () => {
    const story = new Story().put('Pod', 'default/a', { metadata: managedBy('set') }).remove('Lease', lease);
    taken(story, 't').put('Pod', 'default/a', { spec: { nodeName: 'n' } }, { writer: 't' });
    expect(onlyTheLeaderActs(story)).toEqual([]);
  });

  it.each([
    ['a binding', 'Pod', { spec: { nodeName: 'n' } }],
    ['a pod from a template', 'Pod', { metadata: managedBy('set') }],
    ['the size of a ReplicaSet', 'ReplicaSet', { metadata: managedBy('d'), spec: { replicas: 2 } }],
  ] as const)('sees %s that a server writes which does not lead', (_what, kind, object) => {
    expect(onlyTheLeaderActs(new Story().put(kind, 'default/a', object, { writer: 't' }))).toHaveLength(1);
    const none = new Story().remove('Lease', lease).put(kind, 'default/a', object);
    expect(onlyTheLeaderActs(none)).toEqual([expect.stringContaining('while no server led')]);
  });

  it('sees the status of a Deployment from a server whose term is over', () => {
    const story = new Story().put('Deployment', 'default/d', {}, { writer: 't' });
    expect(onlyTheLeaderActs(story)).toEqual([]);
    expect(
      onlyTheLeaderActs(story.put('Deployment', 'default/d', { status: { replicas: 1 } }, { writer: 't' })),
    ).toHaveLength(1);
  });

  it('sees a lease that changes its holder without having gone', () => {
    expect(onlyTheLeaderActs(taken(new Story(), 't'))).toEqual([expect.stringContaining('t took the lease of s')]);
  });
});
