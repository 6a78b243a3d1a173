import type { Command } from '../commands/command.ts';
import { commaSeparated } from './options.ts';

export const secretsProgram: Command = (program, { io }) =>
  program.command('secrets', 'Manage the encryption of Secrets, on the machine of a server', (yargs) =>
    yargs
      .command(
        'rotate-key',
        'Add a new key and encrypt every Secret again; running servers load it by themselves',
        (of) =>
          of
            .option('data-dir', {
              type: 'string',
              default: '/var/lib/coracle',
              describe: "The server's data directory",
            })
            .option('etcd-endpoints', {
              type: 'string',
              array: true,
              describe: 'Endpoints of etcd, if the server does not run its own',
            })
            .option('etcd-ca', { type: 'string', describe: 'CA of the etcd servers (PEM file)' })
            .option('etcd-cert', { type: 'string', describe: 'Client certificate for etcd (PEM file)' })
            .option('etcd-key', { type: 'string', describe: 'Key of the client certificate for etcd (PEM file)' }),
        async (args) => {
          const { rotateSecretsKey } = await import('../../control-plane/secrets.ts');
          const { dataDir, etcdCa, etcdCert, etcdKey } = args;
          const etcdEndpoints = commaSeparated(args.etcdEndpoints ?? []);
          const options = { dataDir, etcdEndpoints, etcdCa, etcdCert, etcdKey };
          const count = await rotateSecretsKey(options, io.signal);
          io.out(`a new key is in use; ${count} objects were encrypted anew\n`);
        },
      )
      .demandCommand(1, 'secrets rotate-key?'),
  );
