import type { Plugin } from '../plugin.ts';

/** Nodes are better where cpu and memory are used in equal shares, so that neither is left over without the other. */
export const balancedAllocation: Plugin = {
  name: 'NodeResourcesBalancedAllocation',
  scope: 'local',
  events: [],
  prepare: ({ requests }) => ({
    score(node) {
      const cpu = share(node.used.cpuMillis + requests.cpuMillis, node.allocatable.cpuMillis);
      const memory = share(node.used.memoryBytes + requests.memoryBytes, node.allocatable.memoryBytes);
      return 100 - 50 * Math.abs(cpu - memory);
    },
  }),
};

function share(taken: number, allocatable: number): number {
  return allocatable > 0 ? Math.min(1, taken / allocatable) : 1;
}
