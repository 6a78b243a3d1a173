import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createAgent } from '../../agent/agent.ts';
import { fileCheckpoint } from '../../agent/checkpoint/checkpoint-files.ts';
import { systemDialers } from '../../agent/probes/system-dialers.ts';
import { machineUsage } from '../../agent/usage/machine.ts';
import { fileVolumes } from '../../agent/volumes/file-volumes.ts';
import { localVolumes } from '../../agent/volumes/local-volumes.ts';
import { systemMounter } from '../../agent/volumes/mounter.ts';
import { Authenticator } from '../../control-plane/api/auth/authenticator.ts';
import { createEnrollment } from '../../control-plane/api/auth/enrollment.ts';
import { tokenKeysOf } from '../../control-plane/api/auth/tokens/index.ts';
import { Chain } from '../../control-plane/api/chain/chain.ts';
import { createGrpcServer } from '../../control-plane/api/grpc/server.ts';
import { type ControlPlane, createControlPlane } from '../../control-plane/control-plane.ts';
import { createHeartbeatPort } from '../../control-plane/heartbeat-port.ts';
import { LivenessCore } from '../../control-plane/liveness/core.ts';
import { MemoryStore } from '../../control-plane/store/memory.ts';
import { systemClock } from '../../shared/clock.ts';
import type { Pod } from '../../shared/generated/types.ts';
import { silentLog } from '../../shared/log.ts';
import type { Draft } from '../../shared/object.ts';
import { type Authority, createAuthority, loadAuthority } from '../../shared/pki/certificates.ts';
import { systemRandom } from '../../shared/random.ts';
import { createRpcChannel } from '../../shared/rpc/channel.ts';
import { createGrpcClient, type GrpcClient } from '../../shared/rpc/client.ts';
import { createRpcSchema } from '../../shared/rpc/schema.ts';
import { grpcSessionTransport } from '../../shared/rpc/session-client.ts';
import { requestToken } from '../../shared/rpc/tokens.ts';
import { type DockerNode, makeDockerNode } from './docker-node.ts';
import { eventually } from './eventually.ts';
import { administrator } from './grpc-server.ts';

const deps = { clock: systemClock, random: systemRandom };

/** A whole cluster of one node in this process: control plane, gRPC with real TLS between, the agent, a Docker engine of its own. */
export interface DockerCluster {
  readonly node: DockerNode;
  readonly controlPlane: ControlPlane;
  readonly authority: Authority;
  /** `127.0.0.1:PORT` of the gRPC server. */
  readonly address: string;
  /** The administrator's. */
  readonly client: GrpcClient;
  /** Ends the agent; its containers run on. */
  stopAgent(): Promise<void>;
  /** Starts the next agent after `stopAgent`. */
  startAgent(): void;
  /** Creates a pod and waits until all its containers run. */
  runPod(pod: Draft<Pod>): Promise<Pod>;
  close(): Promise<void>;
}

export async function startDockerCluster(podCIDR = '10.94.0.0/16'): Promise<DockerCluster> {
  const node = await makeDockerNode();
  const dir = join(node.docker.directory, 'cluster-agent');
  await mkdir(dir);
  const stop = new AbortController();
  const authority = await loadAuthority(await createAuthority('test-ca', deps), deps);
  const store = new MemoryStore(deps);
  const tls = {
    ca: authority.certificate,
    server: await authority.issueServer({ commonName: 'coracle', names: ['localhost', '127.0.0.1'] }),
  };
  const liveness = new LivenessCore({ ...deps, store, log: silentLog, server: 'test' });
  const heartbeats = createHeartbeatPort({ heartbeats: liveness, tls, clock: systemClock, log: silentLog });
  const heartbeatPort = await heartbeats.listen('127.0.0.1:0');
  const controlPlane = createControlPlane({
    ...deps,
    store,
    liveness,
    heartbeats: () => ({ port: heartbeatPort }),
    tokenKeys: tokenKeysOf(),
    authority,
    log: silentLog,
    holder: 'test',
    clusterCIDR: podCIDR,
    // The agent shares this process and its one thread with everything that a test does.
    leaseMs: 20_000,
  });
  const serving = controlPlane.run(stop.signal);
  await controlPlane.ready(stop.signal);

  const schema = createRpcSchema();
  const server = createGrpcServer({
    api: controlPlane.api,
    chain: new Chain({
      clock: systemClock,
      log: silentLog,
      authenticator: new Authenticator({
        clock: systemClock,
        authorizer: controlPlane.authorizer,
        tokens: controlPlane.tokens?.authenticators,
        nodes: controlPlane.nodeCertificates,
      }),
      live: controlPlane.liveCredentials,
    }),
    enrollment: createEnrollment({ client: controlPlane.client, authority, ...deps, log: silentLog }),
    sessions: controlPlane.sessions,
    tls,
    clock: systemClock,
    log: silentLog,
    schema,
  });
  const address = `127.0.0.1:${await server.listen('127.0.0.1:0')}`;
  server.setServing(true);
  const ca = authority.certificate;
  const tlsOf = async (user: string, groups: readonly string[]) => ({
    ca,
    credentials: await authority.issueClient({ user, groups }),
  });
  const channel = createRpcChannel(
    { address, tls: await tlsOf('system:node:node-1', ['system:nodes']) },
    { clock: systemClock, schema },
  );
  let agentStop = new AbortController();
  let running: Promise<void> = Promise.resolve();
  const startAgent = (): void => {
    agentStop = new AbortController();
    const agent = createAgent({
      transport: grpcSessionTransport(channel),
      tokens: { request: (wish, signal) => requestToken(channel, wish, signal) },
      runtime: node.runtime(),
      network: node.network,
      volumes: fileVolumes({
        dir: join(dir, 'pods'),
        mounter: systemMounter,
        localRoot: join(dir, 'local-volumes'),
        dnsOf: () => ({ servers: [], searches: [], options: [] }),
      }),
      localVolumes: localVolumes(join(dir, 'local-volumes'), systemMounter),
      checkpoint: fileCheckpoint(join(dir, 'checkpoint'), silentLog),
      dialers: systemDialers({ clock: systemClock }),
      machineUsage,
      usageEveryMs: 2_000,
      ...deps,
      log: silentLog,
      node: {
        name: 'node-1',
        address: '192.168.77.1',
        labels: {},
        taints: [],
        version: 'v1.32.0-test',
        machineId: '',
        bootId: '',
        maxPods: 110,
        reserved: { cpuMillis: 0, memoryBytes: 0 },
      },
    });
    running = agent.run(agentStop.signal);
  };
  const stopAgent = async (): Promise<void> => {
    agentStop.abort();
    await running;
  };
  startAgent();
  const client = createGrpcClient(
    { address, tls: await tlsOf(administrator.user, administrator.groups ?? []) },
    { ...deps, schema },
  );
  await eventually(async () => (await client.list('Node', {})).items.some(isReady), { timeoutMs: 20_000 });

  return {
    node,
    controlPlane,
    authority,
    address,
    client,
    startAgent,
    stopAgent,
    async runPod(draft) {
      const pod = await client.create('Pod', draft);
      const { name, namespace } = pod.metadata;
      return eventually(
        async () => {
          const now = await client.get('Pod', name, namespace);
          return now.status?.phase === 'Running' && now;
        },
        { timeoutMs: 30_000, everyMs: 100, what: `pod ${name} did not run` },
      );
    },
    async close() {
      client.close();
      await stopAgent();
      stop.abort(new Error('the test is over'));
      channel.close();
      await server.close(1_000);
      heartbeats.close();
      await liveness.stop();
      await serving;
      for (const point of await systemMounter.below(dir)) await systemMounter.unmount(point);
      await node.close();
    },
  };
}

function isReady({ status }: { status?: { conditions?: Array<{ type: string; status: string }> } }): boolean {
  return status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ?? false;
}
