import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ControllerRevision, Pod, StatefulSet } from '../../../shared/generated/types.ts';
import type { ClientWrite } from '../../../test/support/braked-client.ts';
import { ControllerRoom } from '../../../test/support/controller-room.ts';
import { createGarbageCollector } from '../garbage-collector/controller.ts';
import { createClaimProtection } from '../volume-protection/claims.ts';
import { createStatefulSetController } from './controller.ts';

const namespace = 'default';
const labels = { app: 'db' };
const template = (image: string) => ({ metadata: { labels }, spec: { containers: [{ name: 'main', image }] } });
const claim = {
  metadata: { name: 'data' },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
};
const ready = [{ type: 'Ready', status: 'True', lastTransitionTime: '2020-01-01T00:00:00Z' }];

let room: ControllerRoom;
beforeEach(async () => {
  room = await ControllerRoom.start(createStatefulSetController, createGarbageCollector, createClaimProtection);
});
afterEach(() => room.stop());

async function create(more: object = {}, image = 'some:1'): Promise<StatefulSet> {
  const spec = {
    replicas: 3,
    serviceName: 'db',
    selector: { matchLabels: labels },
    template: template(image),
    ...more,
  };
  const made = await room.client.create('StatefulSet', { metadata: { name: 'db', namespace }, spec });
  await room.advance();
  return made;
}
const read = () => room.client.get('StatefulSet', 'db', namespace);
const pods = async (): Promise<Pod[]> => (await room.client.list('Pod', { namespace })).items;
const names = async () => (await pods()).map(({ metadata }) => metadata.name).sort();
const images = async () =>
  Object.fromEntries((await pods()).map(({ metadata, spec }) => [metadata.name, spec.containers[0]?.image]));
const claims = async () => (await room.client.list('PersistentVolumeClaim', { namespace })).items;
const revisions = async (): Promise<ControllerRevision[]> =>
  [...(await room.client.list('ControllerRevision', { namespace })).items].sort(
    (a, b) => (a.revision ?? 0) - (b.revision ?? 0),
  );
const change = async (spec: object) => {
  await room.client.patch('StatefulSet', 'db', { type: 'merge', body: { spec } }, { namespace });
  await room.advance();
};
const status = async (pod: Pod | undefined, next: object) => {
  await room.client.updateStatus('Pod', { ...pod, status: { ...pod?.status, ...next } } as Pod);
  await room.advance();
};

/** As agents would: pods become ready unless their image is broken. */
async function becomeReady(): Promise<void> {
  for (const pod of await pods()) {
    if (pod.spec.containers[0]?.image === 'broken' || pod.status?.phase === 'Running') continue;
    await status(pod, { phase: 'Running', conditions: ready });
  }
}
const settled = (check: () => Promise<unknown>, what: string) =>
  room.until(async () => {
    await becomeReady();
    return check();
  }, what);
const rolledOut = (image: string) =>
  settled(async () => {
    const all = Object.values(await images());
    const { status: now, spec } = await read();
    return all.length === spec.replicas && all.every((one) => one === image) && now?.readyReplicas === all.length;
  }, `rollout of ${image}`);

describe('a StatefulSet', () => {
  it('creates its pods in order, each with a stable name, hostname, subdomain, labels and claims', async () => {
    await create({ volumeClaimTemplates: [claim] });
    expect(await names()).toEqual(['db-0']);
    const [first] = await pods();
    const [revision] = await revisions();
    expect(first?.metadata.labels).toEqual({
      app: 'db',
      'statefulset.kubernetes.io/pod-name': 'db-0',
      'apps.kubernetes.io/pod-index': '0',
      'controller-revision-hash': revision?.metadata.name,
    });
    expect(first?.spec).toMatchObject({
      hostname: 'db-0',
      subdomain: 'db',
      volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data-db-0' } }],
    });
    expect((await claims()).map(({ metadata }) => metadata.name)).toEqual(['data-db-0']);
    expect(room.reasons('db')).toEqual(['SuccessfulCreate', 'SuccessfulCreate']);
    await settled(async () => (await names()).length === 3, 'all pods');
    await becomeReady();
    expect((await read()).status).toEqual({
      observedGeneration: 1,
      replicas: 3,
      readyReplicas: 3,
      availableReplicas: 3,
      currentReplicas: 3,
      updatedReplicas: 3,
      currentRevision: revision?.metadata.name,
      updateRevision: revision?.metadata.name,
      collisionCount: 0,
    });
  });

  it('rolls out a template, keeps both revisions, and rolls back to the first without a new one', async () => {
    await create();
    await rolledOut('some:1');
    const [first] = await revisions();
    await change({ template: template('some:2') });
    const [, second] = await revisions();
    expect((await read()).status).toMatchObject({
      currentRevision: first?.metadata.name,
      updateRevision: second?.metadata.name,
      currentReplicas: 2,
      updatedReplicas: 1,
    });
    await rolledOut('some:2');
    await room.advance(100);
    expect((await read()).status).toMatchObject({
      currentRevision: second?.metadata.name,
      updateRevision: second?.metadata.name,
      currentReplicas: 3,
      updatedReplicas: 3,
    });
    await room.client.patch('StatefulSet', 'db', { type: 'strategic', body: first?.data }, { namespace });
    await rolledOut('some:1');
    expect((await revisions()).map(({ metadata, revision }) => [metadata.name, revision])).toEqual([
      [second?.metadata.name, 2],
      [first?.metadata.name, 3],
    ]);
  });

  it('comes from a broken revision to its fix, and from a broken first one, with no pod deleted by hand', async () => {
    await create({}, 'broken');
    await change({ template: template('some:1') });
    await rolledOut('some:1');
    await change({ template: template('broken') });
    await room.until(async () => (await images())['db-2'] === 'broken', 'the broken revision');
    expect(await images()).toEqual({ 'db-0': 'some:1', 'db-1': 'some:1', 'db-2': 'broken' });
    await change({ template: template('some:1') });
    await rolledOut('some:1');
    await change({ template: template('broken') });
    await room.until(async () => (await images())['db-2'] === 'broken', 'the broken revision again');
    await change({ template: template('some:2') });
    await rolledOut('some:2');
  });

  it('keeps the revision of ordinals below the partition through changes of the template', async () => {
    await create({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 2 } } });
    await rolledOut('some:1');
    await change({ template: template('some:2') });
    await settled(async () => (await images())['db-2'] === 'some:2', 'the canary');
    // The controller sees both go at once: no pod of the revision is left.
    room.braked.watches.cut();
    for (const name of ['db-0', 'db-1']) await room.client.delete('Pod', name, { namespace, gracePeriodSeconds: 0 });
    await settled(async () => (await names()).length === 3, 'the pods again');
    expect(await images()).toEqual({ 'db-0': 'some:1', 'db-1': 'some:1', 'db-2': 'some:2' });
    await change({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } } });
    await rolledOut('some:2');
  });

  it('keeps as many old revisions as revisionHistoryLimit says, and those that pods have', async () => {
    await create({ replicas: 1, revisionHistoryLimit: 1 });
    for (const version of [1, 2, 3, 4]) {
      await change({ template: template(`some:${version}`) });
      await rolledOut(`some:${version}`);
    }
    await room.advance(1_000);
    expect((await revisions()).map(({ revision }) => revision)).toEqual([3, 4]);
  });

  it('adopts an orphan of its names and labels, gives it its labels, and releases pods that are not its', async () => {
    await room.client.create('Pod', {
      metadata: { name: 'db-0', namespace, labels },
      spec: { containers: [{ name: 'main', image: 'some:1' }] },
    });
    await create({ updateStrategy: { type: 'OnDelete' } });
    await settled(async () => (await names()).length === 3, 'all pods');
    const adopted = await room.client.get('Pod', 'db-0', namespace);
    expect(adopted.metadata.ownerReferences).toMatchObject([{ kind: 'StatefulSet', name: 'db', controller: true }]);
    expect(adopted.metadata.labels).toMatchObject({ 'apps.kubernetes.io/pod-index': '0' });
    const body = { metadata: { labels: { app: 'other' } } };
    await room.client.patch('Pod', 'db-1', { type: 'merge', body }, { namespace });
    await room.advance();
    // Released, it keeps the name: none is created beside it.
    expect((await room.client.get('Pod', 'db-1', namespace)).metadata.ownerReferences ?? []).toEqual([]);
    expect(room.reasons('db')).toContain('FailedCreate');
    await room.client.delete('Pod', 'db-1', { namespace, gracePeriodSeconds: 0 });
    await settled(async () => (await room.client.get('Pod', 'db-1', namespace)).metadata.ownerReferences, 'its own');
  });

  it('creates the successor of a pod that is being deleted only when it is gone', async () => {
    await create({ podManagementPolicy: 'Parallel' });
    await room.client.patch(
      'Pod',
      'db-1',
      { type: 'merge', body: { metadata: { finalizers: ['a.example/hold'] } } },
      { namespace },
    );
    const { metadata } = await room.client.get('Pod', 'db-1', namespace);
    await room.client.delete('Pod', 'db-1', { namespace, gracePeriodSeconds: 0 });
    await room.advance(5_000);
    expect((await room.client.get('Pod', 'db-1', namespace)).metadata.uid).toBe(metadata.uid);
    await room.client.patch('Pod', 'db-1', { type: 'merge', body: { metadata: { finalizers: null } } }, { namespace });
    await room.advance();
    expect((await room.client.get('Pod', 'db-1', namespace)).metadata.uid).not.toBe(metadata.uid);
  });

  it('deletes a pod once, though the informers have yet to show that, and no other meanwhile', async () => {
    await create({ podManagementPolicy: 'Parallel' });
    await rolledOut('some:1');
    const deleted: string[] = [];
    const match = ({ verb, kind, name }: ClientWrite): boolean => {
      if (verb === 'delete' && kind === 'Pod') deleted.push(name);
      return false;
    };
    room.braked.writes.fail({ match });
    const end = room.braked.watches.lose(({ kind, type }) => kind === 'Pod' && type === 'DELETED');
    for (const image of ['some:2', 'some:3']) await change({ template: template(image) });
    expect(deleted).toEqual(['db-2']);
    end();
    await rolledOut('some:3');
  });

  it('creates a failed pod again, with a backoff when it fails again, and says so', async () => {
    await create({ replicas: 1 });
    const fail = async () => {
      const [one] = await pods();
      await status(one, { phase: 'Failed' });
      return one?.metadata.uid;
    };
    const first = await fail();
    expect((await pods()).map(({ metadata }) => metadata.uid)).not.toContain(first);
    const second = await fail();
    expect((await pods()).map(({ metadata }) => metadata.uid)).toEqual([second]);
    await room.advance(1_000);
    expect((await pods()).map(({ metadata }) => metadata.uid)).not.toContain(second);
    expect(room.reasons('db')).toContain('RecreatingFailedPod');
  });

  it('counts a collision when another owner has the name of its revision, and goes on with another name', async () => {
    await create({ replicas: 1 });
    const name = (await revisions())[0]?.metadata.name ?? '';
    await room.client.delete('StatefulSet', 'db', { namespace });
    await room.advance(1_000);
    await room.client.create('ControllerRevision', {
      metadata: { name, namespace },
      data: { other: true },
      revision: 1,
    });
    await create({ replicas: 1 });
    await room.advance(1_000);
    expect((await read()).status?.collisionCount).toBe(1);
    expect(await names()).toEqual(['db-0']);
  });
});

describe('the claims of a StatefulSet', () => {
  const withClaims = (policy: object, more: object = {}) =>
    create({
      replicas: 2,
      podManagementPolicy: 'Parallel',
      volumeClaimTemplates: [claim],
      persistentVolumeClaimRetentionPolicy: policy,
      ...more,
    });
  const claimNames = async () => (await claims()).map(({ metadata }) => metadata.name).sort();

  it('stay when it is scaled down or deleted, unless its policy says otherwise', async () => {
    await withClaims({ whenDeleted: 'Retain', whenScaled: 'Retain' });
    await change({ replicas: 1 });
    await room.client.delete('StatefulSet', 'db', { namespace });
    await room.advance(1_000);
    expect([await names(), await claimNames()]).toEqual([[], ['data-db-0', 'data-db-1']]);
  });

  it('go with their pod with whenScaled, and with the set with whenDeleted', async () => {
    await withClaims({ whenDeleted: 'Delete', whenScaled: 'Delete' });
    expect((await claims())[0]?.metadata.ownerReferences).toMatchObject([{ kind: 'StatefulSet' }]);
    await change({ replicas: 1 });
    await room.advance(1_000);
    expect([await names(), await claimNames()]).toEqual([['db-0'], ['data-db-0']]);
    await room.client.delete('StatefulSet', 'db', { namespace });
    await room.advance(1_000);
    expect([await names(), await claimNames()]).toEqual([[], []]);
  });

  it('of a pod that was scaled away are gone before the pod is created again', async () => {
    await withClaims({ whenDeleted: 'Retain', whenScaled: 'Delete' });
    const old = await room.client.get('PersistentVolumeClaim', 'data-db-1', namespace);
    const held = room.braked.writes.hold({
      match: ({ verb, kind }) => verb === 'delete' && kind === 'PersistentVolumeClaim',
    });
    await change({ replicas: 1 });
    await held.arrived;
    await change({ replicas: 2 });
    await room.advance(1_000);
    expect(await names()).toEqual(['db-0']);
    held.release();
    await room.advance(1_000);
    expect(await names()).toEqual(['db-0', 'db-1']);
    const { metadata } = await room.client.get('PersistentVolumeClaim', 'data-db-1', namespace);
    expect(metadata.uid).not.toBe(old.metadata.uid);
  });

  it('follow a change of the policy, and are created again while their pod is pending', async () => {
    await withClaims({ whenDeleted: 'Retain', whenScaled: 'Retain' });
    await change({ persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete', whenScaled: 'Retain' } });
    const owners = (await claims()).map(({ metadata }) => metadata.ownerReferences?.map(({ kind }) => kind));
    expect(owners).toEqual([['StatefulSet'], ['StatefulSet']]);
    await room.client.delete('PersistentVolumeClaim', 'data-db-1', { namespace });
    await room.advance();
    expect(await claimNames()).toEqual(['data-db-0', 'data-db-1']);
  });
});
