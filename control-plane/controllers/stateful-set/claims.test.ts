import { describe, expect, it } from 'vitest';
import type { OwnerReference, PersistentVolumeClaim, Pod, StatefulSet } from '../../../shared/generated/types.ts';
import { claimDrafts, claimOwners, isStale } from './claims.ts';

const template = {
  metadata: { name: 'data', labels: { tier: 'db' }, annotations: { note: 'x' } },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
};
const set = (policy: object = {}): StatefulSet =>
  ({
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'web', namespace: 'default', uid: 'set-uid' },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: 'web' } },
      volumeClaimTemplates: [template],
      persistentVolumeClaimRetentionPolicy: policy,
    },
  }) as unknown as StatefulSet;
const pod = (ordinal: number): Pod =>
  ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: `web-${ordinal}`, uid: `pod-${ordinal}` } }) as unknown as Pod;
const claim = (...ownerReferences: object[]) =>
  ({ metadata: { name: 'data-web-0', ownerReferences } }) as unknown as PersistentVolumeClaim;
const owner = (kind: string, name: string, uid: string, controller = true): OwnerReference =>
  ({ apiVersion: 'v1', kind, name, uid, controller }) as OwnerReference;
const ours = owner('StatefulSet', 'web', 'set-uid');
const uids = (policy: object, ordinal: number, ...before: object[]) =>
  claimOwners(claim(...before), set(policy), pod(ordinal))?.ownerReferences.map(({ uid }) => uid);

const wanted = 0;
const surplus = 2;
const both = { whenDeleted: 'Delete', whenScaled: 'Delete' };

describe('a claim', () => {
  it('is of its template, with the labels of the selector, named TEMPLATE-SET-ORDINAL', () => {
    expect(claimDrafts(set(), 3)).toEqual([
      {
        metadata: {
          name: 'data-web-3',
          namespace: 'default',
          labels: { tier: 'db', app: 'web' },
          annotations: { note: 'x' },
          finalizers: undefined,
        },
        spec: template.spec,
      },
    ]);
    const [owned] = claimDrafts(set({ whenDeleted: 'Delete' }), 0);
    expect(owned?.metadata.ownerReferences).toMatchObject([{ kind: 'StatefulSet', uid: 'set-uid', controller: true }]);
  });

  it('has no owner while it is retained', () => {
    expect(uids({}, wanted)).toBeUndefined();
    expect(uids({}, wanted, ours)).toEqual([]);
    expect(uids({}, surplus, owner('Pod', 'web-2', 'pod-2'))).toEqual([]);
  });

  it('is owned by the set with whenDeleted: Delete, and by its pod with whenScaled: Delete while that is surplus', () => {
    expect(uids({ whenDeleted: 'Delete' }, wanted)).toEqual(['set-uid']);
    expect(uids({ whenDeleted: 'Delete' }, surplus)).toEqual(['set-uid']);
    expect(uids({ whenScaled: 'Delete' }, wanted)).toBeUndefined();
    expect(uids({ whenScaled: 'Delete' }, surplus)).toEqual(['pod-2']);
    expect(uids(both, wanted)).toEqual(['set-uid']);
    expect(uids(both, surplus, ours)).toEqual(['pod-2']);
    // The pod is wanted again: the claim must outlive it.
    expect(uids(both, wanted, owner('Pod', 'web-0', 'pod-0'))).toEqual(['set-uid']);
    expect(uids(both, wanted, ours)).toBeUndefined();
  });

  it('keeps the owners that others gave it, and becomes controlled where it was only owned', () => {
    const other = owner('ConfigMap', 'x', 'other', false);
    expect(uids(both, wanted, other)).toEqual(['other', 'set-uid']);
    expect(uids({}, wanted, other, ours)).toEqual(['other']);
    expect(uids(both, wanted, owner('StatefulSet', 'web', 'set-uid', false))).toEqual(['set-uid']);
  });

  it('that another controller owns is left to it', () => {
    const other = owner('Widget', 'x', 'other');
    expect(uids(both, wanted, other)).toBeUndefined();
    expect(claimOwners(claim(other, ours), set(both), pod(wanted))).toEqual({
      ownerReferences: [other],
      isConflict: true,
    });
  });

  it('of an earlier set or pod of the name stays as it is, and holds a new pod back', () => {
    expect(uids(both, wanted, owner('StatefulSet', 'web', 'earlier'))).toBeUndefined();
    expect(uids(both, wanted, owner('Pod', 'web-0', 'earlier', false))).toBeUndefined();
    expect(uids({}, wanted, owner('Pod', 'web-0', 'earlier'), ours)).toBeUndefined();
    expect(isStale(claim(owner('Pod', 'web-0', 'earlier')), set(), 0)).toBe(true);
    expect(isStale(claim(owner('Pod', 'web-1', 'other'), ours), set(), 0)).toBe(false);
  });
});
