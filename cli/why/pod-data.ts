import type { Node, Pod } from '../../shared/generated/types.ts';
import { isNodeReady } from '../../shared/node.ts';
import { keyOf } from '../../shared/object.ts';
import { claimNamesOf } from '../../shared/pod-references.ts';
import { claimKey } from '../../shared/scheduling/volume-index.ts';
import { annotations, isFullyBound } from '../../shared/storage/claims.ts';
import { reachableFrom } from '../../shared/storage/matching.ts';
import type { Storage } from './node-verdicts.ts';

/** What is to be said of the claims of a pod that waits for a node: data that no node reaches now, and volumes that are being made. */
export function podData(pod: Pod, storage: Storage, nodes: readonly Node[]): string[] {
  const { namespace = '' } = pod.metadata;
  return (claimNamesOf(pod) ?? []).flatMap((claimName) => {
    const key = claimKey(namespace, claimName);
    const claim = storage.claims.find((one) => keyOf(one) === key);
    if (!claim) return [`Its claim ${claimName} does not exist.`];
    if (!isFullyBound(claim)) {
      const node = claim.metadata.annotations?.[annotations.selectedNode];
      return node === undefined ? [] : [`The volume of its claim ${claimName} is being made on node ${node}.`];
    }
    const volume = storage.volumes.find((one) => one.metadata.name === claim.spec.volumeName);
    if (!volume) return [`The volume ${claim.spec.volumeName} of its claim ${claimName} does not exist any more.`];
    const near = nodes.filter((node) => reachableFrom(volume, placed(node)));
    if (near.some(isNodeReady)) return [];
    const where = near.map((node) => node.metadata.name).join(', ');
    const state =
      where === '' ? 'a node that is not part of the cluster any more' : `node ${where}, which is not ready`;
    return [
      `The data of its claim ${claimName} is on ${state}. The pod waits until that node is back; to go on without the data, delete the claim and make it anew.`,
    ];
  });
}

function placed({ metadata: { name, labels = {} } }: Node) {
  return { name, labels };
}
