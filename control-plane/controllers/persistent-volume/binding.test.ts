import fc from 'fast-check';
import { expect, it } from 'vitest';
import { compareQuantities } from '../../../shared/quantity.ts';
import { isFullyBound } from '../../../shared/storage/claims.ts';
import { requestOf, sizeOf } from '../../../shared/storage/matching.ts';
import { ControllerRoom } from '../../../test/support/controller-room.ts';
import { claimOf, volumeOf } from '../../../test/support/volumes.ts';
import { createVolumeProtection } from '../volume-protection/volumes.ts';
import { createPersistentVolumeController } from './controller.ts';

const size = fc.constantFrom('1Gi', '2Gi', '3Gi');
const claimName = fc.constantFrom('a', 'b', 'c');
const volumeName = fc.constantFrom('v1', 'v2', 'v3');
const step = fc.oneof(
  fc.record({ do: fc.constant('claim' as const), name: claimName, storage: size, volume: fc.option(volumeName) }),
  fc.record({ do: fc.constant('volume' as const), name: volumeName, storage: size, claim: fc.option(claimName) }),
  fc.record({ do: fc.constant('unclaim' as const), name: claimName }),
  fc.record({ do: fc.constant('withdraw' as const), name: volumeName }),
  fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 50) }),
  fc.record({ do: fc.constant('fail' as const), writes: fc.integer({ min: 1, max: 3 }), applied: fc.boolean() }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

async function take(room: ControllerRoom, one: Step): Promise<void> {
  const { client } = room;
  const ignore = () => undefined;
  switch (one.do) {
    case 'claim': {
      const spec = {
        resources: { requests: { storage: one.storage } },
        ...(one.volume ? { volumeName: one.volume } : {}),
      };
      await client.create('PersistentVolumeClaim', claimOf(one.name, spec)).catch(ignore);
      return;
    }
    case 'volume': {
      const claimRef = one.claim ? { claimRef: { namespace: 'default', name: one.claim } } : {};
      await client
        .create('PersistentVolume', volumeOf(one.name, { capacity: { storage: one.storage }, ...claimRef }))
        .catch(ignore);
      return;
    }
    case 'unclaim':
      await client.delete('PersistentVolumeClaim', one.name, { namespace: 'default' }).catch(ignore);
      await client
        .patch(
          'PersistentVolumeClaim',
          one.name,
          { type: 'merge', body: { metadata: { finalizers: null } } },
          { namespace: 'default' },
        )
        .catch(ignore);
      return;
    case 'withdraw':
      await client.delete('PersistentVolume', one.name).catch(ignore);
      return;
    case 'wait':
      await room.advance(one.ms);
      return;
    case 'fail':
      room.braked.writes.fail({ times: one.writes, applied: one.applied });
      return;
  }
}

/** Each volume belongs to one claim at most, each claim to one volume, and no claim has less than it asked for. */
async function check(room: ControllerRoom): Promise<void> {
  const { items: claims } = await room.client.list('PersistentVolumeClaim', {});
  const { items: volumes } = await room.client.list('PersistentVolume', {});
  const named = claims.filter(isFullyBound).map(({ spec }) => spec.volumeName);
  expect(new Set(named).size).toBe(named.length);
  for (const claim of claims.filter(isFullyBound)) {
    const volume = volumes.find(({ metadata }) => metadata.name === claim.spec.volumeName);
    if (!volume || claim.status?.phase === 'Lost') continue;
    if (volume.spec.claimRef?.uid !== claim.metadata.uid) continue;
    expect(compareQuantities(sizeOf(volume), requestOf(claim))).toBeGreaterThanOrEqual(0);
  }
}

it('a volume is bound to one claim at most and back, and never to one that asks for more, whatever fails', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const room = await ControllerRoom.start(createPersistentVolumeController, createVolumeProtection);
      try {
        for (const one of steps) {
          await take(room, one);
          await check(room);
        }
        await room.advance(60_000);
        await check(room);
        const { items: claims } = await room.client.list('PersistentVolumeClaim', {});
        const { items: volumes } = await room.client.list('PersistentVolume', {});
        for (const { metadata, spec, status } of volumes.filter(({ status }) => status?.phase === 'Bound')) {
          const owner = claims.find(({ metadata: { uid } }) => uid === spec.claimRef?.uid);
          expect([owner?.spec.volumeName, owner?.status?.phase, status?.phase]).toEqual([
            metadata.name,
            'Bound',
            'Bound',
          ]);
        }
        for (const claim of claims.filter(({ status }) => status?.phase === 'Pending' && !status.conditions)) {
          const free = volumes.filter(
            ({ metadata, spec, status }) =>
              status?.phase === 'Available' &&
              !metadata.deletionTimestamp &&
              !spec.claimRef &&
              (!claim.spec.volumeName || claim.spec.volumeName === metadata.name),
          );
          for (const volume of free) expect(compareQuantities(sizeOf(volume), requestOf(claim))).toBeLessThan(0);
        }
      } finally {
        await room.stop();
      }
    }),
    { numRuns: 60 },
  );
}, 60_000);
