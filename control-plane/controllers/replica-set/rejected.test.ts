import { afterEach, beforeEach, expect, it } from 'vitest';
import { ApiError, type Reason } from '../../../shared/errors.ts';
import type { ReplicaSet } from '../../../shared/generated/types.ts';
import { ControllerRoom } from '../../../test/support/controller-room.ts';
import { createReplicaController } from './controller.ts';

const namespace = 'default';
const labels = { app: 'web' };
const template = { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'some:1' }] } };

let room: ControllerRoom;
beforeEach(async () => {
  room = await ControllerRoom.start((deps) => createReplicaController('ReplicaSet', deps));
});
afterEach(() => room.stop());

async function create(replicas: number, more: object = {}): Promise<ReplicaSet> {
  const spec = { replicas, selector: { matchLabels: labels }, template, ...more };
  const made = await room.client.create('ReplicaSet', { metadata: { name: 'web', namespace }, spec });
  await room.advance();
  return made;
}
const pods = async () => (await room.client.list('Pod', { namespace })).items;
const read = () => room.client.get('ReplicaSet', 'web', namespace);
const failure = async () => (await read()).status?.conditions?.find(({ type }) => type === 'ReplicaFailure');
const scale = async (replicas: number) => {
  await room.client.patch('ReplicaSet', 'web', { type: 'merge', body: { spec: { replicas } } }, { namespace });
  await room.advance();
};

/** Refuses the controller's next writes of a kind; returns the times of the refused writes. */
function refuse(verb: 'create' | 'delete' | 'patch', times: number, reason: Reason, message = 'no', causes?: string[]) {
  const at: number[] = [];
  const details = causes ? { causes: causes.map((one) => ({ reason: one, message: one })) } : {};
  room.braked.writes.fail({
    times,
    error: new ApiError(reason, message, details),
    match: (write) => {
      const matches = write.verb === verb && (verb === 'patch' ? write.kind === 'ReplicaSet' : write.kind === 'Pod');
      if (matches && at.length < times) at.push(room.clock.monotonic());
      return matches;
    },
  });
  return at;
}

it.each<Reason>(['Forbidden', 'InternalError', 'Timeout', 'Conflict'])(
  'a pod refused with %s is retried until it is created, and the failure is reported and then cleared',
  async (reason) => {
    const refused = refuse('create', 3, reason, 'no room');
    await create(1);
    await room.until(async () => (await pods()).length === 1, 'the pod is made');
    await room.advance(1_000);
    expect(refused).toHaveLength(3);
    expect(await pods()).toHaveLength(1);
    expect((await read()).status?.conditions ?? []).toEqual([]);
    expect(room.events.filter((one) => one.reason === 'FailedCreate')[0]?.message).toBe('Error creating: no room');
  },
);

it('the first failure stays reported with its transition time while others follow, beside conditions of others', async () => {
  const other = { type: 'Odd', status: 'True' } as const;
  await create(0);
  const body = { status: { conditions: [other] } };
  await room.client.patch('ReplicaSet', 'web', { type: 'merge', body }, { namespace, subresource: 'status' });
  refuse('create', 1, 'Forbidden', 'first');
  refuse('create', 100, 'Forbidden', 'second');
  await scale(1);
  const failed = await failure();
  expect(failed).toMatchObject({ type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: 'first' });
  await room.advance(5_000);
  expect(await failure()).toEqual(failed);
  expect((await read()).status?.conditions).toContainEqual(expect.objectContaining(other));
  await scale(0);
  expect((await read()).status?.conditions).toEqual([expect.objectContaining(other)]);
});

it('a refused template is tried with one pod, not with all of them', async () => {
  const refused = refuse('create', 1, 'Forbidden');
  await create(40);
  await room.until(async () => (await pods()).length === 40, 'all are made');
  expect(refused).toHaveLength(1);
  expect(room.reasons('web').slice(0, 3)).toEqual(['FailedCreate', 'SuccessfulCreate', 'SuccessfulCreate']);
});

it('a large number is created in batches that double in size, until one is refused', async () => {
  let tried = 0;
  const isFourth = ({ verb }: { verb: string }) => verb === 'create' && ++tried === 4;
  room.braked.writes.fail({ match: isFourth, error: new ApiError('Forbidden', 'no') });
  const release = room.braked.watches.hold();
  await create(40);
  release();
  await room.advance(1);
  // One, two, and of the next four one was refused: the others of its batch are made, and no more.
  expect(
    room
      .reasons('web')
      .slice(0, 7)
      .filter((reason) => reason === 'SuccessfulCreate'),
  ).toHaveLength(6);
  expect(room.reasons('web')[6]).toBe('FailedCreate');
  await room.advance(1_000);
  expect(await pods()).toHaveLength(40);
});

it('retries follow a growing backoff, which a success resets', async () => {
  const first = refuse('create', 6, 'Forbidden');
  await create(1);
  await room.until(async () => (await pods()).length === 1, 'the pod is made');
  const waits = first.slice(1).map((at, index) => at - (first[index] ?? 0));
  expect(waits.every((wait, index) => index === 0 || wait > (waits[index - 1] ?? 0))).toBe(true);
  const second = refuse('create', 2, 'Forbidden');
  await scale(2);
  await room.until(async () => (await pods()).length === 2, 'the second pod is made');
  expect((second[1] ?? 0) - (second[0] ?? 0)).toBeLessThan(50);
});

it('a namespace that is being deleted causes neither a failure nor a retry', async () => {
  const refused = refuse('create', 100, 'Forbidden', 'terminating', ['NamespaceTerminating']);
  await create(1);
  const tries = refused.length;
  await room.advance(60_000);
  expect(refused).toHaveLength(tries);
  expect(await failure()).toBeUndefined();
  expect(room.reasons('web')).toEqual([]);
});

it('a refused deletion is reported and retried, and its pod counts until then', async () => {
  await create(3);
  const refused = refuse('delete', 2, 'InternalError', 'no');
  await scale(1);
  await room.until(async () => (await pods()).length === 1, 'two pods are deleted');
  await room.advance(2_000);
  expect(refused).toHaveLength(2);
  expect(await pods()).toHaveLength(1);
  expect(room.reasons('web').filter((reason) => reason === 'FailedDelete')).toHaveLength(2);
  expect((await read()).status).toMatchObject({ replicas: 1 });
  expect((await read()).status?.conditions ?? []).toEqual([]);
});

it('a pod that another client has deleted meanwhile is not a failure', async () => {
  await create(2);
  const held = room.braked.writes.hold({ match: ({ verb }) => verb === 'delete' });
  await room.client.patch('ReplicaSet', 'web', { type: 'merge', body: { spec: { replicas: 1 } } }, { namespace });
  await room.advance();
  const { name } = await held.arrived;
  await room.client.delete('Pod', name, { namespace });
  held.release();
  await room.advance(2_000);
  expect(await pods()).toHaveLength(1);
  expect(room.reasons('web')).not.toContain('FailedDelete');
  expect((await read()).status?.conditions ?? []).toEqual([]);
});

it('a status that could not be written is written at the next attempt', async () => {
  const refused = refuse('patch', 2, 'Timeout');
  await create(2);
  await room.advance(1_000);
  expect(refused).toHaveLength(2);
  expect((await read()).status).toMatchObject({ replicas: 2 });
  expect(await pods()).toHaveLength(2);
});

it('a status is not written on a state older than another write', async () => {
  const held = room.braked.writes.hold({ match: ({ verb, kind }) => verb === 'patch' && kind === 'ReplicaSet' });
  refuse('create', 100, 'Forbidden');
  await create(1);
  await held.arrived;
  const condition = { type: 'Odd', status: 'True' } as const;
  const body = { status: { conditions: [condition] } };
  await room.client.patch('ReplicaSet', 'web', { type: 'merge', body }, { namespace, subresource: 'status' });
  held.release();
  await room.advance(1_000);
  expect((await read()).status?.conditions?.map(({ type }) => type)).toEqual(['Odd', 'ReplicaFailure']);
});

it('a pod that took the name of a surplus pod is not deleted', async () => {
  await create(2);
  const held = room.braked.writes.hold({ match: ({ verb }) => verb === 'delete' });
  await room.client.patch('ReplicaSet', 'web', { type: 'merge', body: { spec: { replicas: 1 } } }, { namespace });
  await room.advance();
  const { name } = await held.arrived;
  await room.client.delete('Pod', name, { namespace });
  const spec = { containers: [{ name: 'main', image: 'other:1' }] };
  await room.client.create('Pod', { metadata: { name, namespace }, spec });
  held.release();
  await room.advance(2_000);
  expect((await room.client.get('Pod', name, namespace)).spec.containers[0]?.image).toBe('other:1');
  expect(await pods()).toHaveLength(2);
});

it('pods refused by pod security are reported once, and retried with a backoff', async () => {
  const enforced = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  await room.client.create('Namespace', { metadata: { name: 'strict', labels: enforced } });
  const spec = { replicas: 1, selector: { matchLabels: labels }, template };
  await room.client.create('ReplicaSet', { metadata: { name: 'web', namespace: 'strict' }, spec });
  const strict = () => room.client.get('ReplicaSet', 'web', 'strict');
  await room.advance();
  const first = await strict();
  expect(first.status?.conditions?.[0]).toMatchObject({ type: 'ReplicaFailure', reason: 'FailedCreate' });
  const before = room.events.length;
  await room.advance(10_000);
  expect(room.events.length).toBeGreaterThan(before + 3);
  expect((await strict()).metadata.resourceVersion).toBe(first.metadata.resourceVersion);
});
