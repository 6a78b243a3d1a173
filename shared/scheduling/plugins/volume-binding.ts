import { claimDetails, claimsOfPod, placeClaims } from '../claim-placement.ts';
import type { Plugin } from '../plugin.ts';

const name = 'VolumeBinding';

/** A node must reach the volumes of the pod's claims; claims that wait for their pod must find, or be given, volumes there. */
export const volumeBinding: Plugin = {
  name,
  scope: 'cluster',
  events: ['NodeChange', 'ClaimChange', 'VolumeChange', 'StorageClassChange'],
  prepare(shape, { volumes }) {
    if (!shape.spec.claims) return undefined;
    const claims = claimsOfPod(shape, volumes);
    return {
      filter(node) {
        const { obstacles } = placeClaims(claims, node, volumes);
        return obstacles.length > 0 ? { plugin: name, reasons: obstacles, resolvable: false } : undefined;
      },
      details: (node) => claimDetails(claims, node, volumes),
    };
  },
};
