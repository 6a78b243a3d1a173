import { join } from 'node:path';
import { loadAuthorityFrom } from '../../shared/pki/files.ts';
import { readKubeconfig, writeKubeconfig } from '../../shared/pki/kubeconfig.ts';
import { parseDuration } from '../duration.ts';
import { readUserFile } from '../io.ts';
import type { Command } from './command.ts';

export const kubeconfigCommand: Command = (program, { io }) =>
  program.command(
    'kubeconfig',
    "Issue a certificate for a user, on the server's machine, and print a kubeconfig with it",
    (yargs) =>
      yargs
        .option('data-dir', { type: 'string', default: '/var/lib/coracle', describe: "The server's data directory" })
        .option('user', { type: 'string', default: administrator, describe: 'Name of the user' })
        .option('group', {
          type: 'string',
          array: true,
          describe: 'Groups of the user; system:masters, which kubernetes-admin is in by default, may do everything',
        })
        .option('ttl', { type: 'string', default: '365d', describe: 'How long the certificate is valid' })
        .option('rest', {
          type: 'string',
          describe: "HOST:PORT of the REST API, if not as in the server's own kubeconfig",
        })
        .option('grpc', {
          type: 'string',
          describe: "HOST:PORT of the gRPC API, if not as in the server's own kubeconfig",
        }),
    async (args) => {
      const { dataDir, user } = args;
      const groups = args.group ?? (user === administrator ? ['system:masters'] : []);
      const authority = await loadAuthorityFrom(join(dataDir, 'pki'), io);
      const credentials = await authority.issueClient({ user, groups }, parseDuration(args.ttl));
      const addresses = args.rest && args.grpc ? undefined : addressesIn(join(dataDir, 'admin.kubeconfig'));
      io.out(
        writeKubeconfig({
          cluster: 'coracle',
          user,
          rest: args.rest ? `https://${args.rest.replace(/^https:\/\//, '')}` : (addresses?.rest ?? ''),
          grpc: args.grpc ?? addresses?.grpc ?? '',
          ca: authority.certificate,
          credentials,
        }),
      );
    },
  );

/** Those of the kubeconfig that the server writes when it starts. */
function addressesIn(path: string): { rest: string; grpc?: string } {
  return readKubeconfig(readUserFile(path), readUserFile);
}

/** In the group system:masters by default. */
const administrator = 'kubernetes-admin';
