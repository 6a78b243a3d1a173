import type { OwnNode } from '../../shared/session.ts';
import type { NodeAssigned } from '../session/assigned-kinds.ts';
import type { NodeView } from './admit.ts';

/**
 * The node that pods are admitted by, as the control plane last sent it: it stays while the Node object is deleted. `allocatable`: what
 * the agent itself reports, which is newer here than in the cluster.
 */
export function nodeView(
  name: string,
  assigned: NodeAssigned,
  allocatable: () => Readonly<Record<string, string>>,
): () => NodeView | undefined {
  let node: OwnNode | undefined;
  assigned.subscribe(['OwnNode'], () => {
    node = assigned.of('OwnNode').get(name) ?? node;
  });
  return () => node && { ...node, name, allocatable: { ...node.allocatable, ...allocatable() } };
}
