import { describe, expect, it } from 'vitest';
import { admitted, faults, updateFaults } from '../../../test/support/kind-rules.ts';
import { kindNamed } from '../index.ts';

describe('StorageClass', () => {
  const provisioner = 'example.com/disk';

  it('deletes released volumes and provisions immediately, by default', () => {
    expect(admitted('StorageClass', { provisioner })).toMatchObject({
      reclaimPolicy: 'Delete',
      volumeBindingMode: 'Immediate',
    });
    expect(faults('StorageClass', {})).toEqual(['provisioner: Required value']);
  });

  it('has immutable parameters', () => {
    const after = { provisioner: 'example.com/other', parameters: { a: 'b' }, reclaimPolicy: 'Retain' };
    expect(updateFaults('StorageClass', { provisioner }, after)).toEqual([
      'parameters: Forbidden: updates to parameters are forbidden.',
      'provisioner: Forbidden: updates to provisioner are forbidden.',
      'reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden.',
    ]);
    expect(updateFaults('StorageClass', { provisioner }, { provisioner, allowVolumeExpansion: true })).toEqual([]);
  });

  it('shows that it is the default one', () => {
    const annotations = { 'storageclass.kubernetes.io/is-default-class': 'true' };
    const object = admitted('StorageClass', { provisioner, metadata: { name: 'fast', annotations } });
    const [name] = kindNamed('StorageClass').columns;
    expect(name?.value(object, 0)).toBe('fast (default)');
  });
});

describe('VolumeAttachment', () => {
  const spec = { attacher: 'disk.example.com', nodeName: 'node-1', source: { persistentVolumeName: 'pv' } };

  it('is of one volume, and never of another', () => {
    expect(faults('VolumeAttachment', { spec })).toEqual([]);
    expect(faults('VolumeAttachment', { spec: { ...spec, source: {} } })).toEqual([
      'spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName',
    ]);
    const other = { ...spec, nodeName: 'node-2' };
    expect(updateFaults('VolumeAttachment', { spec }, { spec: other })).toEqual([
      `spec: Invalid value: ${JSON.stringify(other)}: field is immutable`,
    ]);
  });
});

describe('CSIDriver and CSINode', () => {
  it('show how a driver is used, including defaults', () => {
    expect(admitted('CSIDriver', {}).spec).toEqual({
      attachRequired: true,
      podInfoOnMount: false,
      storageCapacity: false,
      fsGroupPolicy: 'ReadWriteOnceWithFSType',
      requiresRepublish: false,
      seLinuxMount: false,
      volumeLifecycleModes: ['Persistent'],
    });
  });

  it('ask for one token of an audience', () => {
    const tokenRequests = [{ audience: 'a' }, { audience: 'a' }, { audience: 'b', expirationSeconds: 1 }];
    expect(faults('CSIDriver', { spec: { tokenRequests, volumeLifecycleModes: ['Forever'] } })).toEqual([
      'spec.tokenRequests[1].audience: Duplicate value: "a"',
      'spec.tokenRequests[2].expirationSeconds: Invalid value: 1: may not specify a duration less than 10 minutes',
      'spec.volumeLifecycleModes: Unsupported value: "Forever": supported values: "Persistent", "Ephemeral"',
    ]);
  });

  it('have immutable fields that pods rely on', () => {
    expect(updateFaults('CSIDriver', {}, { spec: { attachRequired: false } })).toEqual([
      'spec.attachedRequired: Invalid value: false: field is immutable',
    ]);
    const driver = { name: 'disk.example.com', nodeID: 'a' };
    const changed = { spec: { drivers: [{ ...driver, nodeID: 'b' }] } };
    expect(updateFaults('CSINode', { spec: { drivers: [driver] } }, changed)).toHaveLength(1);
    expect(updateFaults('CSINode', { spec: { drivers: [driver] } }, { spec: {} })).toEqual([]);
    expect(faults('CSINode', { spec: { drivers: [driver, driver] } })).toEqual([
      'spec.drivers[1].name: Duplicate value: "disk.example.com"',
    ]);
  });
});
