import type { Argv } from 'yargs';
import type { GrpcClient } from '../shared/rpc/client.ts';
import { type Access, type AccessFlags, connect, findAccess } from './access.ts';
import type { Io } from './io.ts';

/** The access of a command to the cluster. */
export interface Cluster {
  readonly client: GrpcClient;
  readonly access: Access;
  /** `-n`, else that of the kubeconfig, else `default`. */
  readonly namespace: string;
  readonly io: Io;
}

/** The flags of every command that talks to the cluster. */
export function withAccess<T>(yargs: Argv<T>) {
  return yargs
    .option('kubeconfig', {
      type: 'string',
      describe: 'A kubeconfig or cluster.json (env: CORACLE_CONFIG, KUBECONFIG)',
      group,
    })
    .option('context', { type: 'string', describe: 'The context of the kubeconfig', group })
    .option('server', { type: 'string', describe: "HOST:PORT of the server's gRPC API", group })
    .option('ca', { type: 'string', describe: "File of the cluster's CA", group })
    .option('cert', { type: 'string', describe: 'File of the client certificate', group })
    .option('key', { type: 'string', describe: 'File of its key', group })
    .option('token', { type: 'string', describe: 'A bearer token, instead of a certificate', group })
    .option('as', { type: 'string', describe: 'Act as another user', group })
    .option('as-group', { type: 'string', array: true, describe: 'Act as a member of a group', group })
    .option('as-uid', { type: 'string', describe: 'Act as the user of this uid', group });
}

const group = 'Cluster:';

/** The same, and the namespace. */
export function withNamespace<T>(yargs: Argv<T>) {
  return withAccess(yargs).option('namespace', { alias: 'n', type: 'string', describe: 'The namespace', group });
}

/** Runs `work` with a client, and closes it. */
export async function withCluster(
  flags: AccessFlags & { namespace?: string },
  io: Io,
  work: (cluster: Cluster) => Promise<void>,
): Promise<void> {
  const access = findAccess(flags, io);
  const client = connect(access, io);
  try {
    await work({ client, access, namespace: flags.namespace ?? access.namespace, io });
  } finally {
    client.close();
  }
}
