import { ageOf, humanDuration } from '../../shared/kinds/columns/age.ts';
import { authorityHash } from '../../shared/pki/inspect.ts';
import { createToken, isExpired, listTokens, revokeToken } from '../../shared/pki/join-tokens.ts';
import { withAccess, withCluster } from '../cluster.ts';
import { parseDuration } from '../duration.ts';
import { renderTable } from '../render/table.ts';
import type { Command } from './command.ts';

export const tokenCommand: Command = (program, { io }) =>
  program.command('token', 'Manage join tokens', (yargs) =>
    yargs
      .command(
        'create',
        'Create a token and print it',
        (of) =>
          withAccess(of)
            .option('ttl', { type: 'string', default: '24h', describe: 'How long it is valid (0: without limit)' })
            .option('description', { type: 'string', describe: 'A description' })
            .option('print-join-command', { type: 'boolean', describe: 'Print the whole command to join' }),
        (args) =>
          withCluster(args, io, async ({ client, access }) => {
            const ttlMs = args.ttl === '0' ? undefined : parseDuration(args.ttl);
            const token = await createToken({ ...io, client }, { ttlMs, description: args.description });
            const join = `coracle agent --server ${access.address} --token ${token} --ca-hash ${authorityHash(access.tls.ca)}`;
            io.out(`${args.printJoinCommand ? join : token}\n`);
          }),
      )
      .command(['list', 'ls'], 'List the tokens', withAccess, (args) =>
        withCluster(args, io, async ({ client }) => {
          const now = io.clock.now();
          const rows = (await listTokens({ client })).map((token) => {
            const { expirationTimestamp: end, description } = token.spec;
            const left =
              end === undefined
                ? '<forever>'
                : isExpired(token, now)
                  ? '<expired>'
                  : humanDuration(Date.parse(end) - now);
            return [token.metadata.name, left, ageOf(token.metadata.creationTimestamp, now), description ?? ''];
          });
          io.out(renderTable(['ID', 'TTL', 'AGE', 'DESCRIPTION'], rows));
        }),
      )
      .command(
        'revoke <id>',
        'Delete a token',
        (of) =>
          withAccess(of).positional('id', { type: 'string', demandOption: true, describe: 'The token or its id' }),
        (args) =>
          withCluster(args, io, async ({ client }) => {
            await revokeToken({ client }, args.id);
            io.out(`token "${args.id.split('.')[0]}" revoked\n`);
          }),
      )
      .demandCommand(1, 'token create, list or revoke?'),
  );
