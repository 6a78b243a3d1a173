import type { Node, NodeCondition } from './generated/types.ts';

/** The condition Ready; undefined: the node has never reported. */
export function readyCondition({ status }: Node): NodeCondition | undefined {
  return status?.conditions?.find(({ type }) => type === 'Ready');
}

export function isNodeReady(node: Node): boolean {
  return readyCondition(node)?.status === 'True';
}
