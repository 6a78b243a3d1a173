import { intValue } from '../../shared/quantity.ts';
import type { Command } from '../commands/command.ts';
import { parseDuration } from '../duration.ts';
import { commaSeparated, logLevel } from './options.ts';

export const serverProgram: Command = (program, { io }) =>
  program.command(
    'server',
    'Run the control plane',
    (yargs) =>
      yargs
        .option('data-dir', {
          type: 'string',
          default: '/var/lib/coracle',
          describe: "Directory of the server's state",
        })
        .option('etcd-endpoints', {
          type: 'string',
          array: true,
          describe: 'Endpoints of etcd; without any the server runs its own',
        })
        .option('etcd-ca', { type: 'string', describe: 'CA of the etcd servers (PEM file)' })
        .option('etcd-cert', { type: 'string', describe: 'Client certificate for etcd (PEM file)' })
        .option('etcd-key', { type: 'string', describe: 'Key of the client certificate for etcd (PEM file)' })
        .option('rest-listen', { type: 'string', default: '0.0.0.0:6443', describe: 'HOST:PORT of the REST API' })
        .option('grpc-listen', { type: 'string', default: '0.0.0.0:6444', describe: 'HOST:PORT of the gRPC API' })
        .option('heartbeat-listen', {
          type: 'string',
          describe: 'HOST:PORT for heartbeats of nodes (default: the port after that of the gRPC API)',
        })
        .option('advertise-address', {
          type: 'string',
          array: true,
          default: [] as string[],
          describe: 'Names and addresses of the server in its certificate; the first one is written to kubeconfigs',
        })
        .option('peer-advertise-address', {
          type: 'string',
          describe: 'Name or address for other servers (default: that of the gRPC API, or of this machine)',
        })
        .option('pod-cidr', {
          type: 'string',
          default: '10.64.0.0/16',
          describe: 'Addresses of the pods of all nodes',
        })
        .option('service-cidr', {
          type: 'string',
          default: '10.68.0.0/16',
          describe: 'Addresses of services; must not overlap with those of pods',
        })
        .option('event-ttl', { type: 'string', default: '1h', describe: 'How long events are kept' })
        .option('storage-quota', {
          type: 'string',
          describe: 'Most memory for stored objects, as 512Mi (default: 40 % of the machine’s, at most 1536Mi)',
        })
        .option('service-account-issuer', {
          type: 'string',
          describe: 'The issuer URL in tokens of service accounts',
        })
        .option('audit-policy-file', {
          type: 'string',
          describe: 'The audit policy: a Policy of audit.k8s.io/v1 (YAML file)',
        })
        .option('audit-log-path', { type: 'string', describe: 'File of audit events (-: standard output)' })
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
          describe: 'Whether a request waits until its audit event is written',
        })
        .option('log-level', logLevel),
    async (args) => {
      const { runServer } = await import('../../control-plane/main.ts');
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
  );
