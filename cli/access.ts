import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parse } from 'yaml';
import { readKubeconfig } from '../shared/pki/kubeconfig.ts';
import type { ChannelOptions } from '../shared/rpc/channel.ts';
import { createGrpcClient, type GrpcClient } from '../shared/rpc/client.ts';
import { type Io, readUserFile, UsageError } from './io.ts';

/** The flags that select the cluster and the user. */
export interface AccessFlags {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly server?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly token?: string;
  readonly as?: string;
  readonly asGroup?: string[];
  readonly asUid?: string;
}

export interface Access extends ChannelOptions {
  /** The default of `-n`. */
  readonly namespace: string;
}

/**
 * The address of the cluster and the credentials of the user: the flags, else the file that `--kubeconfig`, `CORACLE_CONFIG` or
 * `KUBECONFIG` names, else `~/.kube/config`. The file is a kubeconfig, or the `cluster.json` that the cluster tool writes.
 */
export function findAccess(flags: AccessFlags, io: Pick<Io, 'env'>): Access {
  const { tls, ...access } = addressOf(flags, io);
  const { token = access.token, as, asGroup = [], asUid } = flags;
  const metadata = {
    ...(token ? { authorization: [`Bearer ${token}`] } : {}),
    ...(as ? { 'impersonate-user': [encodeURIComponent(as)] } : {}),
    ...(asGroup.length > 0 ? { 'impersonate-group': asGroup.map(encodeURIComponent) } : {}),
    ...(asUid ? { 'impersonate-uid': [encodeURIComponent(asUid)] } : {}),
  };
  // The server prefers a certificate to a token: an explicit token is sent without one.
  const { credentials: _unused, ...bare } = tls;
  return { ...access, tls: flags.token ? bare : tls, metadata };
}

function addressOf(flags: AccessFlags, io: Pick<Io, 'env'>): Access & { token?: string } {
  if (flags.server && flags.ca) {
    const pair =
      flags.cert && flags.key ? { certificate: readUserFile(flags.cert), key: readUserFile(flags.key) } : undefined;
    return {
      address: plainAddress(flags.server),
      tls: { ca: readUserFile(flags.ca), ...(pair ? { credentials: pair } : {}) },
      namespace: 'default',
    };
  }
  const path = configPath(flags, io);
  const found = readAccess(path, flags.context);
  return flags.server ? { ...found, address: plainAddress(flags.server) } : found;
}

/** A client with the access that the flags and the environment give; the caller closes it. */
export function connect(access: Access, io: Io): GrpcClient {
  return createGrpcClient(access, {
    clock: io.clock,
    random: io.random,
    onWarning: (warning) => io.err(`Warning: ${warning}\n`),
  });
}

function configPath(flags: AccessFlags, { env }: Pick<Io, 'env'>): string {
  const home = join(env.HOME ?? homedir(), '.kube', 'config');
  // KUBECONFIG may be a list, as for kubectl; the first existing file is used.
  const listed = env.KUBECONFIG?.split(':').filter(Boolean) ?? [];
  const named = flags.kubeconfig ?? env.CORACLE_CONFIG ?? listed.find((path) => existsSync(path)) ?? listed[0];
  const path = named ?? home;
  if (existsSync(path)) return path;
  throw new UsageError(
    named
      ? `there is no ${path}`
      : `no cluster to talk to: give --kubeconfig FILE, or set CORACLE_CONFIG or KUBECONFIG (there is no ${home})`,
  );
}

function readAccess(path: string, context: string | undefined): Access & { token?: string } {
  const text = readUserFile(path);
  const beside = (file: string): string => readUserFile(resolve(dirname(path), file));
  const cluster = clusterFile(text);
  if (cluster) {
    const { grpc, ca, cert, key } = cluster;
    const pair = cert && key ? { certificate: beside(cert), key: beside(key) } : undefined;
    return {
      address: plainAddress(grpc),
      tls: { ca: beside(ca), ...(pair ? { credentials: pair } : {}) },
      namespace: 'default',
    };
  }
  const found = readKubeconfig(text, beside, context);
  if (!found.grpc) {
    throw new UsageError(`${path} does not contain the cluster's gRPC address: give it as --server HOST:PORT`);
  }
  return {
    address: plainAddress(found.grpc),
    tls: { ca: found.ca, ...(found.credentials ? { credentials: found.credentials } : {}) },
    namespace: found.namespace ?? 'default',
    ...(found.token ? { token: found.token } : {}),
  };
}

interface ClusterFile {
  readonly grpc: string;
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
}

function clusterFile(text: string): ClusterFile | undefined {
  const parsed = parse(text) as Partial<ClusterFile> | null;
  if (typeof parsed?.grpc !== 'string' || typeof parsed.ca !== 'string') return undefined;
  return parsed as ClusterFile;
}

/** `https://10.0.0.1:6444/` → `10.0.0.1:6444` */
function plainAddress(address: string): string {
  return address.replace(/^[a-z]+:\/\//, '').replace(/\/$/, '');
}
