import type { Plugin, Rejection } from '../plugin.ts';
import { claimKey } from '../volume-index.ts';

const name = 'VolumeRestrictions';
const rejection: Rejection = {
  plugin: name,
  reasons: ['node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode'],
  resolvable: true,
};

/** A claim of access mode ReadWriteOncePod serves one pod in the cluster. */
export const volumeRestrictions: Plugin = {
  name,
  scope: 'cluster',
  events: ['AssignedPodDelete', 'ClaimChange'],
  prepare({ namespace, spec: { claims } }, { volumes }) {
    if (!claims) return undefined;
    const exclusive = claims
      .map((claim) => claimKey(namespace, claim))
      .filter((key) => volumes.claim(key)?.spec.accessModes?.includes('ReadWriteOncePod'));
    if (exclusive.length === 0) return undefined;
    return {
      filter: () => (exclusive.some((key) => volumes.users(key) > 0) ? rejection : undefined),
      details: () => exclusive.filter((key) => volumes.users(key) > 0).map((key) => `another pod has the claim ${key}`),
    };
  },
};
