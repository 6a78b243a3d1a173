import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Pod } from '../../../shared/generated/types.ts';
import { ControllerRoom } from '../../../test/support/controller-room.ts';
import { createEphemeralVolumeController } from './controller.ts';

const namespace = 'default';
const spec = { accessModes: ['ReadWriteOnce' as const], resources: { requests: { storage: '1Gi' } } };
let room: ControllerRoom;
beforeEach(async () => {
  room = await ControllerRoom.start(createEphemeralVolumeController);
});
afterEach(() => room.stop());

async function pod(name: string): Promise<Pod> {
  const made = await room.client.create('Pod', {
    metadata: { name, namespace },
    spec: {
      containers: [{ name: 'app', image: 'app:1' }],
      volumes: [
        { name: 'scratch', ephemeral: { volumeClaimTemplate: { metadata: { labels: { of: 'scratch' } }, spec } } },
        { name: 'plain', emptyDir: {} },
      ],
    },
  });
  await room.advance();
  return made;
}

const claimNames = async (): Promise<string[]> =>
  (await room.client.list('PersistentVolumeClaim', { namespace })).items.map(({ metadata }) => metadata.name);

describe('the claim of a generic ephemeral volume', () => {
  it('is made of its template, named after pod and volume, and owned by the pod', async () => {
    const { metadata } = await pod('web');
    expect(await claimNames()).toEqual(['web-scratch']);
    const claim = await room.client.get('PersistentVolumeClaim', 'web-scratch', namespace);
    expect(claim.spec).toMatchObject(spec);
    expect(claim.metadata).toMatchObject({
      labels: { of: 'scratch' },
      ownerReferences: [
        { apiVersion: 'v1', kind: 'Pod', name: 'web', uid: metadata.uid, controller: true, blockOwnerDeletion: true },
      ],
    });
  });

  it('of the same name that is not the pod’s is left alone, and replaced once it is gone', async () => {
    await room.client.create('PersistentVolumeClaim', { metadata: { name: 'web-scratch', namespace }, spec });
    await pod('web');
    expect(room.events).toEqual([
      {
        about: 'web',
        type: 'Warning',
        reason: 'FailedBinding',
        message: 'ephemeral volume: PVC default/web-scratch was not created for pod default/web (pod is not owner)',
      },
    ]);
    await room.client.delete('PersistentVolumeClaim', 'web-scratch', { namespace });
    await room.client
      .patch(
        'PersistentVolumeClaim',
        'web-scratch',
        { type: 'merge', body: { metadata: { finalizers: null } } },
        { namespace },
      )
      .catch(() => undefined);
    await room.advance();
    const claim = await room.client.get('PersistentVolumeClaim', 'web-scratch', namespace);
    expect(claim.metadata.ownerReferences?.[0]?.name).toBe('web');
  });

  it('is not made again for a pod that has ended', async () => {
    const body = { status: { phase: 'Succeeded' } };
    await pod('web');
    await room.client.patch('Pod', 'web', { type: 'merge', body }, { namespace, subresource: 'status' });
    await room.client.delete('PersistentVolumeClaim', 'web-scratch', { namespace });
    await room.client
      .patch(
        'PersistentVolumeClaim',
        'web-scratch',
        { type: 'merge', body: { metadata: { finalizers: null } } },
        { namespace },
      )
      .catch(() => undefined);
    await room.advance();
    expect(await claimNames()).toEqual([]);
  });
});
