import { describe, expect, it } from 'vitest';
import { admitted, faults, updateFaults, writtenPart } from '../../../test/support/kind-rules.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../generated/types.ts';
import { kindNamed } from '../index.ts';

const claim = (more: object = {}, storage = '1Gi') => ({
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } }, ...more },
});
const volume = (more: object = {}) => ({
  spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, hostPath: { path: '/data' }, ...more },
});

it('records when a volume entered its phase', () => {
  const creationTimestamp = '2024-01-01T00:00:00Z';
  const old = admitted('PersistentVolume', {
    ...volume(),
    metadata: { name: 'v', creationTimestamp },
  }) as PersistentVolume;
  expect(old.status).toEqual({ phase: 'Pending', lastPhaseTransitionTime: creationTimestamp });
  const now = Date.parse('2024-01-02T00:00:00Z');
  const bound = { ...old, status: { ...old.status, phase: 'Bound' } };
  expect(writtenPart('status', old, bound, now).object.status?.lastPhaseTransitionTime).toBe('2024-01-02T00:00:00Z');
  expect(writtenPart('status', old, old, now).object.status?.lastPhaseTransitionTime).toBe(creationTimestamp);
});

describe('a claim', () => {
  it('waits for a file system, from what it is copied from in either spelling', () => {
    const dataSource = { apiGroup: 'snapshot.storage.k8s.io', kind: 'VolumeSnapshot', name: 's' };
    const object = admitted('PersistentVolumeClaim', claim({ dataSource })) as PersistentVolumeClaim;
    expect(object.spec).toMatchObject({ volumeMode: 'Filesystem', dataSource, dataSourceRef: dataSource });
    expect(object.status).toEqual({ phase: 'Pending' });
  });

  it.each<[string, object, string[]]>([
    [
      'no mode and no size',
      { spec: {} },
      [
        'spec.accessModes: Required value: at least 1 access mode is required',
        'spec.resources[storage]: Required value',
      ],
    ],
    ['nothing to store', claim({}, '0'), ['spec.resources[storage]: Invalid value: "0": must be greater than zero']],
    [
      'one pod, and others',
      claim({ accessModes: ['ReadWriteOncePod', 'ReadWriteMany'] }),
      ['spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes'],
    ],
    [
      'an unknown mode',
      claim({ volumeMode: 'Tape' }),
      ['spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"'],
    ],
  ])('is refused with %s', (_what, body, expected) => {
    expect(faults('PersistentVolumeClaim', body)).toEqual(expected);
  });

  it('keeps its wish, but may be given a volume', () => {
    const wish = claim({ storageClassName: 'fast' });
    expect(updateFaults('PersistentVolumeClaim', wish, claim({ storageClassName: 'fast', volumeName: 'v' }))).toEqual(
      [],
    );
    expect(updateFaults('PersistentVolumeClaim', wish, claim({ storageClassName: 'slow' }))).toEqual([
      'spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims',
    ]);
    expect(updateFaults('PersistentVolumeClaim', wish, claim({ storageClassName: 'fast' }, '2Gi'))).toHaveLength(1);
  });

  it('may grow once it is bound, and not shrink', () => {
    const { strategy } = kindNamed('PersistentVolumeClaim');
    const bound = (storage: string) => {
      const object = admitted('PersistentVolumeClaim', claim({ volumeName: 'v' }, storage));
      return { ...object, status: { phase: 'Bound', capacity: { storage: '1Gi' } } };
    };
    const grown: object[] = [];
    strategy.validateUpdate?.(bound('2Gi'), bound('1Gi'), grown);
    expect(grown).toEqual([]);
    const shrunk: Array<{ message?: string }> = [];
    strategy.validateUpdate?.(bound('500Mi'), bound('1Gi'), shrunk);
    expect(shrunk.map(({ message }) => message)).toEqual(['Forbidden: field can not be less than status.capacity']);
  });
});

describe('a volume', () => {
  it.each<[string, object, string[]]>([
    ['no place', volume({ hostPath: undefined }), ['spec: Required value: must specify a volume type']],
    [
      'two places',
      volume({ nfs: { server: 's', path: '/' } }),
      ['spec.nfs: Forbidden: may not specify more than 1 volume type'],
    ],
    [
      'a local disk of no node',
      volume({ hostPath: undefined, local: { path: '/d' } }),
      ['spec.nodeAffinity: Required value: Local volume requires node affinity'],
    ],
    [
      'something else than a size',
      volume({ capacity: { cpu: '1' } }),
      ['spec.capacity: Unsupported value: {"cpu":"1"}: supported values: "storage"'],
    ],
    [
      'a way up',
      volume({ hostPath: { path: '/a/../b' } }),
      ['spec.hostPath.path: Invalid value: "/a/../b": must not contain \'..\''],
    ],
  ])('is refused with %s', (_what, body, expected) => {
    expect(faults('PersistentVolume', body)).toEqual(expected);
  });

  it('stays where it lies', () => {
    expect(updateFaults('PersistentVolume', volume(), volume({ hostPath: { path: '/other' } }))).toEqual([
      'spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation',
    ]);
    expect(updateFaults('PersistentVolume', volume(), volume({ capacity: { storage: '2Gi' } }))).toEqual([]);
  });

  it('shows its modes in short', () => {
    const object = admitted('PersistentVolume', volume({ accessModes: ['ReadWriteMany', 'ReadWriteOnce'] }));
    expect(kindNamed('PersistentVolume').columns[2]?.value(object, 0)).toBe('RWO,RWX');
  });
});
