import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../shared/clock.ts';
import { authorityHash } from '../../shared/pki/inspect.ts';
import { createToken } from '../../shared/pki/join-tokens.ts';
import { systemRandom } from '../../shared/random.ts';
import { createGrpcClient } from '../../shared/rpc/client.ts';
import { administrator, type ServerProcess } from './server-process.ts';

const program = fileURLToPath(new URL('./cli-child.ts', import.meta.url));

/** A hollow node in a process of its own, which joins the server. Resolves when it has been started. */
export async function startAgentChild(server: ServerProcess, node: string): Promise<ChildProcess> {
  const tls = { ca: server.authority.certificate, credentials: await server.authority.issueClient(administrator) };
  const client = createGrpcClient({ address: server.grpc, tls }, { clock: systemClock, random: systemRandom });
  try {
    const token = await createToken({ client, clock: systemClock, random: systemRandom }, {});
    const joining = ['--server', server.grpc, '--token', token, '--ca-hash', authorityHash(tls.ca)];
    const place = ['--node-name', node, '--node-address', '127.0.0.1', '--data-dir', join(server.dir, `agent-${node}`)];
    const args = ['agent', ...joining, ...place, '--runtime', 'fake', '--log-level', 'silent'];
    return spawn(process.execPath, ['--import', 'tsx', program, ...args], { stdio: 'ignore' });
  } finally {
    client.close();
  }
}

/** Kills a process, and waits until it is gone. */
export async function endChild(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  if (child.kill('SIGKILL')) await gone;
}
