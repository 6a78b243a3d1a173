import { hostname } from 'node:os';
import { runtimeNames } from '../../agent/runtime/runtimes.ts';
import type { Taint } from '../../shared/generated/types.ts';
import type { Command } from '../commands/command.ts';
import { UsageError } from '../io.ts';
import { commaSeparated, logLevel } from './options.ts';

export const agentProgram: Command = (program, { io }) =>
  program.command(
    'agent',
    'Run this machine as a node',
    (yargs) =>
      yargs
        .option('server', {
          type: 'string',
          demandOption: true,
          describe: "HOST:PORT of the control plane's gRPC API",
        })
        .option('token', { type: 'string', describe: 'Join token; needed until the node has a certificate' })
        .option('token-file', {
          type: 'string',
          describe: 'A file with the join token (mode 0600), read until the node has a certificate',
        })
        .conflicts('token', 'token-file')
        .option('ca-hash', {
          type: 'string',
          describe: 'sha256:… of the CA of the cluster, to authenticate the server',
        })
        .option('node-name', { type: 'string', default: hostname().toLowerCase(), describe: 'Name of the node' })
        .option('node-address', { type: 'string', describe: 'The address of this node for other nodes' })
        .option('data-dir', {
          type: 'string',
          default: '/var/lib/coracle-agent',
          describe: "Directory of the agent's state",
        })
        .option('runtime', {
          choices: runtimeNames,
          default: 'docker' as const,
          describe: 'The container runtime',
        })
        .option('docker-socket', {
          type: 'string',
          default: '/var/run/docker.sock',
          describe: 'Socket of the container engine',
        })
        .option('labels', { type: 'string', describe: 'Labels for the node: KEY=VALUE,…' })
        .option('taints', { type: 'string', describe: 'Taints for the node: KEY=VALUE:EFFECT,…' })
        .option('max-pods', { type: 'number', describe: 'The most pods on the node' })
        .option('allowed-unsafe-sysctls', {
          type: 'string',
          array: true,
          default: [] as string[],
          describe: 'Unsafe sysctls that pods may set: NAME or PREFIX*, …',
        })
        .option('resolv-conf', {
          type: 'string',
          describe:
            'The file of the resolver settings for pods (default: /etc/resolv.conf, or that of systemd-resolved)',
        })
        .option('cgroup-parent', { type: 'string', describe: 'The parent cgroup of pods' })
        .option('oci-runtime', { type: 'string', describe: 'Name of the OCI runtime in the container engine' })
        .option('metrics-listen', { type: 'string', describe: '127.0.0.1:PORT for Prometheus metrics' })
        .option('log-level', logLevel),
    async (args) => {
      const { runAgent } = await import('../../agent/main.ts');
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
