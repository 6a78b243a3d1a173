import { afterEach, beforeEach, expect, it } from 'vitest';
import { formatTime } from '../../../shared/clock.ts';
import type { Pod, PodDisruptionBudgetStatus } from '../../../shared/generated/types.ts';
import { ControllerRoom } from '../../../test/support/controller-room.ts';
import { createDisruptionController } from './controller.ts';

const namespace = 'default';
const labels = { app: 'web' };
const template = { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'some:1' }] } };
let room: ControllerRoom;
beforeEach(async () => {
  room = await ControllerRoom.start(createDisruptionController);
});
afterEach(() => room.stop());

async function budget(spec: object, name = 'b'): Promise<void> {
  await room.client.create('PodDisruptionBudget', {
    metadata: { name, namespace },
    spec: { selector: { matchLabels: labels }, ...spec },
  });
  await room.advance();
}
const status = async (name = 'b'): Promise<PodDisruptionBudgetStatus | undefined> =>
  (await room.client.get('PodDisruptionBudget', name, namespace)).status;
const owned = ({ kind, metadata: { name, uid } }: { kind: string; metadata: { name: string; uid: string } }) => ({
  ownerReferences: [{ apiVersion: 'apps/v1', kind, name, uid, controller: true }],
});
async function pod(name: string, metadata: object = {}): Promise<Pod> {
  const made = await room.client.create('Pod', {
    metadata: { name, namespace, labels, ...metadata },
    spec: template.spec,
  });
  const body = { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } };
  await room.client.patch('Pod', name, { type: 'merge', body }, { namespace, subresource: 'status' });
  await room.advance();
  return made;
}
const set = (name: string, replicas: number, metadata: object = {}) =>
  room.client.create('ReplicaSet', {
    metadata: { name, namespace, labels, ...metadata },
    spec: { replicas, selector: { matchLabels: labels }, template },
  });
const deployment = (replicas: number) =>
  room.client.create('Deployment', {
    metadata: { name: 'web', namespace },
    spec: { replicas, selector: { matchLabels: labels }, template },
  });
async function scale(kind: 'Deployment' | 'ReplicaSet', name: string, replicas: number): Promise<void> {
  await room.client.patch(kind, name, { type: 'merge', body: { spec: { replicas } } }, { namespace });
  await room.advance();
}

it('a budget follows the pods that it selects, and an event reports when there are none', async () => {
  await budget({ minAvailable: 1 });
  expect(await status()).toMatchObject({ expectedPods: 0, disruptionsAllowed: 0 });
  expect(room.reasons('b')).toContain('NoPods');
  await pod('a');
  await pod('b');
  await pod('other', { labels: { app: 'x' } });
  expect(await status()).toMatchObject({ expectedPods: 2, currentHealthy: 2, disruptionsAllowed: 1 });
  const recorded = room.events.length;
  await room.client.delete('Pod', 'a', { namespace });
  await room.advance();
  expect(await status()).toMatchObject({ expectedPods: 1, disruptionsAllowed: 0 });
  await room.client.patch('Pod', 'b', { type: 'merge', body: { metadata: { labels: { app: 'x' } } } }, { namespace });
  await room.advance();
  expect(await status()).toMatchObject({ expectedPods: 0 });
  expect(room.events.slice(recorded).every(({ reason }) => reason === 'NoPods')).toBe(true);
});

it('a budget with a percentage counts the replicas of the Deployment that owns the pods’ ReplicaSets, and follows it', async () => {
  const top = await deployment(4);
  const [one, two] = [await set('one', 2, owned(top)), await set('two', 9, owned(top))];
  await pod('a', owned(one));
  await pod('b', owned(two));
  await budget({ maxUnavailable: '50%' });
  expect(await status()).toMatchObject({ expectedPods: 4, desiredHealthy: 2, disruptionsAllowed: 0 });
  await scale('Deployment', 'web', 2);
  expect(await status()).toMatchObject({ expectedPods: 2, desiredHealthy: 1, disruptionsAllowed: 1 });
});

it('a ReplicaSet without a Deployment, or whose Deployment is gone, counts with its own replicas', async () => {
  const alone = await set('alone', 3);
  await pod('a', owned(alone));
  await budget({ maxUnavailable: 1 });
  expect(await status()).toMatchObject({ expectedPods: 3 });
  await scale('ReplicaSet', 'alone', 1);
  expect(await status()).toMatchObject({ expectedPods: 1, disruptionsAllowed: 1 });
  const orphan = await set('orphan', 5, owned({ kind: 'Deployment', metadata: { name: 'web', uid: 'gone' } }));
  await deployment(9);
  await pod('b', owned(orphan));
  expect(await status()).toMatchObject({ expectedPods: 6 });
});

it.each<[string, string, string]>([
  ['of a kind without a scale', 'Job', 'x'],
  ['that does not exist', 'ReplicaSet', 'gone'],
  ['that was replaced by another of the same name', 'ReplicaSet', 'there'],
])('pods of a controller %s allow no disruption, and a condition gives the reason', async (_what, kind, name) => {
  await set('there', 3);
  await pod('a', owned({ kind, metadata: { name, uid: 'former' } }));
  await budget({ maxUnavailable: 1 });
  expect(await status()).toMatchObject({ disruptionsAllowed: 0 });
  expect((await status())?.conditions?.[0]).toMatchObject({ status: 'False', reason: 'SyncFailed' });
  expect(room.events.find(({ reason }) => reason === 'CalculateExpectedPodCountFailed')).toMatchObject({
    ...{
      type: 'Warning',
      message: 'Failed to calculate the number of expected pods: found no controllers for pod "a"',
    },
  });
});

it('a granted eviction that did not start is dropped after two minutes', async () => {
  await pod('a');
  await pod('b');
  await budget({ minAvailable: 1 });
  const body = { status: { disruptionsAllowed: 0, disruptedPods: { a: formatTime(room.clock.now()) } } };
  const options = { namespace, subresource: 'status' } as const;
  await room.client.patch('PodDisruptionBudget', 'b', { type: 'merge', body }, options);
  await room.advance(119_000);
  expect(await status()).toMatchObject({ currentHealthy: 1, disruptionsAllowed: 0 });
  await room.advance(2_000);
  expect(await status()).toMatchObject({ currentHealthy: 2, disruptionsAllowed: 1 });
  expect((await status())?.disruptedPods).toBeUndefined();
});

it('an eviction that was granted after the informers’ state is kept', async () => {
  await pod('a');
  await budget({ minAvailable: 0 });
  const held = room.braked.writes.hold({ match: ({ verb }) => verb === 'updateStatus' });
  await pod('b');
  await held.arrived;
  const body = { status: { disruptedPods: { a: formatTime(room.clock.now()) } } };
  const options = { namespace, subresource: 'status' } as const;
  await room.client.patch('PodDisruptionBudget', 'b', { type: 'merge', body }, options);
  held.release();
  await room.advance(1_000);
  expect(Object.keys((await status())?.disruptedPods ?? {})).toEqual(['a']);
  expect(await status()).toMatchObject({ currentHealthy: 1 });
});

it('an unchanged status is not written again', async () => {
  await pod('a');
  await budget({ minAvailable: 1 });
  await budget({ minAvailable: 1, selector: { matchLabels: { app: 'x' } } }, 'other');
  const versionOf = async (name: string) =>
    (await room.client.get('PodDisruptionBudget', name, namespace)).metadata.resourceVersion;
  const before = [await versionOf('b'), await versionOf('other')];
  const attempts: string[] = [];
  room.braked.writes.fail({ times: 0, match: ({ name }) => attempts.push(name) < 0 });
  await room.client.patch(
    'Pod',
    'a',
    { type: 'merge', body: { metadata: { annotations: { x: 'y' } } } },
    { namespace },
  );
  await room.advance();
  await room.client.create('Namespace', { metadata: { name: 'far' } });
  await room.client.create('Pod', { metadata: { name: 'a', namespace: 'far', labels }, spec: template.spec });
  await room.advance();
  expect([await versionOf('b'), await versionOf('other')]).toEqual(before);
  expect(attempts).toEqual([]);
});

it('a deleted budget is no longer reconciled', async () => {
  await pod('a');
  await budget({ minAvailable: 1 });
  await room.client.delete('PodDisruptionBudget', 'b', { namespace });
  await pod('b');
  expect((await room.client.list('PodDisruptionBudget', { namespace })).items).toEqual([]);
});
