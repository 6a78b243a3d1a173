import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from '../../shared/client.ts';
import type { Clock } from '../../shared/clock.ts';
import type { Node } from '../../shared/generated/types.ts';
import { authorityHash } from '../../shared/pki/certificates.ts';
import { createToken } from '../../shared/pki/join-tokens.ts';
import { type ClusterAccess, readKubeconfig } from '../../shared/pki/kubeconfig.ts';
import { systemRandom } from '../../shared/random.ts';
import { waitFor } from './process.ts';
import { type RestApi, restApi } from './rest.ts';

/** The tool's access to the control plane that it started. */

const coracle = join(import.meta.dirname, '..', '..', 'bin', 'coracle');

/** The data directory's file with an administrator's access, which the server writes when it starts. */
const adminKubeconfig = 'admin.kubeconfig';

export interface ControlPlanePorts {
  readonly restPort: number;
  readonly grpcPort: number;
  readonly heartbeatPort: number;
}

export interface ServerOptions extends ControlPlanePorts {
  readonly dataDir: string;
  readonly address: string;
  readonly podCIDR: string;
  readonly logLevel: string;
}

export function serverCommand(options: ServerOptions): string[] {
  return [
    ...[coracle, 'server', '--data-dir', options.dataDir],
    '--rest-listen',
    `${options.address}:${options.restPort}`,
    '--grpc-listen',
    `${options.address}:${options.grpcPort}`,
    '--heartbeat-listen',
    `${options.address}:${options.heartbeatPort}`,
    '--advertise-address',
    options.address,
    '--pod-cidr',
    options.podCIDR,
    '--log-level',
    options.logLevel,
  ];
}

export interface AgentOptions {
  /** The control plane's `host:port` for gRPC. */
  readonly server: string;
  readonly token: string;
  readonly caHash: string;
  readonly nodeName: string;
  readonly nodeAddress: string;
  readonly dataDir: string;
  readonly runtime: 'docker' | 'fake';
  readonly engine?: string;
  readonly logLevel: string;
}

export function agentCommand(options: AgentOptions): string[] {
  return [
    ...[coracle, 'agent', '--server', options.server],
    '--token',
    options.token,
    '--ca-hash',
    options.caHash,
    '--node-name',
    options.nodeName,
    '--node-address',
    options.nodeAddress,
    '--data-dir',
    options.dataDir,
    '--runtime',
    options.runtime,
    '--log-level',
    options.logLevel,
    ...(options.engine === undefined ? [] : ['--docker-socket', options.engine]),
  ];
}

/** An administrator's access, once the control plane is ready. */
export async function whenReady(
  dataDir: string,
  clock: Clock,
  timeoutMs: number,
  log: () => string,
): Promise<{ access: ClusterAccess; kubeconfig: string; api: RestApi }> {
  let trouble = 'it has written no kubeconfig';
  try {
    return await waitFor('the control plane is ready', timeoutMs, clock, async () => {
      const file = join(dataDir, adminKubeconfig);
      if (!existsSync(file)) return undefined;
      const kubeconfig = readFileSync(file, 'utf8');
      const access = readKubeconfig(kubeconfig, (path) => readFileSync(path, 'utf8'));
      const api = apiOf(access);
      try {
        await api.call('GET', '/readyz');
        return { access: { ...access, grpc: access.grpc ?? '' }, kubeconfig, api };
      } catch (error) {
        trouble = (error as Error).message;
        api.close();
        return undefined;
      }
    });
  } catch (error) {
    throw new Error(`${(error as Error).message}: ${trouble}\n${log()}`);
  }
}

export function apiOf(access: Pick<ClusterAccess, 'rest' | 'ca' | 'credentials'>): RestApi {
  if (access.credentials === undefined) throw new Error('the kubeconfig holds no client certificate');
  return restApi({
    url: access.rest,
    ca: access.ca,
    cert: access.credentials.certificate,
    key: access.credentials.key,
  });
}

/** A join token for an hour, and the CA's hash by which machines verify the control plane. */
export async function joinToken(api: RestApi, ca: string, clock: Clock): Promise<{ token: string; caHash: string }> {
  const create: Client['create'] = (kind, object) => {
    if (kind !== 'JoinToken') throw new Error(`no path for ${kind}`);
    return api.call('POST', '/apis/coracle.io/v1/jointokens', { apiVersion: 'coracle.io/v1', kind, ...object });
  };
  const refuse = async (): Promise<never> => {
    throw new Error('only for creating');
  };
  const client = { create, list: refuse, delete: refuse };
  const options = { ttlMs: 3_600_000, description: 'cluster tool' };
  const token = await createToken({ client, clock, random: systemRandom }, options);
  return { token, caHash: authorityHash(ca) };
}

export async function listNodes(api: RestApi): Promise<Node[]> {
  return (await api.call<{ items: Node[] }>('GET', '/api/v1/nodes')).items;
}
