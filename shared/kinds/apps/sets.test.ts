import { describe, expect, it } from 'vitest';
import { admitted, faults, updateFaults } from '../../../test/support/kind-rules.ts';
import type { DaemonSet, StatefulSet } from '../../generated/types.ts';

const selector = { matchLabels: { app: 'a' } };
const template = (image = 'app:1') => ({
  metadata: { labels: { app: 'a' } },
  spec: { containers: [{ name: 'app', image }] },
});
const set = (more: object = {}) => ({ spec: { serviceName: 'a', selector, template: template(), ...more } });
const daemons = (more: object = {}) => ({ spec: { selector, template: template(), ...more } });

describe('a stateful set', () => {
  it('has its defaults filled in, those of its claims included', () => {
    const claim = { metadata: { name: 'data' }, spec: { resources: { requests: { storage: '1Gi' } } } };
    const { spec, status } = admitted('StatefulSet', set({ volumeClaimTemplates: [claim] })) as StatefulSet;
    expect(spec).toMatchObject({
      replicas: 1,
      revisionHistoryLimit: 10,
      podManagementPolicy: 'OrderedReady',
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
    });
    expect(spec.volumeClaimTemplates).toMatchObject([
      {
        apiVersion: 'v1',
        kind: 'PersistentVolumeClaim',
        spec: { volumeMode: 'Filesystem' },
        status: { phase: 'Pending' },
      },
    ]);
    expect(status).toEqual({ replicas: 0, availableReplicas: 0 });
  });

  it('may mount its claims, which become volumes only in its pods', () => {
    const containers = [{ name: 'app', image: 'app:1', volumeMounts: [{ name: 'data', mountPath: '/data' }] }];
    const claim = { metadata: { name: 'data' }, spec: { resources: { requests: { storage: '1Gi' } } } };
    const mounting = { ...template(), spec: { containers } };
    expect(faults('StatefulSet', set({ template: mounting, volumeClaimTemplates: [claim] }))).toEqual([]);
  });

  it.each<[string, object, string[]]>([
    [
      'pods that end',
      { template: { ...template(), spec: { ...template().spec, restartPolicy: 'Never', activeDeadlineSeconds: 9 } } },
      [
        'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
        'spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in StatefulSet is not Supported',
      ],
    ],
    [
      'no order of its own',
      { podManagementPolicy: 'Random' },
      [`spec.podManagementPolicy: Invalid value: "Random": must be 'OrderedReady' or 'Parallel'`],
    ],
    [
      'steps where there are none',
      { updateStrategy: { type: 'OnDelete', rollingUpdate: { partition: 1 } } },
      [
        `spec.updateStrategy.rollingUpdate: Invalid value: {"partition":1}: only allowed for updateStrategy 'RollingUpdate'`,
      ],
    ],
    [
      'claims that are burnt',
      { persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Burn' } },
      [
        'spec.persistentVolumeClaimRetentionPolicy.whenDeleted: Unsupported value: "Burn": supported values: "Delete", "Retain"',
      ],
    ],
    [
      'pods that it would not find',
      { selector: { matchLabels: { app: 'b' } } },
      ['spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`'],
    ],
  ])('is refused with %s', (_what, more, expected) => {
    expect(faults('StatefulSet', set(more))).toEqual(expected);
  });

  it('changes only in its mutable fields', () => {
    expect(updateFaults('StatefulSet', set(), set({ replicas: 3, template: template('app:2') }))).toEqual([]);
    expect(updateFaults('StatefulSet', set(), set({ serviceName: 'b' }))).toEqual([
      "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
    ]);
  });
});

describe('a daemon set', () => {
  it('replaces one pod at a time by default', () => {
    const { spec } = admitted('DaemonSet', daemons()) as DaemonSet;
    expect(spec.updateStrategy).toEqual({ type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } });
  });

  it.each<[string, object, string[]]>([
    [
      'pods missing and too many',
      { maxUnavailable: 1, maxSurge: 1 },
      ['spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero'],
    ],
    [
      'no way to go on',
      { maxUnavailable: 0, maxSurge: '0%' },
      ['spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: 0: cannot be 0 when maxSurge is 0'],
    ],
    [
      'more than all',
      { maxUnavailable: '120%' },
      ['spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: "120%": must not be greater than 100%'],
    ],
  ])('is refused with %s', (_what, rollingUpdate, expected) => {
    const updateStrategy = { type: 'RollingUpdate', rollingUpdate };
    expect(faults('DaemonSet', daemons({ updateStrategy }))).toEqual(expected);
  });

  it('keeps its selector', () => {
    const other = { matchExpressions: [{ key: 'app', operator: 'Exists' }] };
    expect(updateFaults('DaemonSet', daemons(), daemons({ selector: other }))).toEqual([
      'spec.selector: Invalid value: {"matchExpressions":[{"key":"app","operator":"Exists"}]}: field is immutable',
    ]);
  });
});

describe('a controller revision', () => {
  it('keeps a state for good', () => {
    expect(faults('ControllerRevision', { revision: -1 })).toEqual([
      'data: Required value: data is mandatory',
      'revision: Invalid value: -1: must be greater than or equal to 0',
    ]);
    const of = (data: object, revision = 1) => ({ data, revision });
    expect(updateFaults('ControllerRevision', of({ a: 1 }), of({ a: 2 }))).toEqual([
      'data: Invalid value: {"a":2}: field is immutable',
    ]);
    expect(updateFaults('ControllerRevision', of({ a: 1 }), of({ a: 1 }, 2))).toEqual([]);
  });
});

describe('a disruption budget', () => {
  it('sets the minimum available or the maximum unavailable, as a number or a percentage', () => {
    expect(faults('PodDisruptionBudget', { spec: { minAvailable: 1, maxUnavailable: 1 } })).toEqual([
      'spec: Invalid value: {"minAvailable":1,"maxUnavailable":1}: minAvailable and maxUnavailable cannot be both set',
    ]);
    expect(faults('PodDisruptionBudget', { spec: { minAvailable: '101%' } })).toEqual([
      'spec.minAvailable: Invalid value: "101%": must not be greater than 100%',
    ]);
    expect(faults('PodDisruptionBudget', { spec: { maxUnavailable: 'x' } })).toHaveLength(1);
    expect(faults('PodDisruptionBudget', { spec: { maxUnavailable: '10%' } })).toEqual([]);
  });
});
