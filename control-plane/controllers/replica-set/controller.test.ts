import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ApiError } from '../../../shared/errors.ts';
import type { Pod, ReplicaSet } from '../../../shared/generated/types.ts';
import { ControllerRoom } from '../../../test/support/controller-room.ts';
import { createReplicaController } from './controller.ts';

const namespace = 'default';
const labels = { app: 'web' };
const template = { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'some:1' }] } };
/** The pods are on a node: a deleted pod stays until the node confirms its end. */
const placed = { ...template, spec: { ...template.spec, nodeName: 'n' } };

let room: ControllerRoom;
beforeEach(async () => {
  room = await ControllerRoom.start(
    (deps) => createReplicaController('ReplicaSet', deps),
    (deps) => createReplicaController('ReplicationController', deps),
  );
});
afterEach(() => room.stop());

async function create(replicas: number, more: object = {}, metadata: object = {}): Promise<ReplicaSet> {
  const spec = { replicas, selector: { matchLabels: labels }, template, ...more };
  const made = await room.client.create('ReplicaSet', { metadata: { name: 'web', namespace, ...metadata }, spec });
  await room.advance();
  return made;
}
const pods = async (): Promise<Pod[]> => (await room.client.list('Pod', { namespace })).items;
const active = async () =>
  (await pods()).filter(
    ({ metadata, status }) => !metadata.deletionTimestamp && !/Failed|Succeeded/.test(status?.phase ?? ''),
  );
const read = (name = 'web') => room.client.get('ReplicaSet', name, namespace);
async function change(kind: 'ReplicaSet' | 'Pod', name: string, body: object): Promise<void> {
  await room.client.patch(kind, name, { type: 'merge', body }, { namespace });
  await room.advance();
}
const scale = (replicas: number) => change('ReplicaSet', 'web', { spec: { replicas } });
async function setStatus(
  pod: Pod,
  phase: 'Running' | 'Failed' | 'Succeeded',
  ready = phase === 'Running',
): Promise<void> {
  const now = new Date(room.clock.now()).toISOString();
  const condition = { type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: now } as const;
  await room.client.updateStatus('Pod', {
    ...pod,
    metadata: { ...pod.metadata, resourceVersion: '' },
    status: { ...pod.status, phase, conditions: [condition] },
  });
  await room.advance();
}
const bare = (name: string, metadata: object = {}) =>
  room.client.create('Pod', { metadata: { name, namespace, labels, ...metadata }, spec: template.spec });
const ownersOf = async (name: string) =>
  ((await room.client.get('Pod', name, namespace)).metadata.ownerReferences ?? []).map(({ uid }) => uid);
const names = (list: readonly Pod[]) => list.map(({ metadata }) => metadata.name).sort();

describe('a ReplicaSet', () => {
  it('creates pods of its template that it owns and that are removed with it', async () => {
    const annotated = { metadata: { labels: { ...labels, more: 'x' }, annotations: { a: 'b' } }, spec: template.spec };
    const set = await create(2, { template: annotated });
    const made = await pods();
    expect(made).toHaveLength(2);
    for (const { metadata, spec } of made) {
      expect(metadata.name).toMatch(/^web-\w{5}$/);
      expect(metadata).toMatchObject({ labels: { ...labels, more: 'x' }, annotations: { a: 'b' } });
      expect(spec.containers[0]?.image).toBe('some:1');
      expect(metadata.ownerReferences).toEqual([
        {
          apiVersion: 'apps/v1',
          kind: 'ReplicaSet',
          name: 'web',
          uid: set.metadata.uid,
          controller: true,
          blockOwnerDeletion: true,
        },
      ]);
    }
    expect(room.reasons('web')).toEqual(['SuccessfulCreate', 'SuccessfulCreate']);
    expect((await read()).status).toEqual({ replicas: 2, fullyLabeledReplicas: 2, observedGeneration: 1 });
  });

  it('follows its size up and down, and records events', async () => {
    await create(1);
    await scale(4);
    expect(await pods()).toHaveLength(4);
    await scale(2);
    expect(await pods()).toHaveLength(2);
    await scale(0);
    expect(await pods()).toEqual([]);
    expect((await read()).status).toEqual({ replicas: 0, observedGeneration: 4 });
    expect(room.reasons('web').filter((reason) => reason === 'SuccessfulDelete')).toHaveLength(4);
  });

  it('creates and deletes each pod once, and does not write an unchanged status', async () => {
    const attempts: string[] = [];
    room.braked.writes.fail({ times: 0, match: ({ verb, kind }) => attempts.push(`${verb} ${kind}`) < 0 });
    const count = (one: string) => attempts.filter((each) => each === one).length;
    await create(40);
    await scale(0);
    await room.advance(1_000);
    expect([count('create Pod'), count('delete Pod'), count('patch Pod')]).toEqual([40, 40, 0]);
    const before = attempts.length;
    await change('ReplicaSet', 'web', { metadata: { annotations: { touched: 'yes' } } });
    expect(attempts.length).toBe(before);
  });

  it('replaces pods that were deleted, have ended or are being deleted', async () => {
    await create(3, { template: placed });
    const [first, second, third] = await pods();
    if (!first || !second || !third) throw new Error('expected three pods');
    await setStatus(first, 'Failed');
    await setStatus(second, 'Succeeded');
    await room.client.delete('Pod', third.metadata.name, { namespace });
    await room.advance();
    expect(await pods()).toHaveLength(6);
    expect(await active()).toHaveLength(3);
    expect((await read()).status).toMatchObject({ replicas: 3 });
  });

  it('updates its status when a pod becomes available after minReadySeconds', async () => {
    await create(1, { minReadySeconds: 10 });
    const [pod] = await pods();
    await setStatus(pod as Pod, 'Running');
    expect((await read()).status).toMatchObject({ readyReplicas: 1 });
    expect((await read()).status?.availableReplicas).toBeUndefined();
    await room.advance(8_000);
    expect((await read()).status?.availableReplicas).toBeUndefined();
    await room.advance(3_000);
    expect((await read()).status).toMatchObject({ availableReplicas: 1 });
  });

  it('that is being deleted creates, deletes and adopts no pods, but still counts them', async () => {
    await create(2, {}, { finalizers: ['example.org/hold'] });
    await room.client.delete('ReplicaSet', 'web', { namespace });
    await bare('orphan');
    const [own] = await pods().then((all) => all.filter(({ metadata }) => metadata.name !== 'orphan'));
    await room.client.delete('Pod', own?.metadata.name ?? '', { namespace });
    await room.advance();
    expect(await ownersOf('orphan')).toEqual([]);
    expect(await pods()).toHaveLength(2);
    expect((await read()).status).toMatchObject({ replicas: 1 });
  });

  it('with the name of an earlier one counts only its own pods', async () => {
    const first = await create(2, { template: placed }, {});
    await room.client.delete('ReplicaSet', 'web', { namespace, propagationPolicy: 'Background' });
    const second = await create(2, { template: placed });
    const owned = async (uid: string) =>
      (await pods()).filter(({ metadata }) => metadata.ownerReferences?.[0]?.uid === uid);
    expect(await owned(first.metadata.uid)).toHaveLength(2);
    expect(await owned(second.metadata.uid)).toHaveLength(2);
    expect((await read()).status).toMatchObject({ replicas: 2 });
  });
});

describe('adoption', () => {
  it('takes active orphans that match, and no others', async () => {
    await bare('match');
    await bare('other', { labels: { app: 'other' } });
    await setStatus(await bare('ended'), 'Succeeded');
    const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'x', uid: 'x', controller: true };
    await bare('owned', { ownerReferences: [owner] });
    const set = await create(1);
    expect(names(await pods())).toEqual(['ended', 'match', 'other', 'owned']);
    expect(await ownersOf('match')).toEqual([set.metadata.uid]);
    expect(await Promise.all(['other', 'ended', 'owned'].map(ownersOf))).toEqual([[], [], ['x']]);
  });

  it('keeps a pod’s other owners', async () => {
    const map = { apiVersion: 'v1', kind: 'ConfigMap', name: 'm', uid: 'm' };
    await bare('match', { ownerReferences: [map] });
    const set = await create(1);
    expect(await ownersOf('match')).toEqual(['m', set.metadata.uid]);
    await change('Pod', 'match', { metadata: { labels: { app: 'gone' } } });
    expect(await ownersOf('match')).toEqual(['m']);
  });

  it('takes pods that are created later, and deletes those that are then surplus', async () => {
    await create(1);
    const [own] = await pods();
    await setStatus(own as Pod, 'Running');
    await bare('late');
    await room.advance();
    expect(names(await pods())).toEqual([own?.metadata.name]);
  });

  it('releases a pod whose labels no longer match, and replaces it', async () => {
    await create(1);
    const [own] = await pods();
    await change('Pod', own?.metadata.name ?? '', { metadata: { labels: { app: 'other' } } });
    expect(await ownersOf(own?.metadata.name ?? '')).toEqual([]);
    expect(await pods()).toHaveLength(2);
  });

  it('keeps a pod that no longer matches while the ReplicaSet is being deleted, so that the pod is deleted with it', async () => {
    const set = await create(1, {}, { finalizers: ['example.org/hold'] });
    await room.client.delete('ReplicaSet', 'web', { namespace });
    const [own] = await pods();
    await change('Pod', own?.metadata.name ?? '', { metadata: { labels: { app: 'other' } } });
    expect(await ownersOf(own?.metadata.name ?? '')).toEqual([set.metadata.uid]);
  });

  it('does not happen for an owner that is gone, even if the informers still show it', async () => {
    await create(0);
    const release = room.braked.watches.hold();
    await bare('match');
    const held = room.braked.writes.hold({ match: ({ kind }) => kind === 'Pod' });
    release();
    await room.client.delete('ReplicaSet', 'web', { namespace, propagationPolicy: 'Orphan' });
    held.release();
    await room.advance();
    expect(await ownersOf('match')).toEqual([]);
  });

  it('does not happen for an owner that was replaced by another of the same name', async () => {
    await create(0);
    const end = room.braked.watches.lose(({ kind }) => kind === 'ReplicaSet');
    await room.client.delete('ReplicaSet', 'web', { namespace });
    const second = await create(1, {
      selector: { matchLabels: { app: 'x' } },
      template: { ...template, metadata: { labels: { app: 'x' } } },
    });
    await bare('match');
    await room.advance();
    expect(await ownersOf('match')).toEqual([]);
    end();
    await room.advance(1_000);
    expect((await active()).map(({ metadata }) => metadata.ownerReferences?.[0]?.uid)).toContain(second.metadata.uid);
  });
});

describe('stale informers', () => {
  it('do not lead to a pod being created twice, even if the key is reconciled again before they show it', async () => {
    const held = room.braked.writes.hold({ match: ({ verb }) => verb === 'create' });
    room.braked.writes.fail({ match: ({ verb }) => verb === 'create', error: new ApiError('InternalError', 'a blip') });
    await create(3);
    const release = room.braked.watches.hold();
    held.release();
    await room.advance(2_000);
    const made = await pods();
    expect(made.length).toBeGreaterThan(0);
    expect(made.length).toBeLessThan(3);
    release();
    await room.advance();
    expect(await pods()).toHaveLength(3);
  });

  it('do not lead to more deletions than needed while they still show the deleted pods', async () => {
    await create(4);
    const end = room.braked.watches.lose(({ kind }) => kind === 'Pod');
    await scale(2);
    await change('ReplicaSet', 'web', { metadata: { annotations: { touched: 'yes' } } });
    expect(await pods()).toHaveLength(2);
    expect((await read()).status).toMatchObject({ replicas: 2 });
    end();
    await room.advance(1_000);
    expect(await pods()).toHaveLength(2);
  });

  it('that missed changes lead to the right size once they list again', async () => {
    await create(2);
    const end = room.braked.watches.lose(({ kind }) => kind === 'Pod');
    for (const { metadata } of await pods()) await room.client.delete('Pod', metadata.name, { namespace });
    await room.advance();
    expect(await pods()).toEqual([]);
    end();
    await room.advance(1_000);
    expect(await pods()).toHaveLength(2);
    const refuse = room.braked.watches.refuse();
    room.braked.watches.overrun();
    await room.client.delete('Pod', (await pods())[0]?.metadata.name ?? '', { namespace });
    await room.advance();
    refuse();
    await room.advance(2_000);
    expect(await pods()).toHaveLength(2);
  });

  it('that deliver a change during a write do not lead to a pod being counted twice', async () => {
    await create(3);
    const own = (await pods()).map(({ metadata }) => metadata.name);
    const held = room.braked.writes.hold({ match: ({ verb, kind }) => verb === 'patch' && kind === 'Pod' });
    await change('Pod', own[2] ?? '', { metadata: { labels: { app: 'other' } } });
    await held.arrived;
    for (const name of own.slice(0, 2)) await change('Pod', name, { metadata: { annotations: { touched: 'yes' } } });
    held.release();
    await room.advance();
    expect((await pods()).filter(({ metadata }) => metadata.labels?.app === 'web')).toHaveLength(3);
    expect(names(await pods())).toEqual(expect.arrayContaining(own));
  });
});

describe('a ReplicationController', () => {
  const make = (more: object = {}) =>
    room.client.create('ReplicationController', {
      metadata: { name: 'rc', namespace },
      spec: { replicas: 2, selector: labels, template, ...more } as never,
    });

  it('has as many pods of its selector as desired, and owns them', async () => {
    await bare('match');
    await bare('other', { labels: { app: 'other' } });
    const { metadata } = await make();
    await room.advance();
    const owned = (await pods()).filter(
      ({ metadata: { ownerReferences } }) => ownerReferences?.[0]?.uid === metadata.uid,
    );
    expect(owned).toHaveLength(2);
    expect(owned[0]?.metadata.ownerReferences?.[0]).toMatchObject({
      apiVersion: 'v1',
      kind: 'ReplicationController',
      name: 'rc',
    });
    expect(names(owned)).toContain('match');
    await room.client.delete('Pod', 'match', { namespace });
    await room.advance();
    expect(await pods()).toHaveLength(3);
    expect((await room.client.get('ReplicationController', 'rc', namespace)).status).toMatchObject({ replicas: 2 });
  });

  it('and a ReplicaSet of the same name do not count each other’s pods', async () => {
    await room.client.create('ReplicationController', {
      metadata: { name: 'web', namespace },
      spec: { replicas: 2, selector: labels, template } as never,
    });
    await create(3);
    await room.advance(1_000);
    expect(await pods()).toHaveLength(5);
  });
});
