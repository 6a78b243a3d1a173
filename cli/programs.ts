import { hostname } from 'node:os';
import type { Argv } from 'yargs';
import { runtimeNames } from '../agent/runtime/runtimes.ts';
import type { Taint } from '../shared/generated/types.ts';
import { intValue } from '../shared/quantity.ts';
import { parseDuration } from './duration.ts';
import { type Io, UsageError } from './io.ts';

/**
 * The two programs that run in the same executable. They are loaded only when they are asked for: a person's
 * command starts without them.
 */
export function addPrograms(program: Argv, io: Io): Argv {
  return program
    .command(
      'server',
      'Run the control plane',
      (yargs) =>
        yargs
          .option('data-dir', {
            type: 'string',
            default: '/var/lib/coracle',
            describe: 'Where the server keeps its state',
          })
          .option('etcd-endpoints', {
            type: 'string',
            array: true,
            describe: 'An etcd to use; without any the server runs its own',
          })
          .option('etcd-ca', { type: 'string', describe: 'CA of the etcd servers (PEM file)' })
          .option('etcd-cert', { type: 'string', describe: 'Client certificate for etcd (PEM file)' })
          .option('etcd-key', { type: 'string', describe: 'Key of the client certificate for etcd (PEM file)' })
          .option('rest-listen', { type: 'string', default: '0.0.0.0:6443', describe: 'HOST:PORT of the REST API' })
          .option('grpc-listen', { type: 'string', default: '0.0.0.0:6444', describe: 'HOST:PORT of the gRPC API' })
          .option('heartbeat-listen', {
            type: 'string',
            describe: "HOST:PORT for the nodes' heartbeats; the port after that of the gRPC API",
          })
          .option('advertise-address', {
            type: 'string',
            array: true,
            default: [] as string[],
            describe: 'Names and addresses that clients dial, the first for kubeconfigs',
          })
          .option('peer-advertise-address', {
            type: 'string',
            describe:
              'Name or address by which other servers reach this one; the one that gRPC listens at, or this machine’s',
          })
          .option('pod-cidr', {
            type: 'string',
            default: '10.64.0.0/16',
            describe: "The pods' addresses, all nodes together",
          })
          .option('service-cidr', {
            type: 'string',
            default: '10.68.0.0/16',
            describe: "The services' addresses; apart from the pods'",
          })
          .option('event-ttl', { type: 'string', default: '1h', describe: 'How long events are kept' })
          .option('storage-quota', {
            type: 'string',
            describe:
              'How much memory stored objects may take (512Mi); by default 40 % of the machine’s, at most 1536Mi',
          })
          .option('service-account-issuer', {
            type: 'string',
            describe: 'The URL that tokens of service accounts say they are from',
          })
          .option('audit-policy-file', {
            type: 'string',
            describe: 'What to audit: a Policy of audit.k8s.io/v1 (YAML file)',
          })
          .option('audit-log-path', { type: 'string', describe: 'Where audit events go (-: standard output)' })
          .option('audit-log-maxsize', {
            type: 'number',
            default: 100,
            describe: 'Megabytes of a file of audit events',
          })
          .option('audit-log-maxbackup', {
            type: 'number',
            default: 0,
            describe: 'How many older files of audit events are kept (0: all)',
          })
          .option('audit-log-mode', {
            choices: ['batch', 'blocking-strict'] as const,
            default: 'batch' as const,
            describe: 'Whether a request waits until its event is written',
          })
          .option('log-level', logLevel),
      async (args) => {
        const { runServer } = await import('../control-plane/main.ts');
        await runServer(
          {
            dataDir: args.dataDir,
            ...(args.etcdEndpoints ? { etcdEndpoints: commaSeparated(args.etcdEndpoints) } : {}),
            etcdCa: args.etcdCa,
            etcdCert: args.etcdCert,
            etcdKey: args.etcdKey,
            restListen: args.restListen,
            grpcListen: args.grpcListen,
            ...(args.heartbeatListen ? { heartbeatListen: args.heartbeatListen } : {}),
            advertiseAddresses: commaSeparated(args.advertiseAddress),
            ...(args.peerAdvertiseAddress ? { peerAdvertiseAddress: args.peerAdvertiseAddress } : {}),
            podCIDR: args.podCidr,
            serviceCIDR: args.serviceCidr,
            eventTtlSeconds: Math.ceil(parseDuration(args.eventTtl) / 1000),
            ...(args.storageQuota ? { storageQuota: intValue(args.storageQuota) } : {}),
            ...(args.auditPolicyFile ? { auditPolicyFile: args.auditPolicyFile } : {}),
            ...(args.auditLogPath ? { auditLogPath: args.auditLogPath } : {}),
            auditLogMaxSize: args.auditLogMaxsize,
            auditLogMaxBackups: args.auditLogMaxbackup,
            auditLogMode: args.auditLogMode,
            ...(args.serviceAccountIssuer ? { tokenIssuer: args.serviceAccountIssuer } : {}),
            logLevel: args.logLevel,
          },
          io.signal,
        );
      },
    )
    .command('secrets', "Look after the encryption of Secrets, on a server's machine", (yargs) =>
      yargs
        .command(
          'rotate-key',
          'Take a new key into use, and encrypt every Secret anew; servers that run need not be told',
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
                describe: 'The etcd that the server uses, if it is not its own',
              })
              .option('etcd-ca', { type: 'string', describe: 'CA of the etcd servers (PEM file)' })
              .option('etcd-cert', { type: 'string', describe: 'Client certificate for etcd (PEM file)' })
              .option('etcd-key', { type: 'string', describe: 'Key of the client certificate for etcd (PEM file)' }),
          async (args) => {
            const { rotateSecretsKey } = await import('../control-plane/secrets.ts');
            const { dataDir, etcdCa, etcdCert, etcdKey } = args;
            const etcdEndpoints = commaSeparated(args.etcdEndpoints ?? []);
            const options = { dataDir, etcdEndpoints, etcdCa, etcdCert, etcdKey };
            const count = await rotateSecretsKey(options, io.signal);
            io.out(`a new key is in use; ${count} objects were encrypted anew\n`);
          },
        )
        .demandCommand(1, 'secrets rotate-key?'),
    )
    .command(
      'agent',
      'Run this machine as a node',
      (yargs) =>
        yargs
          .option('server', {
            type: 'string',
            demandOption: true,
            describe: "HOST:PORT of the control plane's gRPC API",
          })
          .option('token', { type: 'string', describe: 'Join token; needed until the machine has its certificate' })
          .option('token-file', {
            type: 'string',
            describe: 'A file with the join token (mode 0600), read until the machine has its certificate',
          })
          .conflicts('token', 'token-file')
          .option('ca-hash', { type: 'string', describe: "sha256:… of the cluster's CA, to know the server by" })
          .option('node-name', { type: 'string', default: hostname().toLowerCase(), describe: 'Name of the node' })
          .option('node-address', { type: 'string', describe: 'The address by which other nodes reach this one' })
          .option('data-dir', {
            type: 'string',
            default: '/var/lib/coracle-agent',
            describe: 'Where the agent keeps its state',
          })
          .option('runtime', {
            choices: runtimeNames,
            default: 'docker' as const,
            describe: 'What runs the containers',
          })
          .option('docker-socket', { type: 'string', default: '/var/run/docker.sock', describe: "The engine's socket" })
          .option('labels', { type: 'string', describe: 'Labels for the node: KEY=VALUE,…' })
          .option('taints', { type: 'string', describe: 'Taints for the node: KEY=VALUE:EFFECT,…' })
          .option('max-pods', { type: 'number', describe: 'The most pods that the node takes' })
          .option('allowed-unsafe-sysctls', {
            type: 'string',
            array: true,
            default: [] as string[],
            describe: 'Sysctls that pods may set beside the safe ones: NAME or BEGINNING*, …',
          })
          .option('resolv-conf', {
            type: 'string',
            describe:
              'The file of the resolver settings for pods (default: /etc/resolv.conf, or that of systemd-resolved)',
          })
          .option('cgroup-parent', { type: 'string', describe: 'The cgroup that the pods live under' })
          .option('oci-runtime', { type: 'string', describe: "The engine's name of the OCI runtime" })
          .option('metrics-listen', { type: 'string', describe: '127.0.0.1:PORT for Prometheus metrics' })
          .option('log-level', logLevel),
      async (args) => {
        const { runAgent } = await import('../agent/main.ts');
        await runAgent(
          {
            server: args.server,
            token: args.token,
            tokenFile: args.tokenFile,
            caHash: args.caHash,
            nodeName: args.nodeName,
            nodeAddress: args.nodeAddress,
            dataDir: args.dataDir,
            runtime: args.runtime,
            dockerSocket: args.dockerSocket,
            labels: parseLabels(args.labels ?? ''),
            taints: parseTaints(args.taints ?? ''),
            maxPods: args.maxPods,
            allowedUnsafeSysctls: commaSeparated(args.allowedUnsafeSysctls),
            cgroupParent: args.cgroupParent,
            resolvConf: args.resolvConf,
            runtimeName: args.ociRuntime,
            metricsListen: args.metricsListen,
            logLevel: args.logLevel,
          },
          io.signal,
        );
      },
    );
}

const logLevel = {
  choices: ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const,
  default: 'info' as const,
  describe: 'How much to log',
};

function commaSeparated(values: readonly string[]): string[] {
  return values.flatMap((value) => value.split(',')).filter((value) => value !== '');
}

function parseLabels(text: string): Record<string, string> {
  return Object.fromEntries(
    commaSeparated([text]).map((pair) => {
      const equals = pair.indexOf('=');
      if (equals <= 0) throw new UsageError(`label "${pair}" is not KEY=VALUE`);
      return [pair.slice(0, equals), pair.slice(equals + 1)];
    }),
  );
}

function parseTaints(text: string): Taint[] {
  return commaSeparated([text]).map((taint) => {
    const match = /^([^=:]+)(?:=([^:]*))?:(NoSchedule|PreferNoSchedule|NoExecute)$/.exec(taint);
    if (!match?.[1])
      throw new UsageError(`taint "${taint}" is not KEY=VALUE:NoSchedule, :PreferNoSchedule or :NoExecute`);
    return { key: match[1], ...(match[2] ? { value: match[2] } : {}), effect: match[3] as Taint['effect'] };
  });
}
