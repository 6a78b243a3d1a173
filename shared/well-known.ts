/** Names that Kubernetes has given, and that more than one part goes by. */

/** A node's user is this and its name; its group says that it is a node. */
export const nodeUserPrefix = 'system:node:';
export const nodesGroup = 'system:nodes';
/** Its members may do everything. */
export const mastersGroup = 'system:masters';
/** Whose the certificates of the servers are (CN): no node and no person is given one that serves under this name. */
export const serverUser = 'coracle';
/** The servers of the cluster, among themselves. */
export const serversGroup = 'coracle:servers';
/** Groups that no certificate request makes anybody a member of. */
export const reservedGroups: readonly string[] = [mastersGroup, serversGroup];
/** Where the leases of nodes live. */
export const nodeLeaseNamespace = 'kube-node-lease';
/** Ends the names of services: Kubernetes' default. */
export const clusterDomain = 'cluster.local';
