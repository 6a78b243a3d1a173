import { describe, expect, it } from 'vitest';
import type { PersistentVolume } from '../../../shared/generated/types.ts';
import {
  deletedVolumeOf,
  nodeVolumeOf,
  parseDeletedVolume,
  parseNodeClaim,
  parseNodeVolume,
} from '../../../shared/storage/node-volumes.ts';

const metadata = { name: 'pvc-1', uid: 'u1', resourceVersion: '1', creationTimestamp: '' };
const affinity = (...values: string[]) => ({
  required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values }] }] },
});
const deleted = {
  metadata: { ...metadata, deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: ['coracle.io/local-volume'] },
  spec: {
    local: { path: '/vol/pvc-1' },
    persistentVolumeReclaimPolicy: 'Delete',
    nodeAffinity: affinity('n1'),
    claimRef: { namespace: 'default', name: 'data', uid: 'c1' },
    accessModes: ['ReadWriteOnce'],
  },
  status: { phase: 'Released' },
} as unknown as PersistentVolume;
const withMetadata = (more: object): PersistentVolume => ({ ...deleted, metadata: { ...deleted.metadata, ...more } });
const withSpec = (more: object): PersistentVolume => ({ ...deleted, spec: { ...deleted.spec, ...more } });

describe('the data of a volume', () => {
  it('is deleted by the node on which it lies', () => {
    expect(deletedVolumeOf('n1', deleted)).toEqual({ uid: 'u1', path: '/vol/pvc-1', claim: 'default/data' });
    expect(deletedVolumeOf('n2', deleted)).toBeUndefined();
  });

  it.each([
    ['is not being deleted', withMetadata({ deletionTimestamp: undefined })],
    ['has lost the finalizer', withMetadata({ finalizers: [] })],
    ['is protected', withMetadata({ finalizers: ['coracle.io/local-volume', 'kubernetes.io/pv-protection'] })],
    ['is bound', { ...deleted, status: { phase: 'Bound' } } as PersistentVolume],
    ['is retained', withSpec({ persistentVolumeReclaimPolicy: 'Retain' })],
    ['is reached from several nodes', withSpec({ nodeAffinity: affinity('n1', 'n2') })],
    ['is not a local volume', withSpec({ local: undefined, hostPath: { path: '/vol/pvc-1' } })],
  ])('is kept while the volume %s', (_why, volume) => {
    expect(deletedVolumeOf('n1', volume)).toBeUndefined();
  });
});

describe('what a node is sent of volumes', () => {
  it('is read as it was sent', () => {
    const sources = [
      { local: { path: '/vol/pvc-1' } },
      { hostPath: { path: '/srv' } },
      { nfs: { server: 's', path: '/export', readOnly: true } },
      { iscsi: { targetPortal: 'a', iqn: 'b', lun: 0 } },
    ];
    for (const source of sources) {
      const sent = nodeVolumeOf(withSpec({ local: undefined, mountOptions: ['hard'], ...source }));
      const read = parseNodeVolume(JSON.parse(JSON.stringify(sent)));
      expect(parseNodeVolume(read)).toEqual(read);
      expect(read).toMatchObject({ source: sent.source, mountOptions: ['hard'], claimUid: 'c1' });
    }
    expect(nodeVolumeOf(withSpec({ local: undefined, ...sources[3] })).source).toEqual({
      type: 'unsupported',
      name: 'iscsi',
    });
  });

  it('is refused where it is something else', () => {
    const bad = [undefined, null, 'x', [], {}, { uid: 1 }];
    for (const parse of [parseNodeClaim, parseNodeVolume, parseDeletedVolume]) {
      for (const value of bad) expect(() => parse(value)).toThrow('does not hold a volume');
    }
    const sent = nodeVolumeOf(deleted);
    for (const more of [{ source: { type: 'tape' } }, { affinity: {} }, { accessModes: 'x' }, { mountOptions: [1] }]) {
      expect(() => parseNodeVolume({ ...sent, ...more })).toThrow('does not hold a volume');
    }
  });
});
