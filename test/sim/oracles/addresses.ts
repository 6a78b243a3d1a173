import { changeOf, type Oracle, walk } from '../history.ts';
import { hasEnded } from './facts.ts';

/** "Each Pod in a cluster gets its own unique cluster-wide IP address" (Services, Load Balancing, and Networking). */
export const ownAddresses: Oracle = (history) => {
  const broken: string[] = [];
  for (const { step, world } of walk(history)) {
    for (const change of step.changes) {
      const pod = changeOf(change, 'Pod')?.after;
      const address = pod?.status?.podIP;
      if (!pod || !address || hasEnded(pod) || address === changeOf(change, 'Pod')?.before?.status?.podIP) continue;
      for (const other of world.all('Pod')) {
        if (other.metadata.uid === pod.metadata.uid || other.status?.podIP !== address || hasEnded(other)) continue;
        broken.push(`${change.key} and ${other.metadata.name} both have ${address} at ${step.revision}`);
      }
    }
  }
  return broken;
};
