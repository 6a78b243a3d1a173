import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Pod } from '../../shared/generated/types.ts';
import type { Draft } from '../../shared/object.ts';
import { writeKubeconfig } from '../../shared/pki/kubeconfig.ts';
import { type CliResult, type CliRun, startCli } from './cli.ts';
import { administrator, startTestGrpc, type TestGrpc } from './grpc-server.ts';
import { noPodStreams } from './pod-stream.ts';

/** A server, and a CLI with the kubeconfig of its administrator. */
export interface CliScene {
  readonly grpc: TestGrpc;
  /** For what a test writes. */
  readonly dir: string;
  readonly env: Record<string, string>;
  start(...args: string[]): CliRun;
  coracle(...args: string[]): Promise<CliResult>;
  /** The output of a command that must succeed. */
  ok(...args: string[]): Promise<string>;
  /** The output of an `apply` of a text, which must succeed. */
  applied(text: string, ...args: string[]): Promise<string>;
  stop(): Promise<void>;
}

export async function startCliScene(): Promise<CliScene> {
  const grpc = await startTestGrpc({
    nodeStreams: {
      ...noPodStreams,
      logs: async (_node, { container, tail, timestamps }) =>
        (async function* () {
          yield Buffer.from(`${container} tail=${tail} timestamps=${timestamps}\n`);
        })(),
    },
  });
  const dir = await mkdtemp(join(tmpdir(), 'coracle-cli-'));
  const { ca, credentials } = await grpc.tls(administrator);
  const kubeconfig = writeKubeconfig({
    cluster: 'test',
    user: 'admin',
    rest: 'https://127.0.0.1:1',
    grpc: grpc.address,
    ca,
    credentials,
  });
  await writeFile(join(dir, 'kubeconfig'), kubeconfig);
  const env = { KUBECONFIG: join(dir, 'kubeconfig'), HOME: dir };
  const start = (...args: string[]) => startCli(args, env);
  const coracle = (...args: string[]) => start(...args).done;
  return {
    grpc,
    dir,
    env,
    start,
    coracle,
    async ok(...args) {
      const { code, out, err } = await coracle(...args);
      expect(err, args.join(' ')).toBe('');
      expect(code).toBe(0);
      return out;
    },
    async applied(text, ...args) {
      const result = await startCli(['apply', '-f', '-', ...args], env, text).done;
      expect(result.err).toBe('');
      return result.out;
    },
    async stop() {
      await grpc.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

export function deploymentYaml(
  name: string,
  more: { replicas?: number; image?: string; env?: string; volume?: string } = {},
): string {
  return `apiVersion: apps/v1
kind: Deployment
metadata:
  name: ${name}
spec:
${more.replicas === undefined ? '' : `  replicas: ${more.replicas}\n`}  selector:
    matchLabels: {app: ${name}}
  template:
    metadata:
      labels: {app: ${name}}
    spec:
      containers:
        - name: web
          image: ${more.image ?? 'web:1'}
          resources: {requests: {cpu: 0.5, memory: 64Mi}}
${more.env ? `          env: [{name: ${more.env}, value: ours}]\n` : ''}        - name: side
          image: side:1
      volumes:
        - name: data
          ${more.volume ?? 'emptyDir: {}'}
`;
}

export function pod(name: string, more: Partial<Pod['spec']> = {}): Draft<Pod> {
  return {
    metadata: { name, namespace: 'default', labels: { app: name } },
    spec: { containers: [{ name: 'main', image: 'busybox' }], ...more },
  };
}
