import type { Plugin } from '../plugin.ts';
import { balancedAllocation } from './balanced-allocation.ts';
import { defaultSpread } from './default-spread.ts';
import { imageLocality } from './image-locality.ts';
import { interPodAffinity } from './inter-pod-affinity.ts';
import { nodeAffinity } from './node-affinity.ts';
import { nodePorts } from './node-ports.ts';
import { nodeUnschedulable } from './node-unschedulable.ts';
import { resourcesFit } from './resources-fit.ts';
import { taintToleration } from './taint-toleration.ts';
import { topologySpread } from './topology-spread.ts';
import { volumeBinding } from './volume-binding.ts';
import { volumeRestrictions } from './volume-restrictions.ts';

/** The scheduling rules, in order: the first that rejects a node gives the reason. A new rule is a file here and a line in this table. */
export const defaultPlugins: readonly Plugin[] = [
  nodeUnschedulable,
  taintToleration,
  nodeAffinity,
  imageLocality,
  nodePorts,
  resourcesFit,
  balancedAllocation,
  defaultSpread,
  volumeRestrictions,
  volumeBinding,
  topologySpread,
  interPodAffinity,
];
