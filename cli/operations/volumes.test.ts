import { expect, it } from 'vitest';
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../../shared/generated/types.ts';
import { volumeRows } from './volumes.ts';

const metadata = (name: string, more: object = {}) => ({ name, uid: `u-${name}`, resourceVersion: '1', ...more });
const namespace = 'shop';
const affinity = {
  required: {
    nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['n1'] }] }],
  },
};
const claim = (name: string, volumeName?: string) =>
  ({
    metadata: metadata(name, { namespace }),
    spec: { volumeName, resources: { requests: { storage: '1Gi' } } },
    status: { phase: volumeName ? 'Bound' : 'Pending' },
  }) as unknown as PersistentVolumeClaim;
const volume = (name: string, of: string, spec: object) =>
  ({
    metadata: metadata(name),
    spec: { capacity: { storage: '2Gi' }, claimRef: { uid: `u-${of}` }, ...spec },
    status: { phase: 'Released' },
  }) as unknown as PersistentVolume;
const pod = (name: string, claimName: string, phase: string) =>
  ({
    metadata: metadata(name, { namespace }),
    spec: { containers: [], volumes: [{ name: 'data', persistentVolumeClaim: { claimName } }] },
    status: { phase },
  }) as unknown as Pod;

it('a claim shows where its data lies and which pods use it; with all namespaces, data without a claim follows', () => {
  const claims = [claim('db', 'pvc-1'), claim('shared', 'pv-nfs'), claim('new')];
  const volumes = [
    volume('pvc-1', 'db', { local: { path: '/vol/pvc-1' }, nodeAffinity: affinity }),
    volume('pv-nfs', 'shared', { nfs: { server: 'filer', path: '/export' } }),
    volume('pvc-0', 'gone', { local: { path: '/vol/pvc-0' }, nodeAffinity: affinity }),
  ];
  const pods = [pod('db-0', 'db', 'Running'), pod('old', 'db', 'Succeeded'), pod('other', 'new', 'Pending')];
  const rows = [
    ['db', 'Bound', 'pvc-1', '2Gi', 'n1', '/vol/pvc-1', 'db-0'],
    ['shared', 'Bound', 'pv-nfs', '2Gi', '<any>', 'filer:/export', '<none>'],
    ['new', 'Pending', '<none>', '1Gi', '<none>', '<none>', 'other'],
  ];
  expect(volumeRows(claims, volumes, pods, false)).toEqual(rows);
  expect(volumeRows(claims, volumes, pods, true)).toEqual([
    ...rows.map((row) => [namespace, ...row]),
    ['<none>', '<none>', 'Released', 'pvc-0', '2Gi', 'n1', '/vol/pvc-0', '<none>'],
  ]);
});
