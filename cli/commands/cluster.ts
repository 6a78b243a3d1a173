import { join } from 'node:path';
import type { Argv } from 'yargs';
import { ignoring } from '../../shared/errors.ts';
import { ageOf, humanDuration } from '../../shared/kinds/columns/age.ts';
import { loadAuthorityFrom } from '../../shared/pki/files.ts';
import { authorityHash } from '../../shared/pki/inspect.ts';
import { createToken, isExpired, listTokens, revokeToken } from '../../shared/pki/join-tokens.ts';
import { readKubeconfig, writeKubeconfig } from '../../shared/pki/kubeconfig.ts';
import { removeNode } from '../../shared/pki/node-enrollments.ts';
import { version } from '../../shared/version.ts';
import { withAccess, withCluster } from '../cluster.ts';
import { parseDuration } from '../duration.ts';
import type { Io } from '../io.ts';
import { readUserFile } from '../io.ts';
import { renderTable } from '../render/table.ts';

/** Who may do everything unless he is given groups of his own. */
const administrator = 'kubernetes-admin';

/** Commands about the cluster as a whole: who may join it, and how to reach it. */
export function addClusterCommands(program: Argv, io: Io): Argv {
  return program
    .command('token', 'Manage the tokens that machines join with', (yargs) =>
      yargs
        .command(
          'create',
          'Make a token and print how to join with it',
          (of) =>
            withAccess(of)
              .option('ttl', { type: 'string', default: '24h', describe: 'How long it works (0: for ever)' })
              .option('description', { type: 'string', describe: 'What it is for' })
              .option('print-join-command', { type: 'boolean', describe: 'Print the whole command' }),
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
          'Make a token worthless',
          (of) =>
            withAccess(of).positional('id', { type: 'string', demandOption: true, describe: 'The token or its id' }),
          (args) =>
            withCluster(args, io, async ({ client }) => {
              await revokeToken({ client }, args.id);
              io.out(`token "${args.id.split('.')[0]}" revoked\n`);
            }),
        )
        .demandCommand(1, 'token create, list or revoke?'),
    )
    .command('node', 'Manage the machines of the cluster', (yargs) =>
      yargs
        .command(
          'remove <name>',
          'Take a node out for good: its certificates, sessions and streams end, and its Node is deleted',
          (of) => withAccess(of).positional('name', { type: 'string', demandOption: true, describe: 'The node' }),
          (args) =>
            withCluster(args, io, async ({ client }) => {
              const enrolled = await removeNode({ ...io, client }, args.name);
              const registered = await client.delete('Node', args.name).then(() => true, ignoring('NotFound'));
              const unknown = enrolled || registered ? '' : ', of which there was neither a Node nor an enrollment';
              io.out(`node "${args.name}" removed${unknown}\n`);
            }),
        )
        .demandCommand(1, 'node remove?'),
    )
    .command(
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
          .option('ttl', { type: 'string', default: '365d', describe: 'How long the certificate is good for' })
          .option('rest', {
            type: 'string',
            describe: 'HOST:PORT of the REST API, when it is not as the server wrote it',
          })
          .option('grpc', {
            type: 'string',
            describe: 'HOST:PORT of the gRPC API, when it is not as the server wrote it',
          }),
      async (args) => {
        const { dataDir, user } = args;
        const groups = args.group ?? (user === administrator ? ['system:masters'] : []);
        const authority = await loadAuthorityFrom(join(dataDir, 'pki'), io);
        const credentials = await authority.issueClient({ user, groups }, parseDuration(args.ttl));
        const known = args.rest && args.grpc ? undefined : addressesIn(join(dataDir, 'admin.kubeconfig'));
        io.out(
          writeKubeconfig({
            cluster: 'coracle',
            user,
            rest: args.rest ? `https://${args.rest.replace(/^https:\/\//, '')}` : (known?.rest ?? ''),
            grpc: args.grpc ?? known?.grpc ?? '',
            ca: authority.certificate,
            credentials,
          }),
        );
      },
    )
    .command(
      'version',
      'Print the versions of this program and of the server',
      (yargs) => withAccess(yargs).option('client', { type: 'boolean', describe: 'Only of this program' }),
      async (args) => {
        io.out(`Client: v${version}\n`);
        if (args.client) return;
        await withCluster(args, io, async ({ client }) => {
          const { channel } = client;
          const told = await channel.unary(channel.schema.servers.Version, {}, { timeoutMs: 10_000 });
          io.out(`Server: v${told.version}\n`);
        });
      },
    );
}

/** What the server wrote for its administrator when it last started. */
function addressesIn(path: string): { rest: string; grpc?: string } {
  return readKubeconfig(readUserFile(path), readUserFile);
}
