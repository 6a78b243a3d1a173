import { parse, stringify } from 'yaml';
import type { KeyPair } from './certificates.ts';

/** What a person needs to reach a cluster. */
export interface ClusterAccess {
  readonly cluster: string;
  readonly user: string;
  /** `https://host:port`, for kubectl. */
  readonly rest: string;
  /** `host:port`, for `coracle` and other gRPC clients. */
  readonly grpc: string;
  /** The CA's certificate, PEM. */
  readonly ca: string;
  readonly credentials?: KeyPair;
  /** A bearer token, instead of a certificate. */
  readonly token?: string;
  readonly namespace?: string;
}

/** The name of the entry that holds the gRPC address among a cluster's `extensions`; kubectl keeps it and ignores it. */
const extensionName = 'coracle.io/grpc';

/** A kubeconfig file with all keys in it (Kubernetes' client API `v1` Config). */
export function writeKubeconfig(access: ClusterAccess): string {
  const context = `${access.user}@${access.cluster}`;
  const { credentials, token } = access;
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: access.cluster,
        cluster: {
          server: access.rest,
          'certificate-authority-data': base64(access.ca),
          extensions: [{ name: extensionName, extension: { address: access.grpc } }],
        },
      },
    ],
    users: [
      {
        name: access.user,
        user: credentials
          ? {
              'client-certificate-data': base64(credentials.certificate),
              'client-key-data': base64(credentials.key),
            }
          : token
            ? { token }
            : {},
      },
    ],
    contexts: [
      {
        name: context,
        context: {
          cluster: access.cluster,
          user: access.user,
          ...(access.namespace ? { namespace: access.namespace } : {}),
        },
      },
    ],
    'current-context': context,
  });
}

/**
 * Reads the current context (or `contextName`) of a kubeconfig. `readFile` is asked for the certificates that the
 * file names instead of holding. Throws Error with one clear line when something is missing.
 */
export function readKubeconfig(
  text: string,
  readFile: (path: string) => string,
  contextName?: string,
): Omit<ClusterAccess, 'grpc'> & { grpc?: string } {
  const config = parse(text) as Config | null;
  const wanted = contextName ?? config?.['current-context'];
  const context = named(config?.contexts, wanted)?.context;
  if (!config || !wanted || !context) throw new Error(`kubeconfig has no context "${wanted ?? ''}"`);
  const cluster = named(config.clusters, context.cluster)?.cluster;
  if (!cluster) throw new Error(`kubeconfig has no cluster "${context.cluster}"`);
  const user = named(config.users, context.user)?.user ?? {};
  const data = (inline: string | undefined, path: string | undefined): string | undefined =>
    inline ? Buffer.from(inline, 'base64').toString() : path ? readFile(path) : undefined;
  const ca = data(cluster['certificate-authority-data'], cluster['certificate-authority']);
  if (!ca) throw new Error(`kubeconfig has no certificate authority for cluster "${context.cluster}"`);
  const certificate = data(user['client-certificate-data'], user['client-certificate']);
  const key = data(user['client-key-data'], user['client-key']);
  const token = user.token ?? (user.tokenFile ? readFile(user.tokenFile).trim() : undefined);
  const grpc = cluster.extensions?.find((item) => item.name === extensionName)?.extension?.address;
  return {
    cluster: context.cluster,
    user: context.user,
    rest: cluster.server,
    ca,
    ...(grpc ? { grpc } : {}),
    ...(certificate && key ? { credentials: { certificate, key } } : {}),
    ...(token ? { token } : {}),
    ...(context.namespace ? { namespace: context.namespace } : {}),
  };
}

interface Config {
  clusters?: Array<{
    name: string;
    cluster: {
      server: string;
      'certificate-authority'?: string;
      'certificate-authority-data'?: string;
      extensions?: Array<{ name: string; extension?: { address?: string } }>;
    };
  }>;
  users?: Array<{
    name: string;
    user: {
      'client-certificate'?: string;
      'client-certificate-data'?: string;
      'client-key'?: string;
      'client-key-data'?: string;
      token?: string;
      tokenFile?: string;
    };
  }>;
  contexts?: Array<{ name: string; context: { cluster: string; user: string; namespace?: string } }>;
  'current-context'?: string;
}

function named<T extends { name: string }>(items: readonly T[] | undefined, name: string | undefined): T | undefined {
  return items?.find((item) => item.name === name);
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
