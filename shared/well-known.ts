/** Names that Kubernetes has given, and that more than one part goes by. */

/** A node's user is this and its name; its group says that it is a node. */
export const nodeUserPrefix = 'system:node:';
export const nodesGroup = 'system:nodes';
/** Where the leases of nodes live. */
export const nodeLeaseNamespace = 'kube-node-lease';
