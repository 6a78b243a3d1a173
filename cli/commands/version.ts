import { version } from '../../shared/version.ts';
import { withAccess, withCluster } from '../cluster.ts';
import type { Command } from './command.ts';

export const versionCommand: Command = (program, { io }) =>
  program.command(
    'version',
    'Print the versions of this program and of the server',
    (yargs) => withAccess(yargs).option('client', { type: 'boolean', describe: 'Only the version of this program' }),
    async (args) => {
      io.out(`Client: v${version}\n`);
      if (args.client) return;
      await withCluster(args, io, async ({ client }) => {
        const { channel } = client;
        const answer = await channel.unary(channel.schema.servers.Version, {}, { timeoutMs: 10_000 });
        io.out(`Server: v${answer.version}\n`);
      });
    },
  );
