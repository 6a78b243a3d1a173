import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatTime } from '../../../shared/clock.ts';
import { ApiError } from '../../../shared/errors.ts';
import type { ReplicaSet } from '../../../shared/generated/types.ts';
import { ControllerRoom } from '../../../test/support/controller-room.ts';
import { webTemplate } from '../../../test/support/deployments.ts';
import { createReplicaController } from '../replica-set/controller.ts';
import { createDeploymentController } from './controller.ts';

const namespace = 'default';
const labels = { app: 'web' };
const elsewhere = { app: 'elsewhere' };

let room: ControllerRoom;
beforeEach(async () => {
  room = await ControllerRoom.start(createDeploymentController, (deps) => createReplicaController('ReplicaSet', deps));
});
afterEach(() => room.stop());

async function create(replicas: number, more: object = {}): Promise<void> {
  const spec = { replicas, selector: { matchLabels: labels }, template: webTemplate('some:1'), ...more };
  await room.client.create('Deployment', { metadata: { name: 'web', namespace }, spec });
  await room.advance();
}
async function change(spec: object): Promise<void> {
  await room.client.patch('Deployment', 'web', { type: 'merge', body: { spec } }, { namespace });
  await room.advance();
}
/** Makes all pending pods ready. */
async function serve(): Promise<void> {
  const body = { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } };
  for (const { metadata } of (await room.client.list('Pod', { namespace })).items)
    await room.client.patch('Pod', metadata.name, { type: 'merge', body }, { namespace, subresource: 'status' });
  await room.advance();
}
const imageOf = ({ spec }: ReplicaSet) => spec.template?.spec?.containers[0]?.image;
const sets = async () => (await room.client.list('ReplicaSet', { namespace })).items;
const setOf = async (image: string): Promise<ReplicaSet> => {
  const found = (await sets()).find((set) => imageOf(set) === image);
  if (!found) throw new Error(`no ReplicaSet of ${image}`);
  return found;
};
const sizes = async () => Object.fromEntries((await sets()).map((set) => [imageOf(set), set.spec.replicas]));
const conditions = async () => (await room.client.get('Deployment', 'web', namespace)).status?.conditions ?? [];
const condition = async (wanted: string) => (await conditions()).find(({ type }) => type === wanted);
const odd = { type: 'Odd', status: 'True' } as const;
async function sayOdd(): Promise<void> {
  const body = { status: { conditions: [...(await conditions()), odd] } };
  await room.client.patch('Deployment', 'web', { type: 'merge', body }, { namespace, subresource: 'status' });
}

describe('the condition for a ReplicaSet that could not be created', () => {
  const refuse = (message: string, times: number) =>
    room.braked.writes.fail({
      match: ({ verb, kind }) => verb === 'create' && kind === 'ReplicaSet',
      times,
      error: new ApiError('Forbidden', message),
    });

  it('is False since the refusal if the previous rollout was complete, beside the other conditions', async () => {
    await create(1);
    await serve();
    await sayOdd();
    await room.advance(60_000);
    refuse('full', 100);
    const refused = room.clock.now();
    await change({ template: webTemplate('some:2') });
    expect((await conditions()).map(({ type }) => type).sort()).toEqual(['Available', 'Odd', 'Progressing']);
    const { message, lastTransitionTime, lastUpdateTime } = (await condition('Progressing')) ?? {};
    expect(message).toMatch(/full$/);
    expect([lastTransitionTime, lastUpdateTime]).toEqual([formatTime(refused), formatTime(refused)]);
  });

  it('has the newest reason and update time, and keeps the transition time', async () => {
    refuse('full', 9);
    refuse('closed', 100);
    const first = room.clock.now();
    await create(1);
    await room.advance(30_000);
    const { status, message, lastTransitionTime, lastUpdateTime } = (await condition('Progressing')) ?? {};
    expect({ status, message }).toEqual({ status: 'False', message: expect.stringMatching(/closed$/) });
    expect(lastTransitionTime).toBe(formatTime(first));
    expect(Date.parse(lastUpdateTime ?? '')).toBeGreaterThan(first + 1_000);
    expect((await conditions()).map(({ type }) => type)).toEqual(['Progressing']);
  });
});

describe('an empty ReplicaSet beyond the history', () => {
  /** The second template never serves; the third takes its place. The old pods serve until the rollout is complete. */
  async function skipOne(): Promise<void> {
    await create(1, { revisionHistoryLimit: 0 });
    await serve();
    await change({ template: webTemplate('some:2') });
    await change({ template: webTemplate('some:3') });
    await room.advance(1_000);
  }

  it('is kept for a rollback until the rollout is complete', async () => {
    await skipOne();
    expect(await sizes()).toEqual({ 'some:1': 1, 'some:2': 0, 'some:3': 1 });
    await serve();
    await room.advance(1_000);
    expect(await sizes()).toEqual({ 'some:3': 1 });
  });

  it('is not deleted when another ReplicaSet has taken its name', async () => {
    await skipOne();
    const { name } = (await setOf('some:2')).metadata;
    const held = room.braked.writes.hold({ match: (write) => write.verb === 'delete' && write.name === name });
    await serve();
    await held.arrived;
    await room.client.delete('ReplicaSet', name, { namespace });
    const template = { ...webTemplate('other:1'), metadata: { labels: elsewhere } };
    const spec = { replicas: 0, selector: { matchLabels: elsewhere }, template };
    await room.client.create('ReplicaSet', { metadata: { name, namespace }, spec });
    held.release();
    await room.advance(1_000);
    expect(await sizes()).toEqual({ 'some:3': 1, 'other:1': 0 });
  });
});

it('scaling during a rollout annotates each ReplicaSet with pods, and records events only for those that it scaled', async () => {
  await create(1, { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } });
  await serve();
  // What is left over goes to the newest, by the second in which it was made.
  await room.advance(2_000);
  await change({ template: webTemplate('some:2') });
  await change({ template: webTemplate('some:3') });
  expect(await sizes()).toEqual({ 'some:1': 1, 'some:2': 0, 'some:3': 1 });
  room.events.length = 0;
  await change({ replicas: 2 });
  expect(await sizes()).toEqual({ 'some:1': 1, 'some:2': 0, 'some:3': 2 });
  const marks = async (image: string) => {
    const { annotations = {} } = (await setOf(image)).metadata;
    return ['desired', 'max'].map((which) => annotations[`deployment.kubernetes.io/${which}-replicas`]);
  };
  // Two are wanted, one more may be there.
  expect(await marks('some:1')).toEqual(['2', '3']);
  expect(await marks('some:3')).toEqual(['2', '3']);
  expect(await marks('some:2')).toEqual(['1', '2']);
  const grown = (await setOf('some:3')).metadata.name;
  expect(room.events.filter(({ about }) => about === 'web').map(({ message }) => message)).toEqual([
    `Scaled up replica set ${grown} from 1 to 2`,
  ]);
});

it('a status computed before another write does not overwrite that write', async () => {
  await create(1);
  const held = room.braked.writes.hold({ match: ({ verb, kind }) => verb === 'patch' && kind === 'Deployment' });
  await serve();
  await held.arrived;
  await sayOdd();
  held.release();
  await room.advance(1_000);
  expect(await condition('Odd')).toMatchObject(odd);
  expect(await condition('Progressing')).toMatchObject({ reason: 'NewReplicaSetAvailable' });
});

describe('a ReplicaSet that no longer matches the selector', () => {
  const other = (name: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', name, uid: name });
  async function own(set: ReplicaSet, name: string): Promise<void> {
    const { ownerReferences = [] } = (await room.client.get('ReplicaSet', set.metadata.name, namespace)).metadata;
    const body = { metadata: { ownerReferences: [...ownerReferences, other(name)] } };
    await room.client.patch('ReplicaSet', set.metadata.name, { type: 'merge', body }, { namespace });
    await room.advance();
  }
  const relabel = async ({ metadata: { name } }: ReplicaSet): Promise<void> => {
    const body = { metadata: { labels: elsewhere } };
    await room.client.patch('ReplicaSet', name, { type: 'merge', body }, { namespace });
    await room.advance();
  };
  const ownersOf = async ({ metadata: { name } }: ReplicaSet) =>
    ((await room.client.get('ReplicaSet', name, namespace)).metadata.ownerReferences ?? []).map((one) => one.name);

  it('keeps its other owners, also those added while it is released', async () => {
    await create(1);
    const set = await setOf('some:1');
    await own(set, 'first');
    expect(await ownersOf(set)).toEqual(['web', 'first']);
    const held = room.braked.writes.hold({ match: ({ name, verb }) => verb === 'patch' && name === set.metadata.name });
    await relabel(set);
    await held.arrived;
    await own(set, 'second');
    held.release();
    await room.advance(1_000);
    expect(await ownersOf(set)).toEqual(['first', 'second']);
  });

  it.each(['ReplicaSet', 'Deployment'] as const)('stays owned while the %s is being deleted', async (kind) => {
    await create(1);
    const set = await setOf('some:1');
    const name = kind === 'Deployment' ? 'web' : set.metadata.name;
    const body = { metadata: { finalizers: ['example.org/hold'] } };
    await room.client.patch(kind, name, { type: 'merge', body }, { namespace });
    await room.client.delete(kind, name, { namespace });
    await relabel(set);
    expect(await ownersOf(set)).toEqual(['web']);
  });
});
