import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Pod } from '../../../shared/generated/types.ts';
import { annotations } from '../../../shared/storage/claims.ts';
import { localVolumeFinalizer } from '../../../shared/storage/local.ts';
import { ControllerRoom } from '../../../test/support/controller-room.ts';
import { claimOf, immediateClass, onNodes, storageNode, volumeOf } from '../../../test/support/volumes.ts';
import { createLocalProvisioner } from '../local-provisioner/controller.ts';
import { createClaimProtection } from '../volume-protection/claims.ts';
import { createVolumeProtection } from '../volume-protection/volumes.ts';
import { createPersistentVolumeController } from './controller.ts';

let room: ControllerRoom;

beforeEach(async () => {
  room = await ControllerRoom.start(
    createPersistentVolumeController,
    createLocalProvisioner,
    createClaimProtection,
    createVolumeProtection,
  );
});

afterEach(() => room.stop());

const claim = (name: string) => room.client.get('PersistentVolumeClaim', name, 'default');
const volume = (name: string) => room.client.get('PersistentVolume', name);
const gone = async (read: Promise<unknown>) =>
  read.then(
    () => false,
    () => true,
  );
const make = async (...claims: ReturnType<typeof claimOf>[]) => {
  for (const one of claims) await room.client.create('PersistentVolumeClaim', one);
};
const offer = async (...volumes: ReturnType<typeof volumeOf>[]) => {
  for (const one of volumes) await room.client.create('PersistentVolume', one);
};
const node = async (name: string) => {
  const { status, ...draft } = storageNode(name);
  const made = await room.client.create('Node', draft);
  await room.client.updateStatus('Node', { ...made, ...(status ? { status } : {}) });
};
const select = (name: string, on: string) =>
  room.client.patch(
    'PersistentVolumeClaim',
    name,
    { type: 'merge', body: { metadata: { annotations: { [annotations.selectedNode]: on } } } },
    { namespace: 'default' },
  );
const remove = async (name: string) => {
  await room.client.delete('PersistentVolumeClaim', name, { namespace: 'default' });
  await room.advance();
};

it('binds a claim to the smallest volume that fits, and says so on both', async () => {
  const size = (storage: string) => ({ capacity: { storage } });
  await offer(volumeOf('small', size('512Mi')), volumeOf('large', size('5Gi')), volumeOf('right', size('2Gi')));
  await room.advance();
  expect((await volume('right')).status?.phase).toBe('Available');
  await make(claimOf('data'));
  await room.advance();
  const bound = await claim('data');
  expect(bound.spec.volumeName).toBe('right');
  expect(bound.metadata.annotations).toEqual({
    [annotations.bindCompleted]: 'yes',
    [annotations.boundByController]: 'yes',
  });
  expect(bound.status).toEqual({ phase: 'Bound', accessModes: ['ReadWriteOnce'], capacity: { storage: '2Gi' } });
  const taken = await volume('right');
  expect(taken.status?.phase).toBe('Bound');
  expect(taken.spec.claimRef).toMatchObject({ namespace: 'default', name: 'data', uid: bound.metadata.uid });
  expect(taken.metadata.annotations).toEqual({ [annotations.boundByController]: 'yes' });
});

it('binds a claim that waited as soon as a volume of its class is there', async () => {
  await make(claimOf('data'));
  await room.advance();
  expect((await claim('data')).status?.phase).toBe('Pending');
  await offer(volumeOf('other', { storageClassName: 'other' }), volumeOf('mine'));
  await room.advance();
  expect((await claim('data')).spec.volumeName).toBe('mine');
  expect((await volume('other')).status?.phase).toBe('Available');
});

it('honours the selector, the access modes, the name and the reservation', async () => {
  await offer(
    volumeOf('plain'),
    volumeOf('fast', {}, { labels: { speed: 'fast' } }),
    volumeOf('shared', { accessModes: ['ReadWriteMany', 'ReadWriteOnce'] }),
    volumeOf('named', { capacity: { storage: '9Gi' } }),
    volumeOf('reserved', { capacity: { storage: '8Gi' }, claimRef: { namespace: 'default', name: 'e' } }),
  );
  await make(
    claimOf('a', { selector: { matchLabels: { speed: 'fast' } } }),
    claimOf('b', { accessModes: ['ReadWriteMany'] }),
    claimOf('c', { volumeName: 'named' }),
    claimOf('d', { volumeName: 'reserved' }),
    claimOf('e'),
  );
  await room.advance(1_000);
  const chosen = async (name: string) => (await claim(name)).spec.volumeName;
  expect(await Promise.all(['a', 'b', 'c', 'e'].map(chosen))).toEqual(['fast', 'shared', 'named', 'reserved']);
  expect((await claim('d')).status?.phase).toBe('Pending');
  expect(room.reasons('d')).toContain('FailedBinding');
  expect((await claim('c')).metadata.annotations).toEqual({ [annotations.bindCompleted]: 'yes' });
});

it('never binds two claims to one volume', async () => {
  await offer(volumeOf('one'));
  await make(...['a', 'b', 'c', 'd'].map((name) => claimOf(name)));
  await room.advance(5_000);
  const { items } = await room.client.list('PersistentVolumeClaim', { namespace: 'default' });
  expect(items.filter(({ spec }) => spec.volumeName)).toHaveLength(1);
});

it('says what a claim waits for', async () => {
  await make(claimOf('bare', { storageClassName: '' }), claimOf('lost', { storageClassName: 'absent' }));
  await make(claimOf('later', { storageClassName: 'local' }));
  await offer(volumeOf('tiny', { capacity: { storage: '1Mi' } }));
  await make(claimOf('picky', { volumeName: 'tiny' }));
  await room.advance();
  expect(room.events.filter(({ about }) => about !== 'tiny')).toEqual(
    expect.arrayContaining([
      {
        about: 'bare',
        type: 'Normal',
        reason: 'FailedBinding',
        message: 'no persistent volumes available for this claim and no storage class is set',
      },
      {
        about: 'lost',
        type: 'Warning',
        reason: 'ProvisioningFailed',
        message: 'storageclass.storage.k8s.io "absent" not found',
      },
      {
        about: 'later',
        type: 'Normal',
        reason: 'WaitForFirstConsumer',
        message: 'waiting for first consumer to be created before binding',
      },
      {
        about: 'picky',
        type: 'Warning',
        reason: 'VolumeMismatch',
        message: 'Cannot bind to requested volume "tiny": requested PV is too small',
      },
    ]),
  );
});

it('a claim whose volume is gone is Lost', async () => {
  await offer(volumeOf('v'));
  await make(claimOf('data'));
  await room.advance();
  await room.client.delete('PersistentVolume', 'v');
  await room.advance();
  expect((await volume('v')).metadata.deletionTimestamp).toBeDefined();
  const body = { metadata: { finalizers: null } };
  await room.client.patch('PersistentVolume', 'v', { type: 'merge', body });
  await room.advance();
  expect((await claim('data')).status?.phase).toBe('Lost');
  expect(room.reasons('data')).toContain('ClaimLost');
});

it('keeps a released volume of policy Retain, and says that nothing deletes one that no provisioner made', async () => {
  await offer(volumeOf('kept'), volumeOf('dropped', { persistentVolumeReclaimPolicy: 'Delete' }));
  await make(claimOf('a', { volumeName: 'kept' }), claimOf('b', { volumeName: 'dropped' }));
  await room.advance();
  await remove('a');
  await remove('b');
  expect((await volume('kept')).status?.phase).toBe('Released');
  expect((await volume('dropped')).status).toMatchObject({ phase: 'Failed', reason: 'VolumeFailedDelete' });
  await make(claimOf('a2'));
  await room.advance();
  expect((await claim('a2')).status?.phase).toBe('Pending');
});

it('makes the local volume of a claim on the node that the scheduler selected', async () => {
  await node('n1');
  await make(claimOf('data', { storageClassName: undefined } as object));
  await room.advance();
  expect((await claim('data')).spec).toMatchObject({ storageClassName: 'local' });
  await select('data', 'n1');
  await room.advance();
  const { metadata, spec, status } = await claim('data');
  expect(spec.volumeName).toBe(`pvc-${metadata.uid}`);
  expect(status).toMatchObject({ phase: 'Bound', capacity: { storage: '1Gi' } });
  expect((await volume(`pvc-${metadata.uid}`)).spec).toMatchObject({
    local: { path: `/var/lib/coracle/volumes/pvc-${metadata.uid}` },
    persistentVolumeReclaimPolicy: 'Delete',
    storageClassName: 'local',
    ...onNodes('n1'),
  });
  expect(room.reasons('data')).toContain('ProvisioningSucceeded');
});

it('gives the choice of a node back to the scheduler when the node is gone', async () => {
  await make(claimOf('data', { storageClassName: 'local' }));
  await select('data', 'nowhere');
  await room.advance();
  expect((await claim('data')).metadata.annotations?.[annotations.selectedNode]).toBeUndefined();
  expect(room.reasons('data')).toContain('ProvisioningFailed');
});

it('spreads volumes that are made at once over the nodes', async () => {
  await node('n1');
  await node('n2');
  await room.client.create('StorageClass', immediateClass);
  for (const name of ['a', 'b']) {
    await make(claimOf(name, { storageClassName: 'immediate' }));
    await room.advance();
  }
  const { items } = await room.client.list('PersistentVolume');
  const hosts = items.map(
    ({ spec }) => spec.nodeAffinity?.required?.nodeSelectorTerms[0]?.matchExpressions?.[0]?.values?.[0],
  );
  expect(hosts.sort()).toEqual(['n1', 'n2']);
});

it('refuses by name what a directory cannot be', async () => {
  await node('n1');
  await room.client.create('StorageClass', immediateClass);
  const of = (spec: object) => ({ storageClassName: 'immediate', ...spec });
  await make(claimOf('block', of({ volumeMode: 'Block' })), claimOf('many', of({ accessModes: ['ReadWriteMany'] })));
  await room.advance();
  const messages = room.events.filter(({ reason }) => reason === 'ProvisioningFailed').map(({ message }) => message);
  expect(messages.join('\n')).toContain('makes no volumes of volumeMode Block');
  expect(messages.join('\n')).toContain('makes no volumes of access mode ReadWriteMany');
});

it('deletes a local volume once its claim is gone and no pod uses it; its node removes the data first', async () => {
  await node('n1');
  await make(claimOf('data', { storageClassName: 'local' }));
  await select('data', 'n1');
  await room.advance();
  const name = (await claim('data')).spec.volumeName ?? '';
  const volumes = [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }];
  const spec = { containers: [{ name: 'c', image: 'i' }], nodeName: 'n1', volumes };
  await room.client.create('Pod', { metadata: { name: 'p', namespace: 'default' }, spec } as unknown as Pod);
  await room.advance();
  await remove('data');
  expect((await claim('data')).metadata.deletionTimestamp).toBeDefined();
  expect((await volume(name)).status?.phase).toBe('Bound');
  await room.client.delete('Pod', 'p', { namespace: 'default', gracePeriodSeconds: 0 });
  await room.advance();
  expect(await gone(claim('data'))).toBe(true);
  const { metadata, status } = await volume(name);
  expect(status?.phase).toBe('Released');
  expect([metadata.deletionTimestamp === undefined, metadata.finalizers]).toEqual([false, [localVolumeFinalizer]]);
  await room.client.delete('Node', 'n1');
  await room.advance();
  expect(await gone(volume(name))).toBe(true);
  expect(room.reasons(name)).toContain('VolumeAbandoned');
});

it('grows a local volume with its claim', async () => {
  await node('n1');
  await make(claimOf('data', { storageClassName: 'local' }));
  await select('data', 'n1');
  await room.advance();
  const body = { spec: { resources: { requests: { storage: '3Gi' } } } };
  await room.client.patch('PersistentVolumeClaim', 'data', { type: 'merge', body }, { namespace: 'default' });
  await room.advance();
  const { spec, status } = await claim('data');
  expect(status?.capacity).toEqual({ storage: '3Gi' });
  expect((await volume(spec.volumeName ?? '')).spec.capacity).toEqual({ storage: '3Gi' });
  expect(room.reasons('data')).toContain('VolumeResizeSuccessful');
});

it('refuses growth where the class does not allow it', async () => {
  await offer(volumeOf('v'));
  await make(claimOf('data'));
  await room.advance();
  const body = { spec: { resources: { requests: { storage: '3Gi' } } } };
  const grow = room.client.patch('PersistentVolumeClaim', 'data', { type: 'merge', body }, { namespace: 'default' });
  await expect(grow).rejects.toThrow('only dynamically provisioned pvc can be resized');
});
