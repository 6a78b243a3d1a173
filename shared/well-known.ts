/** Kubernetes' names that several parts use. */

/** A node's user is this prefix with its name, in the group of nodes. */
export const nodeUserPrefix = 'system:node:';
export const nodesGroup = 'system:nodes';
/** Its members may do everything. */
export const mastersGroup = 'system:masters';
/** The common name of the servers' certificates. No node or user gets a serving certificate with it. */
export const serverUser = 'coracle';
/** The group of the cluster's servers, for calls between them. */
export const serversGroup = 'coracle:servers';
/** Groups that a signing request cannot ask for. */
export const reservedGroups: readonly string[] = [mastersGroup, serversGroup];
/** The namespace of the nodes' leases. */
export const nodeLeaseNamespace = 'kube-node-lease';
/** The domain of services: Kubernetes' default. */
export const clusterDomain = 'cluster.local';
